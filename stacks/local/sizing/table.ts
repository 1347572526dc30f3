import { patroniConfig, patroniSharedConfig } from "../../../components/local/postgres";
import { pgbouncerPool } from "../../../components/local/pgbouncer";
import type { DockerHost } from "../preflight";
import { containersOf } from "./plan";
import type { Plan } from "./types";
import { type Row, tableLines } from "../../lib/table";

/** The plan as a table for people: every container with its limits, and what it is set to. */
export function planTable(plan: Plan, host: Pick<DockerHost, "cpus" | "memoryMb">): string {
  const notes = notesOf(plan);
  const once = Object.entries({ "data-move": plan.dataMove, migrate: plan.migrate }).flatMap(([name, limits]) =>
    limits === undefined ? [] : [{ name, count: 1, limits }],
  );
  const rows = [...containersOf(plan), ...once].map(({ name, count, limits }): Row<Column> => {
    const cpus = limits.cpus === undefined ? "all" : String(limits.cpus);
    return { container: name, count: String(count), memory: mebibytes(limits.memoryMb), CPUs: cpus, "set to": notes[name] ?? "" };
  });
  const has = `${host.cpus} CPUs, ${mebibytes(host.memoryMb)}`;
  return [
    `plan for this Docker host (${has}): ${mebibytes(plan.totalMb)} at most of ${mebibytes(plan.budgetMb)}`,
    ...tableLines(COLUMNS, ["count", "memory", "CPUs"], rows),
  ].join("\n");
}

const COLUMNS = ["container", "count", "memory", "CPUs", "set to"] as const;
type Column = (typeof COLUMNS)[number];

function notesOf(plan: Plan): Readonly<Record<string, string>> {
  const { app, jobs, postgres, pgbouncer, redisCache, redisLimits, kafka, consumer } = plan;
  const settings = { ...postgres, etcdHosts: ["etcd-1"] };
  const own = patroniConfig(settings).postgresql.parameters as Readonly<Record<string, string>>;
  const shared = patroniSharedConfig(settings).postgresql.parameters;
  const pool = pgbouncerPool(pgbouncer.settings);
  return {
    app: `${app.workers} worker${app.workers === 1 ? "" : "s"} each, heap ${app.heapMb} MiB, pool ${app.poolMax} + ${app.replicaPoolMax} a server`,
    jobs: `heap ${jobs.heapMb} MiB, pool ${jobs.poolMax} + ${jobs.replicaPoolMax} a server`,
    postgres: `shared_buffers ${own["shared_buffers"]}, work_mem ${own["work_mem"]}, max_connections ${shared["max_connections"]}`,
    pgbouncer: `pool ${pool.poolSize} + ${pool.reservePoolSize} in reserve, ${pool.nodePoolSize} a server, ${pgbouncer.settings.maxClients} clients`,
    "redis-cache": `maxmemory ${redisCache.maxMemoryMb} MiB`,
    "redis-limits": `maxmemory ${redisLimits.maxMemoryMb} MiB`,
    "data-move": "moves rows before the app starts, then sleeps with 2 MiB: beside the sum",
    migrate: "migrates before the app starts, then ends: beside the sum",
    ...(kafka !== undefined && { kafka: `heap ${kafka.heapMb} MiB` }),
    ...(consumer !== undefined && {
      consumer: `heap ${consumer.heapMb} MiB, pool ${consumer.poolMax} + ${consumer.replicaPoolMax} a server`,
    }),
  };
}

function mebibytes(memoryMb: number): string {
  return `${memoryMb} MiB`;
}
