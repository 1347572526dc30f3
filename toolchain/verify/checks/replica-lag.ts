import { startLoad } from "../../lib/load";
import { describeFailures } from "../evaluate";
import { lagSamples, lagsOf, percentile, type LagSample } from "../lag";
import { primaryNode, psql } from "../primary";
import { fail, pass, skip, type Check, type Outcome } from "../types";

/** Seconds of lag of the 99th percentile (A7; the feature allows 5 s). */
const LAG_SECONDS = 1;

/** One look each 0.1 s, for 10 s: with two replicas the 99th percentile leaves two of 200 out. */
const EVERY_SECONDS = 0.1;
const SAMPLES = 100;

/** Writes a second meanwhile. All are one company's, whose writes go one after the other. */
const RATE = 5;

/** All of a moment in one statement, so that its time and positions belong together. */
const LOOK = `SELECT (extract(epoch FROM statement_timestamp()) * 1000)::numeric(20, 1), pg_current_wal_lsn() - '0/0', application_name, replay_lsn - '0/0'
FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL`;

/** A7 in time; how many bytes it is, and who streams, is among the checks of Postgres. */
export const replicaLagChecks: readonly Check[] = [
  {
    id: "A7",
    title: "lag of the replicas while orders are written",
    target: `p99 < ${LAG_SECONDS} s`,
    phases: ["database"],
    async run(context) {
      const { http, session, postgres } = context;
      const replicas = (await postgres()).members.filter(({ role }) => role === "standby").map(({ name }) => name);
      if (replicas.length === 0) return skip("the stack has no replica: postgresNodes is 1");
      const node = await primaryNode(context);
      const { cookie } = await session();
      const headers = { ...http.operator, cookie, "content-type": "application/json" };
      const load = startLoad({
        url: http.url,
        ratePerSecond: RATE,
        seconds: 120,
        next: (n) => ({
          ...{ path: "/api/orders", method: "POST", headers },
          body: JSON.stringify({ customerName: `Customer ${n}`, totalCents: n }),
        }),
      });
      let lines: string[];
      let report;
      try {
        lines = await psql(node, `${LOOK} \\watch interval=${EVERY_SECONDS} count=${SAMPLES}`, 60_000);
      } finally {
        report = await load.stop();
      }
      if (report.failed > 0)
        return fail(`${report.failed} of ${report.sent} writes failed: ${describeFailures(report.statuses, report.errors)}`);
      return lagOutcome(lagSamples(lines), replicas);
    },
  },
];

/** Judges the lag of all replicas together; one that was not seen all the time has failed. @param replicas their names */
export function lagOutcome(samples: readonly LagSample[], replicas: readonly string[]): Outcome {
  const lags = replicas.map((name) => ({ name, values: lagsOf(samples, name) }));
  const absent = lags.filter(({ values }) => values.length < SAMPLES);
  if (absent.length > 0)
    return fail(absent.map(({ name, values }) => `${name} streamed in ${values.length} of ${SAMPLES} looks`).join("; "));
  const all = lags.flatMap(({ values }) => values);
  const p99 = percentile(all, 0.99) / 1000;
  const seconds = (value: number): string => `${value.toFixed(1)} s`;
  const measured = `p99 ${seconds(p99)}, at most ${seconds(Math.max(...all) / 1000)}, ${replicas.length} replicas, ${all.length} looks`;
  return p99 < LAG_SECONDS ? pass(measured) : fail(measured);
}
