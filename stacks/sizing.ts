import * as pulumi from "@pulumi/pulumi";
import { type PgbouncerSettings, postgresConnections } from "../components/local/pgbouncer";
import { patroniConfig } from "../components/local/postgres";
import { POSTGRES_PROXY_ALIAS, PRIMARY_PORT, proxyMemoryMb } from "../components/local/postgres-proxy";
import { redisContainerMb } from "../components/local/redis";
import { neededMemoryMb } from "./config-checks";
import type { StackConfig } from "./config-keys";
import type { DockerHost } from "./preflight";
import { divide, leastTotal, type Share } from "./share";
import { cannotFit, tooManyClients, tooManyConnections } from "./sizing-refusals";

/** What the plan is made of. */
export type SizingConfig = Pick<
  StackConfig,
  | "appInstances"
  | "workers"
  | "appMemoryMb"
  | "appCpus"
  | "workerHeapMb"
  | "memoryBudgetMb"
  | "jobsMemoryMb"
  | "postgresNodes"
  | "postgresMemoryMb"
  | "postgresCpus"
  | "etcdMembers"
  | "durability"
  | "dbPoolSize"
  | "redisCacheMb"
  | "redisLimitsMb"
>;

/** Limits of a container, in MiB and cores; without a number of cores it may use all of the host's. */
export interface Limits {
  readonly memoryMb: number;
  readonly cpus?: number | undefined;
}

/** Connections of one app container, all its workers together. */
export interface AppPools {
  /** To the primary. */
  readonly poolMax: number;
  /** To each server that is read. */
  readonly replicaPoolMax: number;
}

/** Who gets how much in phase `database`. */
export interface Plan {
  /** What all containers may use together, MiB, and what they do. */
  readonly budgetMb: number;
  readonly totalMb: number;
  readonly app: Limits & AppPools & { readonly instances: number; readonly workers: number };
  readonly jobs: Limits & AppPools;
  readonly postgres: Limits & { readonly nodes: number; readonly maxConnections: number };
  readonly etcd: Limits & { readonly members: 1 | 3 };
  readonly pgbouncer: Limits & { readonly settings: PgbouncerSettings };
  readonly postgresProxy: Limits & { readonly maxConnections: number };
  readonly postgresOperator: Limits;
  readonly redisCache: Limits & { readonly maxMemoryMb: number };
  readonly redisLimits: Limits & { readonly maxMemoryMb: number };
  readonly loadBalancer: Limits;
}

const defaults = {
  /** Left to the operating system and Docker: this part of the host, or so many MiB if that is more. */
  systemShare: 0.15,
  systemMb: 384,
  /** Part of the host's CPUs that the app's workers are counted for; the rest is for what they ask. */
  appCpuShare: 0.75,
  /** Instances of feature B2. */
  usualInstances: 3,
  /** Connections to a server for each CPU: enough to keep it busy while some of them wait for the disk or another server. */
  connectionsPerCpu: 4,
  leastPool: 20,
  mostPool: 100,
  /** Clients of PgBouncer for each of its connections: a transaction is short, and what waits had better wait where it is counted. */
  clientsPerConnection: 2,
  /** PgBouncer takes no fewer (A8: 1,000), and no more (12,000, see its config.ts). */
  leastClients: 2000,
  mostClients: 12_000,
} as const;

/** Limits of what needs about the same everywhere, MiB; each measured where its component says so. */
const FIXED_MB = { etcd: 128, pgbouncer: 128, postgresOperator: 96, loadBalancer: 256 } as const;

/** Memory of one container of a flexible service, MiB; `weight` says who gets how much of a larger host. */
const FLEXIBLE = {
  /** A single process with 83 MiB when idle, and what requests take on top. */
  app: { least: 224, mostPerWorker: 768, most: 1024, weight: 25 },
  /** Text in images is read with up to 320 MiB. */
  jobs: { least: 384, most: 2048, weight: 8 },
  postgres: { most: 16_384, weight: 45 },
  /** Data, not container: {@link redisContainerMb}. 4 GB is feature B3. */
  redisCache: { least: 32, most: 4096, weight: 16 },
  redisLimits: { least: 32, most: 1024, weight: 6 },
} as const;

