import type { Row } from "../verify/types";
import type { PlannedStage } from "./schedule";
import type { Interval, Summary } from "./tally";
import type { Sample } from "./watch";

/** Everything a run measured, as `--json` writes it. Latencies and lags are milliseconds, shares are 0 to 1. */
export interface LoadResult {
  readonly profile: string;
  readonly title: string;
  readonly stack: string;
  readonly phase: string;
  readonly url: string;
  /** ISO 8601 */
  readonly startedAt: string;
  readonly seconds: number;
  /** The profile's own length where `--seconds` asked for another. */
  readonly ownSeconds?: number;
  /** Ended by Ctrl-C: what is here is of the time until then. */
  readonly interrupted: boolean;
  readonly machine: string;
  /** Processes that wanted to run over the last minute, before and at the end; the stack's own and the sender's are among them. */
  readonly loadAverage: readonly [before: number, after: number];
  readonly stages: readonly (PlannedStage & { readonly summary: Summary })[];
  readonly operations: readonly ({ readonly operation: string } & Summary)[];
  /** All measured stages together. */
  readonly measured: Summary;
  readonly intervals: readonly Interval[];
  readonly samples: readonly Sample[];
  /** Looks, one a second, at which the app did not say what would be among the samples. */
  readonly missedLooks: number;
  /** Failed requests of all stages by status or reason. */
  readonly failures: Readonly<Record<string, number>>;
  /** Share of reads that caches answered over the whole run. */
  readonly hitRate?: number;
  /** How late the sender itself was; part of every latency. */
  readonly lateness: { readonly p99: number; readonly max: number };
  readonly rows: readonly Row[];
  /** What limits what the figures say. */
  readonly notes: readonly string[];
}

/** Lateness of the sender from which on its own machine is what was measured, ms. */
const LATE_MS = 50;

/** Average number of processes that want to run, over a minute, from which on others have a part in what was measured. */
export const BUSY_LOAD = 1;

/** What a reader has to know to believe the figures. */
export function notesOf(result: Omit<LoadResult, "notes" | "rows">): string[] {
  const { ownSeconds, seconds, interrupted, lateness, loadAverage, samples, missedLooks } = result;
  return [
    ...(ownSeconds === undefined
      ? []
      : [`the run took ${seconds.toFixed(0)} s instead of the profile's ${ownSeconds} s: a trial, no proof`]),
    ...(interrupted ? ["interrupted: the figures are of the time until then"] : []),
    ...(lateness.p99 > LATE_MS
      ? [`the sender was late itself (p99 ${lateness.p99.toFixed(0)} ms): its machine is too busy, and the latencies have that in them`]
      : []),
    ...(loadAverage[0] >= BUSY_LOAD
      ? [`others were at work on this machine: load average ${loadAverage[0].toFixed(1)} before the run`]
      : []),
    ...(missedLooks > 0
      ? [
          `the app told nothing in ${missedLooks} of ${missedLooks + samples.length} looks: its pools and lags at those moments are not known`,
        ]
      : []),
  ];
}
