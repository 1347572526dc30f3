import { fail, type Outcome, pass, type Row } from "../verify/types";
import type { Target, TargetKind } from "./profiles";
import type { Reading } from "./readings";
import type { Summary } from "./tally";

/** What the targets are held against. */
export interface Measured {
  readonly summary: Summary;
  /** Largest share of a pool of connections in use, averaged over 5 s by the app itself. */
  readonly pool: Reading;
  /** Largest lag of a replica, ms. */
  readonly replicaLagMs: Reading;
  /** Share of reads that caches answered. */
  readonly hitRate: Reading;
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
const readAs = (reading: Reading, holds: (figure: number) => boolean, written: (figure: number) => string): Outcome =>
  typeof reading === "number" ? judged(holds(reading), written(reading)) : reading;
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
      readAs(
        pool,
        (share) => share < limit,
        (share) => `${percent(share, 0)} in use`,
      ),
  },
  "hit-rate": {
    title: "reads that caches answered",
    target: (limit) => `> ${percent(limit)}`,
    judge: ({ hitRate }, limit) =>
      readAs(
        hitRate,
        (share) => share > limit,
        (share) => percent(share, 1),
      ),
  },
  "replica-lag": {
    title: "largest lag of a replica",
    target: (limit) => `< ${limitMs(limit)}`,
    judge: ({ replicaLagMs }, limit) => readAs(replicaLagMs, (lag) => lag < limit, ms),
  },
};

/** One row for each target, as `npm run verify` has them. @param seconds length of the run */
export function rowsOf(targets: readonly Target[], measured: Measured, seconds: number): Row[] {
  return targets.map(({ feature, kind, limit }) => {
    const { title, target, judge } = KINDS[kind];
    return { id: feature, title, target: target(limit), ...judge(measured, limit), seconds };
  });
}
