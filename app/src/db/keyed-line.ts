/**
 * Lets one at a time pass for each key, in the order of arrival. What waits here holds no connection: many requests of one tenant
 * would otherwise take every connection of the pool only to wait for each other in the database.
 */
export class KeyedLine {
  /** Who waits for each key that someone holds. */
  readonly #waiting = new Map<string, Set<() => void>>();

  /**
   * Resolves with what lets the next one pass; call it once.
   * @param more asked when it is not one's turn within `waitMs`: how much longer to wait without losing one's place, ms. @default 0
   * @returns `undefined` when it is not one's turn by then.
   */
  enter(key: string, waitMs: number, more: () => number = () => 0): Promise<(() => void) | undefined> {
    const line = this.#waiting.get(key);
    if (line === undefined) {
      this.#waiting.set(key, new Set());
      return Promise.resolve(() => this.#leave(key));
    }
    return new Promise((resolve) => {
      const late = (): void => {
        const moreMs = more();
        if (moreMs > 0) {
          timer = setTimeout(late, moreMs);
          return;
        }
        line.delete(pass);
        resolve(undefined);
      };
      let timer = setTimeout(late, waitMs);
      const pass = (): void => {
        clearTimeout(timer);
        resolve(() => this.#leave(key));
      };
      line.add(pass);
    });
  }

  #leave(key: string): void {
    const line = this.#waiting.get(key);
    const [next] = line ?? [];
    if (line === undefined || next === undefined) {
      this.#waiting.delete(key);
      return;
    }
    line.delete(next);
    next();
  }
}
