import { addressesOf } from "./names";
import type { Settings } from "./settings";

/** Longest wait for its answer, ms. */
const TIMEOUT_MS = 500;

/** The HAProxy between PgBouncer and the nodes; while it is replaced there are two. */
export class Proxy {
  constructor(private readonly settings: Pick<Settings, "proxy">) {}

  /**
   * Names of the nodes that any of the proxies takes for primary: exactly one when all agree. One that does not answer takes no
   * connections either.
   */
  async primaries(): Promise<Set<string>> {
    const addresses = await addressesOf(this.settings.proxy.host);
    const answers = await Promise.all(addresses.map((address) => this.#ask(address)));
    return new Set(answers.flat());
  }

  async #ask(address: string): Promise<string[]> {
    try {
      const answer = await fetch(`http://${address}:${this.settings.proxy.statusPort}/primary`, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (!answer.ok) return ["nobody"];
      return (await answer.text()).split(" ").filter((name) => name !== "");
    } catch {
      return [];
    }
  }
}
