import { readFileSync } from "node:fs";
import { type AppFigure, APP_HEAD, appRow } from "../app/figures";
import { type PairResult, pairResult, type PairRuns } from "../app/pairs";
import type { Surroundings } from "../app/surroundings";
import { CPU_HEAD, type CpuPhase, cpuRow } from "./cpu";
import type { PeopleResult } from "./people";
import type { RatePoint, RATES } from "./rates";

/** Everything one run measured; parts that were not asked for are absent. */
export interface StackMeasurements {
  readonly pairs?: readonly PairRuns[];
  readonly idleCores?: number;
  readonly rates?: readonly RatePoint[];
  readonly people?: PeopleResult;
  readonly cpu?: readonly CpuPhase[];
}

/** Targets of data-plane.md, "Fair, noise-proof performance figures". */
const RATIOS: Readonly<Record<string, { readonly what: string; readonly least?: number; readonly cpu?: CpuLine }>> = {
  "stack/peer": {
    what: "one order through everything ÷ peer direct: bare node:http + pg, one process, on the primary",
    cpu: { id: "cpu", what: "CPU time of one order, all containers of the stack ÷ peer direct and Postgres", most: 2 },
  },
  "stack/peer-pooled": {
    what: "one order through everything ÷ peer via PgBouncer",
    cpu: {
      id: "cpu-pooled",
      what: "CPU time of one order, all containers of the stack ÷ peer via PgBouncer, PgBouncer, proxy and Postgres",
    },
  },
  "balanced/direct": { what: "through the load balancer ÷ the instances themselves", least: 0.6 },
  select: { what: "pgbench -S -M prepared -c 20, PgBouncer ÷ direct", least: 0.6 },
  "lone-select": { what: "pgbench -S -M prepared -c 20, a lone PgBouncer (no proxy behind it) ÷ direct" },
  write: { what: "pgbench TPC-B -M prepared -c 20, PgBouncer ÷ direct", least: 0.85 },
  "lone-write": { what: "pgbench TPC-B -M prepared -c 20, a lone PgBouncer (no proxy behind it) ÷ direct" },
  many: { what: "pgbench -S, 1,000 clients through PgBouncer ÷ 20 direct", least: 0.6 },
  sync: { what: "TPC-B, confirmed by a standby ÷ by the primary alone: the price of losing nothing" },
};

/** The line about CPU time that a pair has besides. */
interface CpuLine {
  readonly id: string;
  readonly what: string;
  readonly most?: number;
}

/** p95 in milliseconds, for a machine with 2 cores. */
const RATE_P95_MOST: Readonly<Record<(typeof RATES)[number], number>> = { 83: 15, 200: 30, 417: 50 };
const PEOPLE_P95_MOST = 200;

/** The lines of the table, in its order. */
export function stackFigures(measured: StackMeasurements): AppFigure[] {
  return [
    ...(measured.pairs ?? []).flatMap((runs) => pairFigures(pairResult(runs))),
    ...(measured.idleCores === undefined ? [] : [idleFigure(measured.idleCores)]),
    ...(measured.rates ?? []).map(rateFigure),
    ...(measured.people === undefined ? [] : [peopleFigure(measured.people)]),
  ];
}

/** Requests and transactions that failed in the counted runs. */
export function failedOf({ pairs = [], rates = [], people }: StackMeasurements): number {
  return (
    pairs.reduce((sum, runs) => sum + pairResult(runs).errors, 0) +
    rates.reduce((sum, { report }) => sum + report.failed, 0) +
    (people?.failed ?? 0)
  );
}

function pairFigures(result: PairResult): AppFigure[] {
  const target = RATIOS[result.id];
  if (target === undefined) throw new Error(`The pair ${result.id} has no line in the table.`);
  const { what, least, cpu } = target;
  const failed = result.errors > 0 ? `, ${result.errors} failed` : "";
  const figures: AppFigure[] = [
    {
      id: result.id,
      what,
      value: `${result.ratio.toFixed(2)} (${result.perSecond.toFixed(0)}/s ÷ ${result.basePerSecond.toFixed(0)}/s${failed})`,
      target: least === undefined ? "–" : `≥ ${least.toFixed(2)}, 0 failed`,
      met: least === undefined ? undefined : result.ratio >= least && result.errors === 0,
    },
  ];
  if (cpu !== undefined && result.cpuRatio !== undefined) {
    const { id, what: whatOfCpu, most } = cpu;
    figures.push({
      id,
      what: whatOfCpu,
      value: `${result.cpuRatio.toFixed(2)} (${result.cpuMicros?.toFixed(0) ?? "?"} ÷ ${result.baseCpuMicros?.toFixed(0) ?? "?"} µs)`,
      target: most === undefined ? "–" : `≤ ${most.toFixed(1)}`,
      met: most === undefined ? undefined : result.cpuRatio <= most && result.errors === 0,
    });
  }
  return figures;
}

