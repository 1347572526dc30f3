import { patroniConfig, patroniSharedConfig } from "../components/local/postgres";
import { pgbouncerPool } from "../components/local/pgbouncer";
import type { DockerHost } from "./preflight";
import { containersOf } from "./sizing";
import type { Plan } from "./sizing-types";

/** The plan as a table for people: every container with its limits, and what it is set to. */
export function planTable(plan: Plan, host: Pick<DockerHost, "cpus" | "memoryMb">): string {
  const notes = notesOf(plan);
  const rows = containersOf(plan).map(({ name, count, limits }): Row => {
    const cpus = limits.cpus === undefined ? "all" : String(limits.cpus);
    return { container: name, count: String(count), memory: mebibytes(limits.memoryMb), CPUs: cpus, "set to": notes[name] ?? "" };
  });
  const all = [Object.fromEntries(COLUMNS.map((title) => [title, title])) as Row, ...rows];
  const width = (column: keyof Row): number => Math.max(...all.map((row) => row[column].length));
  const cell = (row: Row, column: keyof Row): string =>
    NUMBERS.includes(column) ? row[column].padStart(width(column)) : row[column].padEnd(width(column));
  const has = `${host.cpus} CPUs, ${mebibytes(host.memoryMb)}`;
  return [
    `plan for this Docker host (${has}): ${mebibytes(plan.totalMb)} at most of ${mebibytes(plan.budgetMb)}`,
    ...all.map((row) =>
      COLUMNS.map((column) => cell(row, column))
        .join("  ")
        .trimEnd(),
    ),
  ].join("\n");
}

const COLUMNS = ["container", "count", "memory", "CPUs", "set to"] as const;
const NUMBERS: readonly (typeof COLUMNS)[number][] = ["count", "memory", "CPUs"];
type Row = Readonly<Record<(typeof COLUMNS)[number], string>>;

function notesOf(plan: Plan): Readonly<Record<string, string>> {
  const { app, jobs, postgres, pgbouncer, redisCache, redisLimits, kafka, consumer } = plan;
  const settings = { memoryMb: postgres.memoryMb, maxConnections: postgres.maxConnections, etcdHosts: ["etcd-1"] };
  const own = patroniConfig(settings).postgresql.parameters as Readonly<Record<string, string>>;
  const shared = patroniSharedConfig(settings).postgresql.parameters;
  const pool = pgbouncerPool(pgbouncer.settings);
  return {
    app: `${app.workers} worker${app.workers === 1 ? "" : "s"} each, pool ${app.poolMax} + ${app.replicaPoolMax} a server`,
    jobs: `pool ${jobs.poolMax} + ${jobs.replicaPoolMax} a server`,
    postgres: `shared_buffers ${own["shared_buffers"]}, work_mem ${own["work_mem"]}, max_connections ${shared["max_connections"]}`,
    pgbouncer: `pool ${pool.poolSize} + ${pool.reservePoolSize} in reserve, ${pool.nodePoolSize} a server, ${pgbouncer.settings.maxClients} clients`,
    "redis-cache": `maxmemory ${redisCache.maxMemoryMb} MiB`,
    "redis-limits": `maxmemory ${redisLimits.maxMemoryMb} MiB`,
    ...(kafka !== undefined && { kafka: `heap ${kafka.heapMb} MiB` }),
    ...(consumer !== undefined && { consumer: `pool ${consumer.poolMax} + ${consumer.replicaPoolMax} a server` }),
  };
}

function mebibytes(memoryMb: number): string {
  return `${memoryMb} MiB`;
}
