/** How often a warm-up says how far it is, in milliseconds. */
const PROGRESS_MS = 15_000;

/**
 * Puts each side under load before it is measured: compilers, caches, pools and the pages of Postgres are cold at first, and what they
 * need to warm up would be charged to whoever comes first.
 */
export class WarmUp {
  readonly #seconds: number;
  readonly #say: (text: string) => void;
  readonly #checkpoint: () => void;
  readonly #warm = new Set<string>();

  /**
   * @param seconds for each side; 0 for none
   * @param checkpoint throws when the user wants no more
   */
  constructor(seconds: number, say: (text: string) => void, checkpoint: () => void) {
    this.#seconds = seconds;
    this.#say = say;
    this.#checkpoint = checkpoint;
  }

  /** Warms a side up, unless it was before. What fails meanwhile is not counted. @param load puts load on it for that many seconds */
  async once(side: string, load: (seconds: number) => Promise<unknown>): Promise<void> {
    const seconds = this.#seconds;
    if (seconds === 0 || this.#warm.has(side)) return;
    this.#checkpoint();
    this.#say(`warming up ${side}, ${seconds} s`);
    const started = performance.now();
    const progress = setInterval(() => {
      this.#say(`warming up ${side}: ${Math.round((performance.now() - started) / 1000)} of ${seconds} s`);
    }, PROGRESS_MS);
    try {
      await load(seconds);
    } finally {
      clearInterval(progress);
    }
    this.#checkpoint();
    this.#warm.add(side);
  }
}
