import { readFileSync } from "node:fs";
import { type AppFigure, APP_HEAD, appRow } from "../app/figures";
import { type PairResult, pairResult, type PairRuns } from "../app/pairs";
import type { Surroundings } from "../app/surroundings";
import type { RATES } from "./http";
import { type PeopleResult, type RatePoint } from "./http";

/** Everything one run measured; parts that were not asked for are absent. */
export interface StackMeasurements {
  readonly pairs?: readonly PairRuns[];
  readonly idleCores?: number;
  readonly rates?: readonly RatePoint[];
  readonly people?: PeopleResult;
}

/** Targets of data-plane.md, "Fair, noise-proof performance figures". */
const CPU_MOST = 2;
const RATIOS: Readonly<Record<string, { readonly what: string; readonly least?: number }>> = {
  "stack/peer": { what: "one order through everything ÷ bare node:http + pg, one process, on the primary" },
  "balanced/direct": { what: "through the load balancer ÷ the instances themselves", least: 0.6 },
  select: { what: "pgbench -S -M prepared -c 20, PgBouncer ÷ direct", least: 0.6 },
  write: { what: "pgbench TPC-B -M prepared -c 20, PgBouncer ÷ direct", least: 0.85 },
  many: { what: "pgbench -S, 1,000 clients through PgBouncer ÷ 20 direct", least: 0.6 },
  sync: { what: "TPC-B, confirmed by a standby ÷ by the primary alone: the price of losing nothing" },
};
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
    (people?.errors ?? 0)
  );
}

function pairFigures(result: PairResult): AppFigure[] {
  const target = RATIOS[result.id];
  if (target === undefined) throw new Error(`The pair ${result.id} has no line in the table.`);
  const { what, least } = target;
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
  if (result.cpuRatio !== undefined) {
    figures.push({
      id: "cpu",
      what: "CPU time of one order, all containers of the stack ÷ peer and Postgres",
      value: `${result.cpuRatio.toFixed(2)} (${result.cpuMicros?.toFixed(0) ?? "?"} ÷ ${result.baseCpuMicros?.toFixed(0) ?? "?"} µs)`,
      target: `≤ ${CPU_MOST.toFixed(1)}`,
      met: result.cpuRatio <= CPU_MOST && result.errors === 0,
    });
  }
  return figures;
}

function idleFigure(cores: number): AppFigure {
  return { id: "idle", what: "cores in use while nobody asks for anything", value: cores.toFixed(2), target: "–", met: undefined };
}

function rateFigure({ rate, report }: RatePoint): AppFigure {
  const { p50, p95, p99, failed, sent } = report;
  const most = Object.entries(RATE_P95_MOST).find(([key]) => Number(key) === rate)?.[1];
  return {
    id: `rate-${rate}`,
    what: `latency at ${rate} requests a second, from when each was due`,
    value: `p50 ${p50.toFixed(1)}, p95 ${p95.toFixed(1)}, p99 ${p99.toFixed(1)} ms, ${failed} of ${sent} failed`,
    target: most === undefined ? "–" : `p95 < ${most} ms on 2 cores, 0 failed`,
    met: most === undefined ? undefined : p95 < most && failed === 0,
  };
}

function peopleFigure({ requests, errors, p50, p95 }: PeopleResult): AppFigure {
  return {
    id: "people",
    what: "1,000 users with 5 s to think",
    value: `p50 ${p50.toFixed(1)}, p95 ${p95.toFixed(1)} ms, ${errors} of ${requests} failed`,
    target: `p95 < ${PEOPLE_P95_MOST} ms, 0 failed`,
    met: p95 < PEOPLE_P95_MOST && errors === 0,
  };
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
  /** Share of all CPU time that a hypervisor gave to others meanwhile, 0 to 1. */
  readonly steal: number | undefined;
}

/** The dated section for BENCHMARKS.md. */
export function stackSection(figures: readonly AppFigure[], where: StackSurroundings): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const steal = where.steal === undefined ? "" : `, ${(where.steal * 100).toFixed(1)} % of CPU time stolen`;
  return [
    `### ${where.date}, ${where.machine}`,
    "",
    `Node ${where.node}, Docker ${where.docker}, one stack of phase \`database\` with three Postgres servers and three app instances, load by ` +
      `${where.generator} and pgbench on the same machine, nothing pinned, ${where.awake ? "cores kept from halting" : "cores left to halt"}; ` +
      `${where.rounds} pairs of ${where.seconds} s in turn, ${where.connections} connections, first pair not counted, ratios are medians of the ` +
      `pairs' own ratios, ${where.failed} failed requests. Load average before and after: ` +
      `${where.loadAverage.map((load) => load.toFixed(1)).join(" and ")}${steal}.`,
    "",
    line(APP_HEAD.slice(0, -1).concat("result")),
    line(APP_HEAD.map(() => "---")),
    ...figures.map((figure) => line(appRow(figure))),
    "",
  ].join("\n");
}
