import { latest } from "../bounded";
import type { Bucket, Counted, LimitSpec, LimitStore, Outcome, StoreKind } from "./types";

/** Counts of the shared store remembered for the day it goes away. */
const MOST_REMEMBERED = 10_000;

interface Remembered {
  readonly used: number;
  /** By the monotonic clock of this process. */
  readonly resetAt: number;
}

export interface FallbackOptions {
  /** Whether the first store is worth asking; @default always */
  readonly usable?: () => boolean;
  /** Called with the error of every call that the first store failed. */
  readonly failed: (error: Error) => void;
}

/**
 * A store with another one behind it. While the first cannot be asked the second decides, by each policy's fallback limit, and goes on
 * from the counts that the first last reported to this process.
 *
 * Bound: when a shared store goes away and comes back within one window, at most its limit plus one fallback limit for each instance
 * passes in that window. It is less wherever a process remembers the count.
 */
export class FallbackStore implements LimitStore {
  readonly #remembered = latest<string, Remembered>(MOST_REMEMBERED);

  constructor(
    private readonly first: LimitStore,
    private readonly second: LimitStore,
    private readonly options: FallbackOptions,
  ) {}

  get kind(): StoreKind {
    return this.options.usable?.() === false ? this.second.kind : this.first.kind;
  }

  consume(buckets: readonly Bucket[]): Outcome | Promise<Outcome> {
    if (this.options.usable?.() === false) return this.second.consume(this.#continued(buckets));
    return this.#ask(buckets);
  }

  #ask(buckets: readonly Bucket[]): Outcome | Promise<Outcome> {
    const taken = (outcome: Outcome): Outcome => {
      this.#remember(buckets, outcome);
      return outcome;
    };
    const failed = (error: unknown): Outcome | Promise<Outcome> => {
      this.options.failed(error as Error);
      return this.second.consume(this.#continued(buckets));
    };
    const outcome = this.first.consume(buckets);
    // Without await: the promises of a request that is counted elsewhere are a tenth of its time.
    return outcome instanceof Promise ? outcome.then(taken, failed) : taken(outcome);
  }

  #remember(buckets: readonly Bucket[], { states }: Outcome): void {
    const now = performance.now();
    for (const [index, { spec, key, force, cost = 1 }] of buckets.entries()) {
      const state = states[index];
      if (state === undefined || (force === true && cost > 0)) continue;
      this.#remembered.set(key, { used: spec.limit - state.remaining, resetAt: now + state.resetMs });
    }
  }

  #continued(buckets: readonly Bucket[]): Bucket[] {
    const now = performance.now();
    return buckets.map((bucket) => {
      const { fallbackSpec, ...rest } = bucket;
      const atLeast = counted(this.#remembered.get(bucket.key), bucket.spec, now);
      // What is taken back must not come again with the next request; the second store knows of it from now on.
      if (bucket.cost !== undefined && bucket.cost < 0) this.#remembered.delete(bucket.key);
      return { ...rest, spec: fallbackSpec ?? bucket.spec, ...(atLeast !== undefined && { atLeast }) };
    });
  }
}

/** What is left now of a count that was remembered. */
function counted(known: Remembered | undefined, spec: LimitSpec, now: number): Counted | undefined {
  if (known === undefined || known.resetAt <= now) return undefined;
  const resetMs = known.resetAt - now;
  // A spread limit gives back one by one; the time until all is back says how many are not.
  return { used: spec.algorithm === "smooth" ? (resetMs * spec.limit) / spec.windowMs : known.used, resetMs };
}