/** Sizes are multiples of this, so that a host that lost a page to its firmware is not another plan. */
const STEP_MB = 16;

/**
 * Divides a Docker host among the containers of phase `database`. What the user set wins and is checked together with all the rest; what
 * is left is divided. Memory limits never add up to more than the budget.
 *
 * @throws RunError with one sentence (field, value, what is allowed, what to type) when it cannot fit.
 */
export function sizing(config: SizingConfig, host: Pick<DockerHost, "cpus" | "memoryMb">): Plan {
  const workers = appWorkers(config, host.cpus);
  const pgbouncer = pgbouncerSettings(config, host.cpus, workers);
  const maxConnections = postgresConnections([pgbouncer]);
  const proxyConnections = 2 * maxConnections;
  const fixedMb = fixedMemory(config, proxyConnections);
  const shares = memoryShares(config, workers, leastPostgresMb(config, maxConnections));
  const budgetMb = memoryBudget(config, host);
  const needed = fixedMb + leastTotal(Object.values(shares));
  if (needed > budgetMb) throw new pulumi.RunError(cannotFit({ config, host, budgetMb, fixedMb, shares }));

  const { app, jobs, postgres, redisCache: cache, redisLimits: limits } = divided(budgetMb - fixedMb, config, host.cpus, shares);
  const one = Math.min(1, host.cpus);
  const redis = (given: number | undefined, containerMb: number): Plan["redisCache"] => {
    const maxMemoryMb = given ?? redisData(containerMb);
    // Its own thread, and the process that rewrites the append-only file.
    return { maxMemoryMb, memoryMb: redisContainerMb(maxMemoryMb), cpus: Math.min(2, host.cpus) };
  };
  const pools = appPools(config, pgbouncer, workers);
  const plan = {
    budgetMb,
    app: {
      instances: config.appInstances,
      workers,
      memoryMb: config.appMemoryMb ?? rounded(app, shares.app),
      cpus: config.appCpus,
      ...pools,
    },
    // Background work never takes all of the host from those who wait for an answer.
    jobs: { memoryMb: config.jobsMemoryMb ?? jobs, cpus: Math.max(one, Math.floor(host.cpus / 2)), ...pools },
    postgres: {
      nodes: config.postgresNodes,
      memoryMb: config.postgresMemoryMb ?? postgres,
      cpus: config.postgresCpus,
      maxConnections,
    },
    etcd: { members: config.etcdMembers === "3" ? 3 : 1, memoryMb: FIXED_MB.etcd },
    pgbouncer: { settings: pgbouncer, memoryMb: FIXED_MB.pgbouncer, cpus: one },
    postgresProxy: { maxConnections: proxyConnections, memoryMb: proxyMemoryMb(proxyConnections), cpus: one },
    postgresOperator: { memoryMb: FIXED_MB.postgresOperator, cpus: one },
    redisCache: redis(config.redisCacheMb, cache),
    redisLimits: redis(config.redisLimitsMb, limits),
    loadBalancer: { memoryMb: FIXED_MB.loadBalancer },
  } satisfies Omit<Plan, "totalMb">;
  return { ...plan, totalMb: totalMemory(plan) };
}

/** The containers of a plan, as often as there are of each. */
export function containersOf(plan: Omit<Plan, "totalMb">): { readonly name: string; readonly count: number; readonly limits: Limits }[] {
  return [
    { name: "app", count: plan.app.instances, limits: plan.app },
    { name: "jobs", count: 1, limits: plan.jobs },
    { name: "postgres", count: plan.postgres.nodes, limits: plan.postgres },
    { name: "etcd", count: plan.etcd.members, limits: plan.etcd },
    { name: "postgres-proxy", count: 1, limits: plan.postgresProxy },
    { name: "pgbouncer", count: 1, limits: plan.pgbouncer },
    { name: "postgres-operator", count: 1, limits: plan.postgresOperator },
    { name: "redis-cache", count: 1, limits: plan.redisCache },
    { name: "redis-limits", count: 1, limits: plan.redisLimits },
    { name: "load-balancer", count: 1, limits: plan.loadBalancer },
  ];
}

