import { answerInPrimary, askPrimary } from "../cluster/channel";
import { MemoryStore } from "./memory-store";
import type { Bucket, LimitStore, Outcome } from "./types";

const TOPIC = "rate-limit";

/**
 * Longest wait for the primary, milliseconds. It does nothing slow, so one that takes longer hangs; new connections go through it too, so
 * there is little left to hurry for. A machine that is merely busy must not make a limit less exact.
 */
const DEADLINE_MS = 5000;

/** After a question without an answer the next ones are not asked for this long, milliseconds: not every request has to find out. */
const PAUSE_MS = 1000;

/**
 * Counts kept by the primary for all workers of this instance, so that a limit of N is N whatever the number of workers (dividing it by
 * them would refuse clients whose connections happen to lie on one). All questions of one turn of the event loop travel together.
 */
export class ClusterStore implements LimitStore {
  readonly kind = "cluster" as const;
  #pausedUntil = 0;

  get usable(): boolean {
    return performance.now() >= this.#pausedUntil;
  }

  /** @throws Error (rejects) when the primary does not answer in time. */
  async consume(buckets: readonly Bucket[]): Promise<Outcome> {
    try {
      return await askPrimary<Outcome>(TOPIC, buckets, DEADLINE_MS);
    } catch (error) {
      this.#pausedUntil = performance.now() + PAUSE_MS;
      throw error;
    }
  }
}

/** To be called in the primary before workers start. */
export function keepCountsInPrimary(): void {
  const store = new MemoryStore(undefined, undefined, "cluster");
  answerInPrimary(TOPIC, (buckets) => store.consume(buckets as readonly Bucket[]));
}
