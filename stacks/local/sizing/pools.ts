import * as pulumi from "@pulumi/pulumi";
import type { PgbouncerSettings } from "../../../components/local/pgbouncer";
import { nodePort, PRIMARY_PORT, PROXY_SOCKETS } from "../../../components/local/postgres-proxy";
import type { DockerHost } from "../preflight";
import { tooManyClients } from "./refusals";
import type { AppPools, SizingConfig } from "./types";

const defaults = {
  /** Part of the host's CPUs that the app's workers are counted for; the rest is for what they ask. */
  appCpuShare: 0.75,
  mostWorkers: 64,
  /** The app's part of the memory, and what each worker is counted for, MiB: many CPUs with little memory are not many workers. */
  appMemoryShare: 0.2,
  workerMb: 128,
  /** Connections to a server for each CPU: enough to keep it busy while some of them wait for the disk or another server. */
  connectionsPerCpu: 4,
  /** Memory of the host for each connection, MiB: it costs Postgres 2 to 3 on every server, and what its statements sort. */
  memoryPerConnectionMb: 160,
  leastPool: 20,
  mostPool: 100,
  /** Clients of PgBouncer for each of its connections: a transaction is short, and what waits had better wait where it is counted. */
  clientsPerConnection: 2,
  /** A8 asks for 1,000. */
  leastClients: 2000,
  /** Each is a file descriptor, see PgBouncer's config.ts. */
  mostClients: 12_000,
  /** Of people and exporters. */
  otherClients: 100,
} as const;

type Host = Pick<DockerHost, "cpus" | "memoryMb">;

/** Worker processes of an instance. Instances share the CPUs: three of them with a worker for each CPU would only take turns. */
export function appWorkers({ workers, appInstances, appCpus }: SizingConfig, { cpus, memoryMb }: Host): number {
  if (workers !== "auto") return workers;
  const own = appCpus === undefined ? Infinity : Math.floor(appCpus);
  const fair = Math.round((cpus * defaults.appCpuShare) / appInstances);
  const carried = Math.floor((memoryMb * defaults.appMemoryShare) / appInstances / defaults.workerMb);
  return Math.max(1, Math.min(own, fair, carried, defaults.mostWorkers));
}

/** Connections of a pool, the best number for the host first and then all smaller ones that will do; one where the user chose it. */
export function poolSizes({ dbPoolSize }: SizingConfig, { cpus, memoryMb }: Host): number[] {
  if (dbPoolSize !== undefined) return [dbPoolSize];
  const busy = Math.min(cpus * defaults.connectionsPerCpu, Math.floor(memoryMb / defaults.memoryPerConnectionMb));
  const best = Math.min(defaults.mostPool, Math.max(defaults.leastPool, busy));
  return Array.from({ length: best - defaults.leastPool + 1 }, (_, less) => best - less);
}

/**
 * PgBouncer's pools: how many connections Postgres is asked for.
 * @throws RunError when the app would have more connections to it than it takes.
 */
export function pgbouncerSettings(
  config: SizingConfig,
  poolSize: number,
  workers: number,
): PgbouncerSettings & { readonly poolSize: number } {
  const nodes = Array.from({ length: config.postgresNodes }, (_, index) => `pg-${index + 1}`);
  const { poolMax, replicaPoolMax } = appPools(config, poolSize, workers);
  // All containers of the app, and as many again while they are replaced.
  const clients = 2 * appContainers(config) * (poolMax + nodes.length * replicaPoolMax) + defaults.otherClients;
  if (clients > defaults.mostClients)
    throw new pulumi.RunError(tooManyClients(config, { workers, poolMax, clients }, defaults.mostClients));
  const maxClients = Math.max(defaults.leastClients, clients);
  const nodePorts = nodes.map((_, index) => nodePort(index));
  return { serverHost: PROXY_SOCKETS, serverPort: PRIMARY_PORT, nodes, nodePorts, poolSize, nodePoolSize: poolSize, maxClients };
}

/** Containers that run the app's image: its instances, the one with jobs and, with Kafka, the one that reads events. */
function appContainers({ appInstances, kafka }: SizingConfig): number {
  return appInstances + 1 + Number(kafka);
}

/**
 * Connections of one container of the app: clients of the pools ÷ containers that use them. The app divides them among its workers, each of
 * which has at least one.
 */
export function appPools(config: SizingConfig, poolSize: number, workers: number): AppPools {
  const part = Math.max(workers, Math.ceil((defaults.clientsPerConnection * poolSize) / appContainers(config)));
  return { poolMax: part, replicaPoolMax: part };
}
