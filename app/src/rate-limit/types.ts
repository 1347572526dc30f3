/** The arithmetic of a limit: all that a store has to know about it. */
export interface LimitSpec {
  /**
   * - `window`: at most `limit` within a window that begins with the first request (what most people mean by "100 a minute").
   * - `smooth`: `limit` a window, spread evenly, of which `burst` may come at once (the generic cell rate algorithm, nginx's `burst`).
   */
  readonly algorithm: "window" | "smooth";
  readonly limit: number;
  readonly windowMs: number;
  /** `smooth` only. @default 1 */
  readonly burst?: number;
  /** `window` only: what happens to whoever goes on after being refused. */
  readonly penalty?: Penalty;
}

/** Blocks repeat offenders: `strikes` refusals within `strikeWindowMs` block for `blockMs`, twice as long each further time. */
export interface Penalty {
  readonly strikes: number;
  readonly strikeWindowMs: number;
  readonly blockMs: number;
  readonly mostBlockMs: number;
}

/** One count that a request is held against. */
export interface Bucket {
  readonly spec: LimitSpec;
  /** Name of the policy and who is counted, such as `api:7f3a`; unique within one call. */
  readonly key: string;
  /** Less than 0, together with `force`, takes back what was counted, at most all of it; a block that was begun stays. @default 1 */
  readonly cost?: number;
  /** Counted whatever the limit says, and never a reason to refuse: dry runs, and counts that were taken elsewhere. @default false */
  readonly force?: boolean;
  /** The limit of a store that counts for this instance alone, while the shared one is away. @default `spec` */
  readonly fallbackSpec?: LimitSpec;
  /** What another store last said, for a store that takes over from it: it begins at least there. */
  readonly atLeast?: Counted;
}

/** A count as a store that goes on from it needs it. */
export interface Counted {
  /** Requests that are counted now; for `smooth` not always a whole number. */
  readonly used: number;
  /** Until the count is back to nothing, milliseconds. */
  readonly resetMs: number;
}

/** A bucket after a call. Times are milliseconds from now. */
export interface BucketState {
  /** Whether the request was within this limit. */
  readonly allowed: boolean;
  /** Requests left now. */
  readonly remaining: number;
  /** Until the count is back to nothing. */
  readonly resetMs: number;
  /** Until the same request would be allowed; 0 when it was. */
  readonly retryMs: number;
}

/** Which store decided. */
export type StoreKind = "memory" | "cluster" | "redis";

export interface Outcome {
  /** All buckets that are not forced allowed it; then, and only then, it was counted in them. */
  readonly allowed: boolean;
  /** One per bucket, in their order. */
  readonly states: readonly BucketState[];
  readonly store: StoreKind;
}

/**
 * Holds one request against all of its buckets at once: either all count it, or (one being full) none does. The decision is atomic:
 * of any number of concurrent calls exactly as many pass as the limit says.
 */
export interface LimitStore {
  readonly kind: StoreKind;
  /** Synchronous where the store is in this process. @throws (rejects) when the store cannot decide now. */
  consume(buckets: readonly Bucket[]): Outcome | Promise<Outcome>;
  /** Entries it keeps, for reports; `undefined` where it cannot know. */
  readonly size?: number;
}
