import { count, describe, emptyRecord, expiresAt, fits, type LimitRecord, refresh, strike } from "./arithmetic";
import type { Bucket, BucketState, LimitSpec, LimitStore, Outcome, StoreKind } from "./types";

/** Counts kept for each length of window; about 200 bytes each. More clients than that at once are what the load balancer's limits are for. */
export const MOST_RECORDS = 100_000;

/** Records looked at for expiry whenever one is added. */
const SWEPT_PER_INSERT = 2;

/**
 * Counts in this process: exact for it, and for the whole instance when the primary keeps it (see `cluster-store.ts`). Bounded; when
 * full, the count that was begun first goes. Its clock is monotonic: setting the machine's clock changes no limit.
 */
export class MemoryStore implements LimitStore {
  /**
   * One map for each length of window: within a map insertion order is then about the order of expiry, and what is over lies in front.
   */
  readonly #generations = new Map<number, Map<string, LimitRecord>>();

  /**
   * @param now clock in milliseconds; @default the monotonic one
   * @param mostRecords kept for each length of window; @default {@link MOST_RECORDS}
   */
  constructor(
    private readonly now: () => number = () => performance.now(),
    private readonly mostRecords = MOST_RECORDS,
    readonly kind: StoreKind = "memory",
  ) {}

  get size(): number {
    let size = 0;
    for (const records of this.#generations.values()) size += records.size;
    return size;
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
    const records = this.#generation(spec);
    let record = records.get(key);
    if (record === undefined) {
      this.#makeRoom(records, spec, now);
      record = emptyRecord();
      records.set(key, record);
      refresh(record, spec, now);
    } else {
      const { resetAt } = record;
      refresh(record, spec, now);
      if (spec.algorithm === "window" && record.resetAt !== resetAt) {
        // Begun anew: to the end, where the youngest are.
        records.delete(key);
        records.set(key, record);
      }
    }
    if (atLeast !== undefined && spec.algorithm === "window" && record.count < atLeast.used) {
      record.count = atLeast.used;
      record.resetAt = now + Math.min(atLeast.resetMs, spec.windowMs);
    }
    return record;
  }

  #generation(spec: LimitSpec): Map<string, LimitRecord> {
    const known = this.#generations.get(spec.windowMs);
    if (known !== undefined) return known;
    const created = new Map<string, LimitRecord>();
    this.#generations.set(spec.windowMs, created);
    return created;
  }

  #makeRoom(records: Map<string, LimitRecord>, spec: LimitSpec, now: number): void {
    let looked = 0;
    for (const [key, record] of records) {
      if (now >= expiresAt(record, spec)) records.delete(key);
      else if (records.size >= this.mostRecords) records.delete(key);
      looked += 1;
      if (looked >= SWEPT_PER_INSERT) return;
    }
  }
}
