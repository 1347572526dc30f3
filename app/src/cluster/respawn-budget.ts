/** Whether a lost worker may be started again, and when. Milliseconds. */
export type Respawn = { readonly granted: true; readonly delayMs: number } | { readonly granted: false; readonly retryInMs: number };

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5000;

/**
 * Bounds unplanned starts of workers (feature A2: 10 a minute). The first within the window is immediate, so that a single crash
 * costs no time; each further one waits twice as long as the one before, 100 ms to 5 s.
 */
export class RespawnBudget {
  /** Times of the granted starts within the window, oldest first. */
  private readonly granted: number[] = [];
  total = 0;

  /** @param now milliseconds of a clock that never goes back. */
  constructor(
    readonly limit: number,
    private readonly windowMs = 60_000,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Starts granted within the window. */
  get used(): number {
    const horizon = this.now() - this.windowMs;
    while (this.granted[0] !== undefined && this.granted[0] <= horizon) this.granted.shift();
    return this.granted.length;
  }

  take(): Respawn {
    const used = this.used;
    if (used >= this.limit) {
      const oldest = this.granted[0] ?? this.now();
      return { granted: false, retryInMs: Math.max(1, Math.ceil(oldest + this.windowMs - this.now())) };
    }
    this.granted.push(this.now());
    this.total += 1;
    return { granted: true, delayMs: used === 0 ? 0 : Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (used - 1)) };
  }
}
