import { median } from "../lib/load";
import type { ChaosEvent } from "./events";
import type { Conflict } from "./measure";

/** What one run of an event showed. */
export interface RunResult {
  readonly event: string;
  /** Longest time without an acknowledged write through load balancer, app and PgBouncer, ms. */
  readonly appGapMs: number;
  /** The same for one client that writes straight to PgBouncer, ms. */
  readonly directGapMs: number;
  /** Writes and reads over HTTP that were not answered with success, and writes straight to PgBouncer. */
  readonly failedWrites: number;
  readonly failedReads: number;
  readonly failedDirect: number;
  /** Failures by channel and reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Writes over HTTP that were acknowledged while the event lasted. */
  readonly acknowledged: number;
  /** Longest of them, ms. */
  readonly longestWriteMs: number;
  /** Ids that were acknowledged and are not in the database. */
  readonly lost: readonly string[];
  readonly conflicts: readonly Conflict[];
  /** For how long a node that came back called itself primary beside its successor, ms; see `returnsUnaware` of the events. */
  readonly returnedMs: number;
  /** From the end of the fault until everything was redundant again, ms. */
  readonly recoveryMs: number;
  /** What did not go as it has to, in words. */
  readonly problems: readonly string[];
}

/** All runs of one event. */
export interface Summary {
  readonly event: ChaosEvent;
  readonly runs: number;
  readonly appGap: Spread;
  readonly directGap: Spread;
  readonly failedWrites: Spread;
  readonly failedReads: Spread;
  readonly recovery: Spread;
  readonly lost: number;
  readonly conflicts: number;
  /** Longest of all runs, ms. */
  readonly returnedMs: number;
  readonly problems: readonly string[];
  /** What was missed; empty when everything is met. */
  readonly missed: readonly string[];
}

export interface Spread {
  readonly median: number;
  readonly max: number;
}

function spread(numbers: readonly number[]): Spread {
  return { median: median(numbers), max: Math.max(0, ...numbers) };
}

/** @param results of this event, at least one. */
export function summarise(event: ChaosEvent, results: readonly RunResult[]): Summary {
  const of = (pick: (result: RunResult) => number): Spread => spread(results.map(pick));
  const [appGap, failedWrites, failedReads] = [of((run) => run.appGapMs), of((run) => run.failedWrites), of((run) => run.failedReads)];
  const lost = results.reduce((sum, run) => sum + run.lost.length, 0);
  const doubles = results.reduce((sum, run) => sum + run.conflicts.length, 0);
  const problems = [...new Set(results.flatMap((run) => run.problems))];
  const { gapSeconds, noFailures } = event.target;
  const missed = [
    ...(lost > 0 ? [`${lost} acknowledged writes lost`] : []),
    ...(doubles > 0 ? [`two primaries seen ${doubles} times`] : []),
    ...(gapSeconds !== undefined && appGap.median >= gapSeconds * 1000 ? [`gap ${seconds(appGap.median)} ≥ ${gapSeconds} s`] : []),
    ...(noFailures === true && failedWrites.max + failedReads.max > 0 ? [`${failedWrites.max + failedReads.max} requests failed`] : []),
    ...problems,
  ];
  return {
    ...{ event, runs: results.length, appGap, failedWrites, failedReads, lost, problems, missed },
    directGap: of((run) => run.directGapMs),
    recovery: of((run) => run.recoveryMs),
    conflicts: doubles,
    returnedMs: Math.max(0, ...results.map((run) => run.returnedMs)),
  };
}

/** `3.42 s` */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(milliseconds < 99_950 ? 2 : 0)} s`;
}