function idleFigure(cores: number): AppFigure {
  return { id: "idle", what: "cores in use while nobody asks for anything", value: cores.toFixed(2), target: "–", met: undefined };
}

function rateFigure({ rate, report }: RatePoint): AppFigure {
  const { p50, p95, p99, failed, sent, statuses, errors } = report;
  const most = Object.entries(RATE_P95_MOST).find(([key]) => Number(key) === rate)?.[1];
  return {
    id: `rate-${rate}`,
    what: `latency at ${rate} requests a second, from when each was due`,
    value: `p50 ${p50.toFixed(1)}, p95 ${p95.toFixed(1)}, p99 ${p99.toFixed(1)} ms, ${failures(sent, failed, statuses, errors)}`,
    target: most === undefined ? "–" : `p95 < ${most} ms on 2 cores, 0 failed`,
    met: most === undefined ? undefined : p95 < most && failed === 0,
  };
}

function peopleFigure({ requests, failed, statuses, errors, p50, p95 }: PeopleResult): AppFigure {
  return {
    id: "people",
    what: "1,000 users with 5 s to think",
    value: `p50 ${p50.toFixed(1)}, p95 ${p95.toFixed(1)} ms, ${failures(requests, failed, statuses, errors)}`,
    target: `p95 < ${PEOPLE_P95_MOST} ms, 0 failed`,
    met: p95 < PEOPLE_P95_MOST && failed === 0,
  };
}

/** How many failed and of what, e.g. `35 of 2000 failed: 429 ×33, ECONNRESET ×2`: the most frequent first. */
export function failures(
  sent: number,
  failed: number,
  statuses: Readonly<Record<string, number>>,
  errors: Readonly<Record<string, number>>,
): string {
  const reasons = [...Object.entries(statuses).filter(([code]) => !code.startsWith("2")), ...Object.entries(errors)]
    .sort(([, one], [, two]) => two - one)
    .map(([reason, count]) => `${reason} ×${count}`);
  return `${failed} of ${sent} failed${reasons.length === 0 ? "" : `: ${reasons.join(", ")}`}`;
}

/** Jiffies so far, of all cores: those a hypervisor gave to others, and all; `undefined` on other systems than Linux. */
export function jiffies(): { readonly stolen: number; readonly all: number } | undefined {
  let text: string;
  try {
    text = readFileSync("/proc/stat", "utf8");
  } catch {
    // There is no such figure here, and the section says nothing of it.
    return undefined;
  }
  // user nice system idle iowait irq softirq steal; guest time is part of user time.
  const fields = text.split("\n", 1)[0]?.trim().split(/\s+/).slice(1, 9).map(Number) ?? [];
  return { stolen: fields[7] ?? 0, all: fields.reduce((sum, field) => sum + field, 0) };
}

/** How a run was made. */
export interface StackSurroundings extends Surroundings {
  /** Of the Docker Engine. */
  readonly docker: string;
  /** For each side, before it is measured, in seconds. */
  readonly warmUp: number;
  /** Share of all CPU time that a hypervisor gave to others meanwhile, 0 to 1. */
  readonly steal: number | undefined;
}

/** The dated section for BENCHMARKS.md. */
export function stackSection(figures: readonly AppFigure[], where: StackSurroundings, cpu: readonly CpuPhase[] = []): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const steal = where.steal === undefined ? "" : `, ${(where.steal * 100).toFixed(1)} % of CPU time stolen`;
  return [
    `### ${where.date}, ${where.machine}`,
    "",
    `Node ${where.node}, Docker ${where.docker}, one stack of phase \`database\` with three Postgres servers and three app instances, load by ` +
      `${where.generator} and pgbench on the same machine, nothing pinned, ${where.awake ? "cores kept from halting" : "cores left to halt"}; ` +
      `${where.rounds} pairs of ${where.seconds} s in turn, ${where.connections} connections, each side warmed up for ${where.warmUp} s, first pair not counted, ratios are medians of the ` +
      `pairs' own ratios, ${where.failed} failed requests. Load average before and after: ` +
      `${where.loadAverage.map((load) => load.toFixed(1)).join(" and ")}${steal}.`,
    "",
    line(APP_HEAD.slice(0, -1).concat("result")),
    line(APP_HEAD.map(() => "---")),
    ...figures.map((figure) => line(appRow(figure))),
    "",
    ...(cpu.length === 0 ? [] : [line(CPU_HEAD), line(CPU_HEAD.map(() => "---")), ...cpu.map((phase) => line(cpuRow(phase))), ""]),
  ].join("\n");
}
