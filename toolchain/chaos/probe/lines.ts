import type { Member, PrimaryRound } from "../measure";

/**
 * What the probe prints, one JSON object a line. `n` counts from 1 in each start of the program, `boot` tells starts apart: the reader
 * may get lines twice when it has to connect again. Times are milliseconds since the epoch by the Docker host's clock.
 */
export type ProbeLine = { readonly boot: number; readonly n: number } & ProbeReport;

export type ProbeReport =
  | { readonly kind: "ack"; readonly at: number; readonly id: string; readonly tookMs: number }
  | { readonly kind: "fail"; readonly at: number; readonly why: string }
  | { readonly kind: "round"; readonly round: PrimaryRound }
  | { readonly kind: "cluster"; readonly at: number; readonly members: readonly Member[] };

/** What `node probe.js check` is asked: what was written since. */
export interface CheckRequest {
  /** Lowest id of the direct writer that matters. */
  readonly since: number;
  /** ISO time of the oldest order that matters. */
  readonly ordersSince: string;
  readonly companies: readonly string[];
}

/** And what it answers with, on standard output. */
export interface CheckAnswer {
  readonly direct: readonly string[];
  readonly app: readonly string[];
}

/** Where the probe finds what it needs in its container. */
export const PROBE_FILES = {
  program: "/chaos/probe.js",
  /** Connection of the direct writer: the app's role, through PgBouncer. */
  appUrl: "/chaos/app-url",
  /** Connection that makes the direct writer's table and reads everything back: the owner's role, from the primary. */
  ownerUrl: "/chaos/owner-url",
} as const;
