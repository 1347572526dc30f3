import { makeReport, type Report } from "../../toolchain/verify/run";
import type { Row } from "../../toolchain/verify/types";

const row = (id: string, verdict: Row["verdict"], measured: string): Row => ({
  id,
  title: `what ${id} promises`,
  target: "< 1 s & <all>",
  verdict,
  measured,
  seconds: 1.25,
});

/** A run of `npm run verify` as it might have been. @param rows @default one that passed, one that failed and one that could not be tried */
export function exampleReport(
  rows: readonly Row[] = [row("A7", "pass", "p99 0.2 s"), row("B5", "fail", "a broker is away"), row("F8", "skip", "backups is false")],
): Report {
  const head = {
    stack: "dev",
    phase: "database",
    url: "http://127.0.0.1:3001",
    startedAt: new Date("2026-11-22T08:00:00Z"),
    machine: "2 cores (a <b> & c), 24 GB",
  };
  return makeReport(head, rows);
}