function totalMemory(plan: Omit<Plan, "totalMb">): number {
  return containersOf(plan).reduce((sum, { count, limits }) => sum + count * limits.memoryMb, 0);
}

function memoryBudget({ memoryBudgetMb }: SizingConfig, host: Pick<DockerHost, "memoryMb">): number {
  if (memoryBudgetMb === undefined) return host.memoryMb - Math.max(defaults.systemMb, Math.ceil(host.memoryMb * defaults.systemShare));
  if (memoryBudgetMb <= host.memoryMb) return memoryBudgetMb;
  throw new pulumi.RunError(
    `memoryBudgetMb is ${memoryBudgetMb}; allowed: at most ${host.memoryMb}, the memory of the Docker host in MiB. ` +
      "Fix: pulumi config rm memoryBudgetMb",
  );
}

/** Instances share the CPUs: three of them with a worker for each CPU would only take turns. */
function appWorkers({ workers, appInstances, appCpus }: SizingConfig, cpus: number): number {
  if (workers !== "auto") return workers;
  const own = appCpus === undefined ? Infinity : Math.floor(appCpus);
  return Math.min(64, Math.max(1, Math.min(own, Math.round((cpus * defaults.appCpuShare) / appInstances))));
}

function pgbouncerSettings(config: SizingConfig, cpus: number, workers: number): PgbouncerSettings {
  const automatic = Math.min(defaults.mostPool, Math.max(defaults.leastPool, cpus * defaults.connectionsPerCpu));
  const poolSize = config.dbPoolSize ?? automatic;
  const nodes = Array.from({ length: config.postgresNodes }, (_, index) => `pg-${index + 1}`);
  const settings = { serverHost: POSTGRES_PROXY_ALIAS, serverPort: PRIMARY_PORT, nodes, poolSize, nodePoolSize: poolSize };
  const pools = appPools(config, settings, workers);
  // All instances, and as many again while they are replaced; jobs and people.
  const clients = 2 * (config.appInstances + 1) * (pools.poolMax + nodes.length * pools.replicaPoolMax) + 100;
  if (clients > defaults.mostClients) throw new pulumi.RunError(tooManyClients(config, workers, clients, defaults.mostClients));
  return { ...settings, maxClients: Math.max(defaults.leastClients, clients) };
}

/** Clients of the pools ÷ containers that use them (the app's and the jobs'); the app divides by its workers, and each has at least one. */
function appPools({ appInstances }: SizingConfig, { poolSize = 0, nodePoolSize = 0 }: PgbouncerSettings, workers: number): AppPools {
  const part = (connections: number): number =>
    Math.max(workers, Math.ceil((defaults.clientsPerConnection * connections) / (appInstances + 1)));
  return { poolMax: part(poolSize), replicaPoolMax: part(nodePoolSize) };
}

function fixedMemory({ etcdMembers }: SizingConfig, proxyConnections: number): number {
  const { etcd, pgbouncer, postgresOperator, loadBalancer } = FIXED_MB;
  return Number(etcdMembers) * etcd + pgbouncer + postgresOperator + loadBalancer + proxyMemoryMb(proxyConnections);
}

/** Each flexible service by name; one whose size is given has no room in either direction. */
export type Shares = Readonly<Record<keyof typeof FLEXIBLE, Share>>;

