import { LONGEST_PAUSE_MS } from "./retry";

/** What the statements of a pool tell about its server. Times are on the clock of `performance.now()`. */
export class Traffic {
  /** Statements under way. */
  asking = 0;
  /** Who waits for a connection, and began while nobody had one: not for somebody else, but for the server. */
  #connecting = 0;
  /** When the server last answered one; what says that there is no server is no answer of it. */
  answeredAt = -Infinity;
  /** When it last answered after none of the statements under way had been answered for {@link #silenceMs}. */
  silenceEndedAt = -Infinity;
  readonly #silenceMs: number;
  /** When somebody asked for the first time since the server last answered; `undefined`: nobody has. */
  #unansweredSince: number | undefined;
  #quietSince = 0;

  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs;
  }

  asked(): void {
    this.#begin();
    this.asking += 1;
  }

  /** Somebody waits for a connection while nobody has one. @returns to be called when that is over */
  connects(): () => void {
    this.#begin();
    this.#connecting += 1;
    return () => {
      this.#connecting -= 1;
      this.#quietSince = performance.now();
    };
  }

  /** Before {@link over}. */
  answered(): void {
    const now = performance.now();
    if (now - (this.#unansweredSince ?? now) >= this.#silenceMs) this.silenceEndedAt = now;
    this.answeredAt = now;
    this.#unansweredSince = this.asking + this.#connecting > 1 ? now : undefined;
  }

  over(): void {
    this.asking -= 1;
    this.#quietSince = performance.now();
  }

  #begin(): void {
    // Between two attempts there are pauses, and silence goes on in them; when nobody has asked for longer than that, it is not known.
    const isQuiet = this.asking + this.#connecting === 0;
    if (isQuiet && performance.now() - this.#quietSince > LONGEST_PAUSE_MS) this.#unansweredSince = undefined;
    this.#unansweredSince ??= performance.now();
  }

  /** Whether nothing has been answered for {@link #silenceMs}, although something was asked, or nobody got a connection. */
  get isSilent(): boolean {
    if (this.asking + this.#connecting === 0 || this.#unansweredSince === undefined) return false;
    return performance.now() - this.#unansweredSince >= this.#silenceMs;
  }
}
