import type { BucketState, Counted, LimitSpec, Penalty } from "./types";

/** The count of one bucket. `consume-script.ts` keeps the same in Redis; both pass the same tests. Times are milliseconds of one clock. */
export interface LimitRecord {
  /** `window`: requests counted. */
  count: number;
  /** `window`: end of the window. `smooth`: when all of the burst is available again (the theoretical arrival time). */
  resetAt: number;
  /** Refusals counted towards a block, and until when. */
  strikes: number;
  strikesUntil: number;
  blockedUntil: number;
  /** Blocks so far. */
  offences: number;
}

/** A bucket that nobody used yet. */
export function emptyRecord(): LimitRecord {
  return { count: 0, resetAt: 0, strikes: 0, strikesUntil: 0, blockedUntil: 0, offences: 0 };
}

/** Brings the record to the present: a window begins with the first request that is counted, and not while a block lasts. */
export function refresh(record: LimitRecord, spec: LimitSpec, now: number): void {
  if (spec.algorithm === "smooth") {
    if (now >= record.resetAt) record.resetAt = now;
  } else if ((now >= record.resetAt || record.count === 0) && now >= record.blockedUntil) {
    record.count = 0;
    record.resetAt = now + spec.windowMs;
  }
}

/** Whether `cost` more requests are within the limit, on a refreshed record. */
export function fits(record: LimitRecord, spec: LimitSpec, cost: number, now: number): boolean {
  if (spec.algorithm === "window") return record.count + cost <= spec.limit && now >= record.blockedUntil;
  const interval = spec.windowMs / spec.limit;
  return record.resetAt + cost * interval - now <= (spec.burst ?? 1) * interval;
}

/** Counts `cost` requests; less than 0 takes as many back. What is below nothing after that is nothing when it is next refreshed. */
export function count(record: LimitRecord, spec: LimitSpec, cost: number): void {
  if (spec.algorithm === "window") record.count = Math.max(0, record.count + cost);
  else record.resetAt += (cost * spec.windowMs) / spec.limit;
}

/** Goes on from what another store counted, where that is more. */
export function takeOver(record: LimitRecord, spec: LimitSpec, { used, resetMs }: Counted, now: number): void {
  if (spec.algorithm === "smooth") {
    // Never beyond the burst of this limit, which may be the smaller one: nobody waits longer than for one more request.
    record.resetAt = Math.max(record.resetAt, now + (Math.min(used, spec.burst ?? 1) * spec.windowMs) / spec.limit);
  } else if (record.count < used) {
    record.count = used;
    record.resetAt = now + Math.min(resetMs, spec.windowMs);
  }
}

/** Notes a refusal: the last of too many begins a block. Refusals during a block change nothing, or it would never end. */
export function strike(record: LimitRecord, penalty: Penalty, now: number): void {
  if (now < record.blockedUntil) return;
  if (now >= record.strikesUntil) {
    record.strikes = 0;
    record.strikesUntil = now + penalty.strikeWindowMs;
  }
  record.strikes += 1;
  if (record.strikes < penalty.strikes) return;
  record.strikes = 0;
  record.blockedUntil = now + Math.min(penalty.blockMs * 2 ** record.offences, penalty.mostBlockMs);
  record.offences += 1;
}

/** What to say about a bucket after the decision. */
export function describe(record: LimitRecord, spec: LimitSpec, allowed: boolean, cost: number, now: number): BucketState {
  const resetMs = rounded(Math.max(0, record.resetAt - now, record.blockedUntil - now));
  if (spec.algorithm === "window") {
    const blockedMs = rounded(Math.max(0, record.blockedUntil - now));
    const remaining = blockedMs > 0 ? 0 : Math.max(0, spec.limit - record.count);
    return { allowed, remaining, resetMs, retryMs: allowed ? 0 : blockedMs > 0 ? blockedMs : resetMs };
  }
  const interval = spec.windowMs / spec.limit;
  const capacity = (spec.burst ?? 1) * interval;
  // The small part keeps a whole number whole after divisions.
  const remaining = Math.max(0, Math.floor((capacity - resetMs) / interval + 1e-6));
  return { allowed, remaining, resetMs, retryMs: allowed ? 0 : rounded(Math.max(0, resetMs + cost * interval - capacity)) };
}

/** To a microsecond: 60000.00000000001 ms would be 61 s in a header. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