function memoryShares(config: SizingConfig, workers: number, postgresLeast: number): Shares {
  const { app, jobs, postgres, redisCache, redisLimits } = FLEXIBLE;
  const share = (count: number, given: number | undefined, least: number, most: number, weight: number): Share =>
    given === undefined ? { count, least, most: Math.max(least, most), weight } : { count, least: given, most: given, weight: 0 };
  const container = (dataMb: number | undefined): number | undefined => (dataMb === undefined ? undefined : redisContainerMb(dataMb));
  const appLeast = Math.max(app.least, neededMemoryMb(workers, config.workerHeapMb));
  return {
    app: share(config.appInstances, config.appMemoryMb, appLeast, Math.max(app.most, workers * app.mostPerWorker), app.weight),
    jobs: share(1, config.jobsMemoryMb, jobs.least, jobs.most, jobs.weight),
    postgres: share(config.postgresNodes, config.postgresMemoryMb, postgresLeast, postgres.most, postgres.weight),
    redisCache: share(
      1,
      container(config.redisCacheMb),
      redisContainerMb(redisCache.least),
      redisContainerMb(redisCache.most),
      redisCache.weight,
    ),
    redisLimits: share(
      1,
      container(config.redisLimitsMb),
      redisContainerMb(redisLimits.least),
      redisContainerMb(redisLimits.most),
      redisLimits.weight,
    ),
  };
}

/**
 * Memory of one container of each service. What keeps data is sized for {@link defaults.usualInstances} as long as the others then fit:
 * scaling the app must not restart Postgres or Redis.
 */
function divided(budgetMb: number, config: SizingConfig, cpus: number, shares: Shares): Record<keyof Shares, number> {
  const usual = { ...config, appInstances: defaults.usualInstances };
  const usualShares = memoryShares(usual, appWorkers(usual, cpus), shares.postgres.least);
  if (leastTotal(Object.values(usualShares)) <= budgetMb) {
    const sizes = divideAmong(budgetMb, usualShares);
    const { count, least, most } = shares.app;
    const others =
      budgetMb - leastTotal(SERVICES.filter((name) => name !== "app").map((name) => ({ ...shares[name], least: sizes[name] })));
    const app = Math.min(most, rounded(others / count, shares.app));
    if (count * app <= others && app >= least) return { ...sizes, app };
  }
  return divideAmong(budgetMb, shares);
}

const SERVICES = Object.keys(FLEXIBLE) as (keyof Shares)[];

function divideAmong(budgetMb: number, shares: Shares): Record<keyof Shares, number> {
  const sizes = divide(
    budgetMb,
    SERVICES.map((name) => shares[name]),
  );
  const entries = SERVICES.map((name, index) => [name, rounded(sizes[index]!, shares[name])]);
  return Object.fromEntries(entries) as Record<keyof Shares, number>;
}

/** Down to a multiple of the step, never below the least. */
function rounded(memoryMb: number, { least }: Share): number {
  return Math.max(least, Math.floor(memoryMb / STEP_MB) * STEP_MB);
}

/** Data that fit into a container of that size: the reverse of {@link redisContainerMb}. */
function redisData(containerMb: number): number {
  const fits = (dataMb: number): boolean => redisContainerMb(dataMb) <= containerMb;
  let dataMb = Math.floor((containerMb * 2) / 3 / STEP_MB) * STEP_MB;
  while (!fits(dataMb)) dataMb -= STEP_MB;
  return dataMb;
}

/**
 * Least memory of a Postgres container for so many connections, MiB: Postgres' own reckoning says from when on it carries them.
 * @throws RunError when what the user gave it is less.
 */
function leastPostgresMb(config: SizingConfig, maxConnections: number): number {
  const carries = (memoryMb: number): boolean => {
    try {
      patroniConfig({ etcdHosts: ["etcd-1"], memoryMb, maxConnections, durability: config.durability });
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  };
  let [tooLittle, enough] = [0, 1];
  while (!carries(enough * STEP_MB)) [tooLittle, enough] = [enough, enough * 2];
  while (enough - tooLittle > 1) {
    const middle = Math.floor((tooLittle + enough) / 2);
    if (carries(middle * STEP_MB)) enough = middle;
    else tooLittle = middle;
  }
  const least = enough * STEP_MB;
  if (config.postgresMemoryMb !== undefined && !carries(config.postgresMemoryMb)) {
    throw new pulumi.RunError(tooManyConnections(config, maxConnections, least));
  }
  return least;
}
