import { messageOf } from "../lib/errors";
import { stopIfInterrupted } from "../lib/interrupt";
import { colours, renderTable } from "../lib/table";
import { answerChecks } from "./checks/answers";
import { backupChecks } from "./checks/backups";
import { cloudChecks } from "./checks/cloud";
import { containmentChecks } from "./checks/containment";
import { endpointChecks } from "./checks/endpoints";
import { interruptionChecks } from "./checks/interruptions";
import { kafkaChecks } from "./checks/kafka";
import { limitChecks } from "./checks/limits";
import { monitoringChecks } from "./checks/monitoring";
import { operationChecks } from "./checks/operations";
import { postgresChecks } from "./checks/postgres";
import { processChecks } from "./checks/processes";
import { replicaLagChecks } from "./checks/replica-lag";
import { sharedStateChecks } from "./checks/shared-state";
import { trafficChecks } from "./checks/traffic";
import { skip, type Check, type Outcome, type Row, type VerifyContext } from "./types";

/** Every check of every phase; the flood comes last, because it uses this client's allowance up. */
export const CHECKS: readonly Check[] = [
  ...endpointChecks,
  ...answerChecks,
  ...operationChecks,
  ...limitChecks,
  ...cloudChecks,
  ...containmentChecks,
  ...monitoringChecks,
  ...postgresChecks,
  ...replicaLagChecks,
  ...backupChecks,
  ...sharedStateChecks,
  ...kafkaChecks,
  ...processChecks,
  ...interruptionChecks,
  ...trafficChecks,
];

/**
 * Those that make sense in a phase. Of those that are of every phase, what cannot be done by the address alone, or must not be done to others,
 * is left out of phase `cloud` with a sentence.
 */
export function checksOf(phase: string): readonly Check[] {
  const all = CHECKS.filter(({ phases }) => phases === undefined || phases.includes(phase));
  return phase === "cloud" ? all.map((check) => (check.byUrl === true ? check : leftOut(check))) : all;
}

function leftOut(check: Check): Check {
  const { id, title, target, fault, greedy } = check;
  const why =
    fault === true
      ? "not in phase cloud: it breaks something on purpose, and others use the stack"
      : greedy === true
        ? "not in phase cloud: it takes from what others on the stack, or behind this address, are allowed"
        : "not in phase cloud: it looks into containers on a Docker host";
  return { id, title, target, run: () => Promise.resolve(skip(why)) };
}

/** The result of `npm run verify`, as `--json` writes it. */
export interface Report {
  readonly stack: string;
  readonly phase: string;
  readonly url: string;
  /** ISO 8601 */
  readonly startedAt: string;
  /** The one that this ran on: cores, memory, system. */
  readonly machine: string;
  /** Of all checks together. */
  readonly seconds: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly rows: readonly Row[];
}

/**
 * Runs checks one after the other; a check that throws has failed with that reason.
 * @param onRow called with each finished check, for progress.
 */
export async function runChecks(
  checks: readonly Check[],
  context: VerifyContext,
  onStart: (check: Check, index: number) => void,
  onRow: (row: Row) => void,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [index, check] of checks.entries()) {
    stopIfInterrupted();
    onStart(check, index);
    const started = performance.now();
    const outcome = await outcomeOf(check, context);
    const row = { id: check.id, title: check.title, target: check.target, ...outcome, seconds: (performance.now() - started) / 1000 };
    rows.push(row);
    onRow(row);
  }
  return rows;
}

async function outcomeOf(check: Check, context: VerifyContext): Promise<Outcome> {
  try {
    return await check.run(context);
  } catch (error) {
    stopIfInterrupted();
    return { verdict: "fail", measured: messageOf(error) };
  }
}

/** Adds the rows up. */
export function makeReport(
  head: { readonly stack: string; readonly phase: string; readonly url: string; readonly startedAt: Date; readonly machine: string },
  rows: readonly Row[],
): Report {
  const count = (verdict: Row["verdict"]): number => rows.filter((row) => row.verdict === verdict).length;
  return {
    stack: head.stack,
    phase: head.phase,
    url: head.url,
    startedAt: head.startedAt.toISOString(),
    machine: head.machine,
    seconds: rows.reduce((sum, row) => sum + row.seconds, 0),
    passed: count("pass"),
    failed: count("fail"),
    skipped: count("skip"),
    rows,
  };
}

const MARKS = {
  pass: colours.green("pass"),
  fail: colours.red("FAIL"),
  skip: colours.yellow("skip"),
} as const;

/** One line a row. */
export function renderRows(rows: readonly Row[]): string {
  const lines = rows.map((row) => [row.id, row.title, row.target, MARKS[row.verdict], row.measured]);
  return renderTable(["id", "what", "target", "", "measured"], lines);
}

/** The table people read: one line a check, then the sum. */
export function renderReport(report: Report): string {
  const table = renderRows(report.rows);
  const skipped = report.skipped > 0 ? `, ${report.skipped} skipped` : "";
  const sum = `${report.passed} passed, ${report.failed} failed${skipped} in ${report.seconds.toFixed(0)} s`;
  return `${table}\n\n${report.failed > 0 ? colours.red(sum) : colours.green(sum)}`;
}
