import type { Summary } from "./tally";

/** A rate is sustained when this holds over a step of it (p95 in ms). A backlog grows with every second: a tenth too much shows after a few. */
export const SUSTAINED = { p95: 500, errors: 0.001 } as const;

const LADDER = { from: 50, factor: 1.4, most: 3000, refinements: 2 } as const;

/** Whether a rate was carried. */
export function holds({ due, failed, p95 }: Pick<Summary, "due" | "failed" | "p95">): boolean {
  return due > 0 && failed / due < SUSTAINED.errors && p95 < SUSTAINED.p95;
}

/**
 * Finds the highest rate that one side carries: upwards in steps until one is missed, then in between. A rate that is missed is tried once
 * more before that is believed: a step has about a thousand requests or less, so that a single one that fails decides it.
 */
export class RateSearch {
  #held = 0;
  #missed: number | undefined;
  #refined = 0;
  /** Missed once. */
  #doubted: number | undefined;

  /** The rate to try next; `undefined` when the answer is known well enough. */
  get next(): number | undefined {
    if (this.#doubted !== undefined) return this.#doubted;
    if (this.#missed === undefined) {
      const rate = this.#held === 0 ? LADDER.from : Math.round(this.#held * LADDER.factor);
      return this.#held >= LADDER.most ? undefined : Math.min(LADDER.most, rate);
    }
    if (this.#refined >= LADDER.refinements) return undefined;
    const between = Math.round((this.#held + this.#missed) / 2);
    return between <= this.#held || between >= this.#missed ? undefined : between;
  }

  /** Tells what became of the rate that was tried. */
  tried(rate: number, held: boolean): void {
    const isFirstMiss = !held && this.#doubted !== rate;
    this.#doubted = isFirstMiss ? rate : undefined;
    if (isFirstMiss) return;
    if (this.#missed !== undefined) this.#refined += 1;
    if (held) this.#held = Math.max(this.#held, rate);
    else this.#missed = Math.min(this.#missed ?? rate, rate);
  }

  /** The highest rate that was carried; 0 for none. */
  get sustained(): number {
    return this.#held;
  }

  /** Nothing was missed up to the highest rate there is: the true one is that or more. */
  get isAtMost(): boolean {
    return this.#missed === undefined;
  }
}
