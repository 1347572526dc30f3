import { messageOf } from "../lib/errors";

/** How to end what was broken on purpose: each fault says so before it acts, the last one is ended first. */
export class Repairs {
  #open: { readonly what: string; readonly repair: () => Promise<void> }[] = [];

  /** @param repair may be called although the fault did not take place, or is over already. */
  add(what: string, repair: () => Promise<void>): void {
    this.#open.push({ what, repair });
  }

  get isEmpty(): boolean {
    return this.#open.length === 0;
  }

  /**
   * Ends everything that is open; one that fails does not keep the others from being tried.
   * @throws Error naming what could not be ended.
   */
  async run(): Promise<void> {
    const failed: string[] = [];
    for (let next = this.#open.pop(); next !== undefined; next = this.#open.pop()) {
      try {
        await next.repair();
      } catch (error) {
        failed.push(`${next.what}: ${messageOf(error)}`);
      }
    }
    if (failed.length > 0) throw new Error(`what was broken could not be put right: ${failed.join("; ")}`);
  }
}
