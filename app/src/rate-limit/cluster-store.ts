import { answerInPrimary, askPrimary } from "../cluster/channel";
import { MemoryStore } from "./memory-store";
import type { Bucket, LimitStore, Outcome } from "./types";

const TOPIC = "rate-limit";

/** Longest wait for the primary, milliseconds. It does nothing slow; one that does not answer by then hangs. */
const DEADLINE_MS = 500;

/**
 * Counts kept by the primary for all workers of this instance, so that a limit of N is N whatever the number of workers (dividing it by
 * them would refuse clients whose connections happen to lie on one). All questions of one turn of the event loop travel together.
 */
export class ClusterStore implements LimitStore {
  readonly kind = "cluster" as const;

  /** @throws Error (rejects) when the primary does not answer in time. */
  consume(buckets: readonly Bucket[]): Promise<Outcome> {
    return askPrimary<Outcome>(TOPIC, buckets, DEADLINE_MS);
  }
}

/** To be called in the primary before workers start. */
export function keepCountsInPrimary(): void {
  const store = new MemoryStore(undefined, undefined, "cluster");
  answerInPrimary(TOPIC, (buckets) => store.consume(buckets as readonly Bucket[]));
}
