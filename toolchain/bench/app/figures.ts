import type { Surroundings } from "./surroundings";
import type { CompressionResult, RateResult } from "./answers";
import type { OverloadResult, SlowRedisResult } from "./faults";
import type { CompaniesResult } from "./memory";
import { type PairResult, pairResult, type PairRuns } from "./pairs";

/** Everything one run of the benchmark measured; parts that were not asked for are absent. */
export interface Measurements {
  readonly pairs?: readonly PairRuns[];
  readonly capacity?: PairRuns;
  readonly rates?: readonly RateResult[];
  readonly compression?: CompressionResult;
  /** Bytes. */
  readonly idleWorker?: number | undefined;
  readonly slowRedis?: SlowRedisResult;
  readonly overload?: OverloadResult;
  readonly companies?: readonly [few: CompaniesResult, many: CompaniesResult];
}

/** One line of the result. */
export interface AppFigure {
  readonly id: string;
  readonly what: string;
  readonly value: string;
  readonly target: string;
  readonly met: boolean | undefined;
}

/** Targets of app.md "Speed" and of features C9 and C3. A ratio with `least` has to reach it, one with `most` may not exceed it. */
const RATIO_TARGETS: Readonly<Record<string, { readonly what: string; readonly least?: number }>> = {
  "ours/bare": { what: "full stack, memory backends ÷ bare node:http", least: 0.4 },
  "ours/express": { what: "full stack, memory backends ÷ bare Express 5", least: 0.75 },
  "ours/usual": { what: "full stack, memory backends ÷ usual assembly", least: 4 },
  "ours-redis/bare": { what: "full stack with Redis ÷ bare node:http", least: 0.28 },
  "ours-redis/usual-redis": { what: "full stack with Redis ÷ usual assembly with Redis sessions and limits" },
  "refused/bare": { what: "refused by the limit of an address (429) ÷ bare node:http", least: 0.8 },
  "refused-user/bare": { what: "refused by the limit of a user (429) ÷ bare node:http" },
  "probe/bare": { what: "health probe (/ready) ÷ bare node:http" },
  "express/bare": { what: "Express 5 ÷ bare node:http" },
  "fastify/bare": { what: "Fastify 5 ÷ bare node:http" },
  "usual/bare": { what: "usual assembly ÷ bare node:http" },
  "usual-redis/bare": { what: "usual assembly with Redis sessions and limits ÷ bare node:http" },
};

const CPU_MOST = 2.5;
const CAPACITY_LEAST = 2;
const SAVED_LEAST = 0.6;
const IDLE_MOST_BYTES = 90 * 1024 * 1024;
const FLAT_MOST = 1.2;
const ADDED_P99_MOST_MS = 250;
const GOODPUT_LEAST = 0.8;

const MEBIBYTE = 1024 * 1024;

/** The lines of the table, in its order. */
export function appFigures(measured: Measurements): AppFigure[] {
  return [
    ...(measured.pairs ?? []).flatMap(ladderFigures),
    ...(measured.capacity === undefined ? [] : [capacityFigure(pairResult(measured.capacity))]),
    ...(measured.rates ?? []).map(rateFigure),
    ...(measured.compression === undefined ? [] : compressionFigures(measured.compression)),
    ...(measured.slowRedis === undefined ? [] : [slowRedisFigure(measured.slowRedis)]),
    ...(measured.overload === undefined ? [] : overloadFigures(measured.overload)),
    ...(measured.idleWorker === undefined ? [] : [idleFigure(measured.idleWorker)]),
    ...(measured.companies === undefined ? [] : companyFigures(measured.companies)),
  ];
}

/** Failed requests of the counted runs; a figure with any is none. */
export function failedRequests(measured: Measurements): number {
  const pairs = [...(measured.pairs ?? []), ...(measured.capacity === undefined ? [] : [measured.capacity])];
  return (
    pairs.reduce((sum, pair) => sum + pairResult(pair).errors, 0) +
    (measured.rates ?? []).reduce((sum, { report }) => sum + report.failed, 0) +
    (measured.companies ?? []).reduce((sum, { failed }) => sum + failed, 0)
  );
}

