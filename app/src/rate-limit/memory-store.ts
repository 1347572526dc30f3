import type { LRUCache } from "lru-cache";
import { latest } from "../bounded";
import { count, describe, emptyRecord, fits, type LimitRecord, refresh, strike, takeOver } from "./arithmetic";
import type { Bucket, BucketState, LimitStore, Outcome, StoreKind } from "./types";

/** Counts kept; about 200 bytes each. More clients than that at once are what the load balancer's limits are for. */
export const MOST_RECORDS = 100_000;

/**
 * Counts in this process: exact for it, and for the whole instance when the primary keeps it (see `cluster-store.ts`). Bounded; when
 * full, the count that was not used for the longest time goes. Its clock is monotonic: setting the machine's clock changes no limit.
 */
export class MemoryStore implements LimitStore {
  readonly #records: LRUCache<string, LimitRecord>;

  /**
   * @param now clock in milliseconds; @default the monotonic one
   * @param mostRecords @default {@link MOST_RECORDS}
   */
  constructor(
    private readonly now: () => number = () => performance.now(),
    mostRecords = MOST_RECORDS,
    readonly kind: StoreKind = "memory",
  ) {
    this.#records = latest(mostRecords);
  }

  get size(): number {
    return this.#records.size;
  }

  consume(buckets: readonly Bucket[]): Outcome {
    const now = this.now();
    let allowed = true;
    const held = buckets.map((bucket) => {
      const record = this.#record(bucket, now);
      const within = fits(record, bucket.spec, bucket.cost ?? 1, now);
      if (!within && bucket.force !== true) allowed = false;
      return { bucket, record, within };
    });
    const states = held.map(({ bucket: { spec, cost = 1, force }, record, within }): BucketState => {
      if (allowed || force === true) count(record, spec, cost);
      if (!within && spec.penalty !== undefined) strike(record, spec.penalty, now);
      return describe(record, spec, within, cost, now);
    });
    return { allowed, states, store: this.kind };
  }

  #record({ spec, key, atLeast }: Bucket, now: number): LimitRecord {
    let record = this.#records.get(key);
    if (record === undefined) {
      record = emptyRecord();
      this.#records.set(key, record);
    }
    refresh(record, spec, now);
    if (atLeast !== undefined) takeOver(record, spec, atLeast, now);
    return record;
  }
}
