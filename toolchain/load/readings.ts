import { fail, type Outcome, skip } from "../verify/types";
import type { CacheCounts, Sample, Unread } from "./watch";

/** A figure to hold a target against; or, where there is none, why: `skip` where the stack has no such thing, `fail` where it was not told. */
export type Reading = number | Outcome;

/** What the app answered when it was looked at. */
export interface Looks {
  readonly samples: readonly Sample[];
  /** Looks that were not answered, or not with a report. */
  readonly missed: number;
}

/** Largest share of a pool's connections in use, 0 to 1. */
export function poolReading(looks: Looks): Reading {
  const pools = looks.samples.flatMap(({ pool }) => pool ?? []);
  return nothingTold(looks) ?? (pools.length === 0 ? skip("this database has no pool") : Math.max(...pools));
}

/** Largest lag of a replica, ms. One that was not read has failed, whatever the lag of the others: how far it was behind is not known. */
export function replicaLagReading(looks: Looks): Reading {
  const { samples } = looks;
  const away = samples.flatMap(({ unfitReplicas }) => (unfitReplicas === undefined ? [] : [unfitReplicas]));
  if (away.length > 0) {
    const names = [...new Set(away.flat())].sort().join(", ");
    return fail(`${names}: not fit to be read in ${away.length} of ${samples.length} looks`);
  }
  const lags = samples.flatMap(({ replicaLagMs }) => replicaLagMs ?? []);
  return nothingTold(looks) ?? (lags.length === 0 ? skip("no replica was read") : Math.max(...lags));
}

/** Share of reads that caches answered between two looks at every instance, 0 to 1. The looks are of the same instances in the same order. */
export function hitRateReading(before: readonly CacheCounts[] | Unread, after: readonly CacheCounts[] | Unread): Reading {
  if ("reason" in before) return fail(`the caches' figures before the load were not read: ${before.reason}`);
  if ("reason" in after) return fail(`the caches' figures after the load were not read: ${after.reason}`);
  const grown = after.map(({ hits, misses }, index) => ({
    hits: hits - (before[index]?.hits ?? 0),
    misses: misses - (before[index]?.misses ?? 0),
  }));
  // Each by itself: in the sum, what others counted would hide it.
  const anew = grown.filter(({ hits, misses }) => hits < 0 || misses < 0).length;
  if (anew > 0) return fail(`${anew} of ${after.length} instances restarted during the load, and count from 0 since`);
  const sum = (field: keyof CacheCounts): number => grown.reduce((total, counts) => total + counts[field], 0);
  const [hits, misses] = [sum("hits"), sum("misses")];
  return hits + misses === 0 ? skip("nothing was asked of a cache") : hits / (hits + misses);
}

function nothingTold({ samples, missed }: Looks): Outcome | undefined {
  if (samples.length > 0) return undefined;
  return missed > 0 ? fail(`the app told nothing in ${missed} looks`) : skip("the load ended before the first look at the app");
}