function ladderFigures(runs: PairRuns): AppFigure[] {
  const result = pairResult(runs);
  const target = RATIO_TARGETS[result.id];
  if (target === undefined) throw new Error(`The pair ${result.id} has no line in the table.`);
  const { what, least } = target;
  const figures: AppFigure[] = [
    {
      id: result.id,
      what,
      value: `${result.ratio.toFixed(2)} (${thousands(result.perSecond)}, ${micros(result.cpuMicros)}${result.errors > 0 ? `, ${result.errors} failed` : ""})`,
      target: least === undefined ? "–" : `≥ ${least.toFixed(2)}`,
      // Nothing that failed was fast.
      met: least === undefined ? undefined : result.ratio >= least && result.errors === 0,
    },
  ];
  if (result.id === "ours/bare" && result.cpuRatio !== undefined) {
    figures.push({
      id: "cpu",
      what: "CPU time a request, full stack ÷ bare node:http",
      value: `${result.cpuRatio.toFixed(2)} (${micros(result.cpuMicros)} ÷ ${micros(result.baseCpuMicros)})`,
      target: `≤ ${CPU_MOST}`,
      met: result.cpuRatio <= CPU_MOST,
    });
  }
  return figures;
}

function capacityFigure(result: PairResult): AppFigure {
  return {
    id: "C9",
    what: "C9 cluster on all cores ÷ usual assembly in one process",
    value: `${result.ratio.toFixed(2)} (${thousands(result.perSecond)} ÷ ${thousands(result.basePerSecond)})`,
    target: `≥ ${CAPACITY_LEAST}`,
    met: result.ratio >= CAPACITY_LEAST,
  };
}

function rateFigure({ rate, report }: RateResult): AppFigure {
  const { p50, p95, p99 } = report;
  return {
    id: `rate-${rate}`,
    what: `latency at ${rate} requests a second, from when each was due`,
    value: `p50 ${p50.toFixed(1)}, p95 ${p95.toFixed(1)}, p99 ${p99.toFixed(1)} ms`,
    target: "–",
    met: undefined,
  };
}

function compressionFigures({ plain, gzip, brotli, probeP99 }: CompressionResult): AppFigure[] {
  const saved = (bytes: number): number => 1 - bytes / plain;
  const figure = (id: string, what: string, bytes: number): AppFigure => ({
    id,
    what: `C3 ${what}: saved of ${plain.toLocaleString("en")} bytes of JSON`,
    value: `${Math.round(saved(bytes) * 100)} % (${bytes.toLocaleString("en")})`,
    target: `≥ ${SAVED_LEAST * 100} %`,
    met: saved(bytes) >= SAVED_LEAST,
  });
  return [
    figure("gzip", "gzip", gzip),
    figure("br", "Brotli", brotli),
    {
      id: "compression-probe",
      what: "health probe while 100 such lists a second are compressed",
      value: `p99 ${probeP99.toFixed(1)} ms`,
      target: "–",
      met: undefined,
    },
  ];
}

function slowRedisFigure({ well, slow }: SlowRedisResult): AppFigure {
  const added = slow.p99 - well.p99;
  return {
    id: "slow-redis",
    what: "p99 added by a Redis that answers 500 ms later",
    value: `${added.toFixed(0)} ms (${well.p99.toFixed(1)} → ${slow.p99.toFixed(1)} ms, ${slow.failed} failed)`,
    target: `< ${ADDED_P99_MOST_MS} ms, 0 failed`,
    met: added < ADDED_P99_MOST_MS && slow.failed === 0,
  };
}

