import { fail, type Outcome, pass, type Row, skip } from "../verify/types";
import type { Target, TargetKind } from "./profiles";
import type { Summary } from "./tally";

/** What the targets are held against. */
export interface Measured {
  readonly summary: Summary;
  /** Largest share of a pool of connections in use, averaged over 5 s by the app itself; `undefined` without pools. */
  readonly pool: number | undefined;
  /** Largest lag of a replica, ms; `undefined` without replicas. */
  readonly replicaLagMs: number | undefined;
  /** Share of reads that caches answered; `undefined` where nothing was asked of one. */
  readonly hitRate: number | undefined;
}

interface Kind {
  readonly title: string;
  readonly target: (limit: number) => string;
  readonly judge: (measured: Measured, limit: number) => Outcome;
}

const ms = (value: number): string => (value < 10 ? `${value.toFixed(1)} ms` : `${value.toFixed(0)} ms`);
const limitMs = (value: number): string => (value >= 1000 ? `${value / 1000} s` : `${value} ms`);
/** As many digits as tell a share from its limit: 99.95 %, 0.04 %. */
const percent = (share: number, digits = 2): string => `${Number((share * 100).toFixed(digits))} %`;
const judged = (holds: boolean, measured: string): Outcome => (holds ? pass(measured) : fail(measured));
const shareOf = (count: number, { due }: Summary): number => (due === 0 ? 1 : count / due);

const KINDS: Readonly<Record<TargetKind, Kind>> = {
  throughput: {
    title: "answered requests a second",
    target: (limit) => `≥ ${limit} req/s`,
    judge: ({ summary }, limit) => judged(summary.perSecond >= limit, `${summary.perSecond.toFixed(1)} req/s`),
  },
  mean: {
    title: "mean latency",
    target: (limit) => `< ${limitMs(limit)}`,
    judge: ({ summary }, limit) => judged(summary.due > 0 && summary.mean < limit, ms(summary.mean)),
  },
  p95: {
    title: "p95 latency",
    target: (limit) => `< ${limitMs(limit)}`,
    judge: ({ summary }, limit) =>
      judged(summary.due > 0 && summary.p95 < limit, `${ms(summary.p95)} (p50 ${ms(summary.p50)}, p99 ${ms(summary.p99)})`),
  },
  availability: {
    title: "available",
    target: (limit) => `≥ ${percent(limit)}`,
    judge({ summary }, limit) {
      const share = 1 - shareOf(summary.unavailable, summary);
      return judged(share >= limit, `${percent(share, 3)} (${summary.unavailable} of ${summary.due} without a proper answer)`);
    },
  },
  errors: {
    title: "failed requests",
    target: (limit) => `< ${percent(limit)}`,
    judge({ summary }, limit) {
      const share = shareOf(summary.failed, summary);
      return judged(share < limit, `${percent(share, 3)} (${summary.failed} of ${summary.due})`);
    },
  },
  pool: {
    title: "fullest pool of database connections",
    target: (limit) => `< ${percent(limit)}`,
    judge: ({ pool }, limit) =>
      pool === undefined ? skip("this database has no pool") : judged(pool < limit, `${percent(pool, 0)} in use`),
  },
  "hit-rate": {
    title: "reads that caches answered",
    target: (limit) => `> ${percent(limit)}`,
    judge: ({ hitRate }, limit) =>
      hitRate === undefined ? skip("nothing was asked of a cache") : judged(hitRate > limit, percent(hitRate, 1)),
  },
  "replica-lag": {
    title: "largest lag of a replica",
    target: (limit) => `< ${limitMs(limit)}`,
    judge: ({ replicaLagMs }, limit) =>
      replicaLagMs === undefined ? skip("no replica was read") : judged(replicaLagMs < limit, ms(replicaLagMs)),
  },
};

/** One row for each target, as `npm run verify` has them. @param seconds length of the run */
export function rowsOf(targets: readonly Target[], measured: Measured, seconds: number): Row[] {
  return targets.map(({ feature, kind, limit }) => {
    const { title, target, judge } = KINDS[kind];
    return { id: feature, title, target: target(limit), ...judge(measured, limit), seconds };
  });
}
