import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../observability/logger";
import { Kept } from "./kept";

/** A look that takes longer than this is told as missing, milliseconds: the page waits 8 s for all parts, and then has none. */
const PATIENCE_MS = 2000;

/**
 * A part of what the console shows, kept for `ageMs` as {@link Kept} does it. A console is opened when something is wrong: what is away, or takes
 * longer than two seconds, is missing and must not hide the rest. A look that is late goes on, nobody begins another one beside it, and who asks
 * later gets what it found.
 */
export class Part<Found> {
  readonly #kept: Kept<Found | null>;
  #late: Promise<null> = Promise.resolve(null);

  /** @param what names the part in the log. @param patienceMs milliseconds from the beginning of a look. @default 2000 */
  constructor(
    ageMs: number,
    private readonly what: string,
    private readonly look: () => Promise<Found>,
    private readonly logger: Pick<Logger, "warn">,
    patienceMs = PATIENCE_MS,
  ) {
    this.#kept = new Kept(ageMs, () => {
      // Of the look and not of who asks: while one hangs, those who come after these two seconds do not wait at all.
      this.#late = delay(patienceMs, null, { ref: false });
      return this.#unlessAway();
    });
  }

  /** What was found, `null` while it is missing. Never rejects. */
  get(): Promise<Found | null> {
    // Of two that are settled the first one counts: what was found late is told all the same.
    return Promise.race([this.#kept.get(), this.#late]);
  }

  async #unlessAway(): Promise<Found | null> {
    try {
      return await this.look();
    } catch (error) {
      this.logger.warn({ err: error, what: this.what }, "the console shows a part as missing");
      return null;
    }
  }
}