function overloadFigures({ capacity, goodput, report }: OverloadResult): AppFigure[] {
  const ratio = goodput / capacity;
  const unanswered = Object.values(report.errors).reduce((sum, count) => sum + count, 0);
  return [
    {
      id: "goodput",
      what: "served at 5 × capacity ÷ capacity, one worker, 10 ms of CPU a request",
      value: `${ratio.toFixed(2)} (${goodput.toFixed(0)}/s ÷ ${capacity.toFixed(0)}/s, ${unanswered} without an answer)`,
      target: `≥ ${GOODPUT_LEAST.toFixed(2)}`,
      met: ratio >= GOODPUT_LEAST,
    },
    {
      id: "overload-latency",
      what: "answers at 5 × capacity, served and refused, from when each was due",
      value: `p50 ${report.p50.toFixed(0)}, p99 ${report.p99.toFixed(0)}, longest ${report.max.toFixed(0)} ms`,
      target: "–",
      met: undefined,
    },
  ];
}

function idleFigure(bytes: number): AppFigure {
  return {
    id: "idle",
    what: "resident memory of one idle worker",
    value: `${(bytes / MEBIBYTE).toFixed(0)} MB`,
    target: `≤ ${IDLE_MOST_BYTES / MEBIBYTE} MB`,
    met: bytes <= IDLE_MOST_BYTES,
  };
}

function companyFigures([few, many]: readonly [CompaniesResult, CompaniesResult]): AppFigure[] {
  const p95 = many.p95 / few.p95;
  const between = `${few.companies.toLocaleString("en")} → ${many.companies.toLocaleString("en")} companies`;
  const figures: AppFigure[] = [
    {
      id: "companies-p95",
      what: `p95, ${between}`,
      value: `${p95.toFixed(2)} (${few.p95.toFixed(2)} → ${many.p95.toFixed(2)} ms)`,
      target: `≤ ${FLAT_MOST}`,
      met: p95 <= FLAT_MOST,
    },
  ];
  if (few.residentBytes !== undefined && many.residentBytes !== undefined) {
    const memory = many.residentBytes / few.residentBytes;
    figures.push({
      id: "companies-memory",
      what: `resident memory, ${between}`,
      value: `${memory.toFixed(2)} (${megabytes(few.residentBytes)} → ${megabytes(many.residentBytes)})`,
      target: `≤ ${FLAT_MOST}`,
      met: memory <= FLAT_MOST,
    });
  }
  return figures;
}

function thousands(perSecond: number): string {
  return `${(perSecond / 1000).toFixed(1)}k/s`;
}

function micros(value: number | undefined): string {
  return value === undefined ? "CPU unknown" : `${value.toFixed(1)} µs`;
}

function megabytes(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(0)} MB`;
}

export const APP_HEAD = ["figure", "value", "target", ""];

/** Cells of one figure, for a table. */
export function appRow({ what, value, target, met }: AppFigure): string[] {
  return [what, value, target, met === undefined ? "–" : met ? "met" : "missed"];
}

/** The dated section for BENCHMARKS.md. */
export function appSection(figures: readonly AppFigure[], where: Surroundings): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    `### ${where.date}, ${where.machine}`,
    "",
    `Node ${where.node}, load by ${where.generator}${where.pinned ? ", server and load on a core each" : ", not pinned"}, ` +
      `${where.awake ? "cores kept from halting" : "cores left to halt"}; ` +
      `${where.rounds} pairs of ${where.seconds} s in turn, ${where.connections} connections kept alive, no pipelining, ` +
      `first pair not counted, ratios are medians of the pairs' own ratios, ${where.failed} failed requests. ` +
      `Load average of the machine before and after: ${where.loadAverage.map((load) => load.toFixed(1)).join(" and ")}. ` +
      "In parentheses: requests a second and CPU time a request of the first of the two.",
    "",
    line(APP_HEAD.slice(0, -1).concat("result")),
    line(APP_HEAD.map(() => "---")),
    ...figures.map((figure) => line(appRow(figure))),
    "",
  ].join("\n");
}
