import { Counter, Gauge } from "prom-client";
import { registry } from "../observability/metrics";
import type { Database, DatabaseFigures } from "./database";
import { poolsOf, type PoolMonitor } from "./pool-monitor";

let observed: { readonly database: Database; readonly monitor: PoolMonitor } | undefined;

/** Whose figures are scraped; `undefined` ends it for this monitor. */
export function observeDatabase(database: Database | undefined, monitor: PoolMonitor): void {
  if (database !== undefined) observed = { database, monitor };
  else if (observed?.monitor === monitor) observed = undefined;
}

function figures(): DatabaseFigures | undefined {
  return observed?.database.figures();
}

const pool = (
  name: string,
  help: string,
  value: (of: DatabaseFigures) => [labels: Record<string, string>, value: number][],
  labels: string[],
) =>
  new Gauge({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect() {
      const current = figures();
      if (current !== undefined) for (const [of, number] of value(current)) this.set(of, number);
    },
  });

pool(
  "db_pool_connections",
  "Open connections to the database, by pool and state.",
  (of) =>
    poolsOf(of).flatMap(([name, { inUse, idle }]): [Record<string, string>, number][] => [
      [{ pool: name, state: "in_use" }, inUse],
      [{ pool: name, state: "idle" }, idle],
    ]),
  ["pool", "state"],
);

pool("db_pool_max_connections", "Connections each pool may open.", (of) => poolsOf(of).map(([name, { max }]) => [{ pool: name }, max]), [
  "pool",
]);

pool(
  "db_pool_waiting",
  "Requests that wait for a connection.",
  (of) => poolsOf(of).map(([name, { waiting }]) => [{ pool: name }, waiting]),
  ["pool"],
);

new Gauge({
  name: "db_pool_usage_ratio",
  help: "Share of a pool's connections in use over the last seconds, the highest of all workers.",
  labelNames: ["pool"],
  aggregator: "max",
  registers: [registry],
  collect() {
    if (observed === undefined) return;
    for (const [name, of] of poolsOf(observed.database.figures())) this.set({ pool: name }, observed.monitor.status(name, of).usage);
  },
});

new Gauge({
  name: "db_replica_up",
  help: "1 while every worker reads from this replica, else 0; absent for the server that is the primary.",
  labelNames: ["replica"],
  aggregator: "min",
  registers: [registry],
  collect() {
    // A value of before would stay: a server that has become the primary is no replica that is down.
    this.reset();
    for (const [index, { healthy, primary }] of (figures()?.replicas ?? []).entries())
      if (!primary) this.set({ replica: `replica-${index + 1}` }, healthy ? 1 : 0);
  },
});

new Gauge({
  name: "db_replica_lag_seconds",
  help: "How far a replica is behind the primary, in seconds.",
  labelNames: ["replica"],
  aggregator: "max",
  registers: [registry],
  collect() {
    this.reset();
    for (const [index, { lagMs }] of (figures()?.replicas ?? []).entries()) {
      if (lagMs !== null) this.set({ replica: `replica-${index + 1}` }, lagMs / 1000);
    }
  },
});

/** A counter that follows figures which only grow. */
function following(
  name: string,
  help: string,
  labels: string[],
  value: (of: DatabaseFigures) => [key: string, labels: Record<string, string>, total: number][],
) {
  const seen = new WeakMap<Database, Map<string, number>>();
  return new Counter({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect() {
      if (observed === undefined) return;
      const before = seen.get(observed.database) ?? new Map<string, number>();
      seen.set(observed.database, before);
      for (const [key, of, total] of value(observed.database.figures())) {
        this.inc(of, total - (before.get(key) ?? 0));
        before.set(key, total);
      }
    },
  });
}

following("db_replica_reads_total", "Reads sent to a replica.", ["replica"], ({ replicas }) =>
  replicas.map(({ reads }, index) => [`replica-${index + 1}`, { replica: `replica-${index + 1}` }, reads]),
);

following(
  "db_reader_fallbacks_total",
  "Reads that went to the primary instead of a replica, by reason.",
  ["reason"],
  ({ replicas, fallbacks }) =>
    replicas.length === 0 ? [] : Object.entries(fallbacks).map(([reason, total]) => [reason, { reason }, total]),
);

following("db_retries_total", "Attempts repeated after a lost connection, or after meeting another transaction.", [], ({ retries }) => [
  ["", {}, retries],
]);
