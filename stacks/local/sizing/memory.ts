import * as pulumi from "@pulumi/pulumi";
import { neededMemoryMb } from "../../../app/src/config/machine";
import { EXPORTER_PORTS } from "../../../components/local/exporters/ports";
import { KAFKA_BROKERS, kafkaMemory } from "../../../components/local/kafka";
import { LOAD_BALANCER_MB } from "../../../components/local/load-balancer/haproxy-config";
import { type BackupSettings, patroniConfig } from "../../../components/local/postgres";
import { proxyMemoryMb } from "../../../components/local/postgres-proxy";
import { redisContainerMb } from "../../../components/local/redis";
import { backupRepository } from "../backup-repository";
import type { DockerHost } from "../preflight";
import { divide, leastTotal, type Share } from "../../lib/share";
import { appWorkers } from "./pools";
import { tooManyConnections } from "./refusals";
import type { SizingConfig } from "./types";

const defaults = {
  /** Left to the operating system and Docker: this part of the host, or so many MiB if that is more. */
  systemShare: 0.15,
  systemMb: 384,
  /** Instances of feature B2. */
  usualInstances: 3,
  /** Sizes are multiples of this, so that a host that lost a page to its firmware is not another plan; MiB. */
  stepMb: 16,
} as const;

/** Limits of what needs about the same everywhere, MiB; each measured where its component says so. */
export const FIXED_MB = { etcd: 128, pgbouncer: 128, postgresOperator: 96, loadBalancer: LOAD_BALANCER_MB, consumer: 256 } as const;

/** Limits of what watches the others, MiB; each measured where its component says so. There is one exporter for each kind of server. */
export const MONITORING_MB = { prometheus: 384, alertmanager: 64, exporter: 64, grafana: 512 } as const;
export const EXPORTERS = Object.keys(EXPORTER_PORTS).length;

/** Heap of a Kafka broker, MiB: with less than 256 it collects garbage more often, and the app's events need no more. */
const KAFKA_HEAP_MB = 256;

/** Memory of each Kafka broker, MiB. */
export function brokerMemoryMb({ kafkaMemoryMb }: SizingConfig): number {
  return kafkaMemoryMb ?? kafkaMemory(KAFKA_HEAP_MB).containerMb;
}

/** Memory of one container of a flexible service, MiB; `weight` says who gets how much of a larger host. */
const FLEXIBLE = {
  /** A single process has 83 MiB when idle, and what requests take on top. */
  app: { least: 224, most: 1024, mostPerWorker: 768, weight: 25 },
  /** Text in images is read with up to 320 MiB. */
  jobs: { least: 384, most: 2048, weight: 8 },
  /** The least follows from the connections. */
  postgres: { most: 16_384, weight: 45 },
  /** Of data; the container has more, see redisContainerMb. 4 GB is feature B3. */
  redisCache: { leastData: 32, mostData: 4096, weight: 16 },
  redisLimits: { leastData: 32, mostData: 1024, weight: 6 },
} as const;

/** Each flexible service by name; one whose size is given has no room in either direction. */
export type MemoryShares = Readonly<Record<keyof typeof FLEXIBLE, Share>>;

/**
 * What all containers may use together, MiB.
 * @throws RunError when the user wants more than the host has.
 */
export function memoryBudget({ memoryBudgetMb }: SizingConfig, host: Pick<DockerHost, "memoryMb">): number {
  if (memoryBudgetMb === undefined) return host.memoryMb - Math.max(defaults.systemMb, Math.ceil(host.memoryMb * defaults.systemShare));
  if (memoryBudgetMb <= host.memoryMb) return memoryBudgetMb;
  throw new pulumi.RunError(
    `memoryBudgetMb is ${memoryBudgetMb}; allowed: at most ${host.memoryMb}, the memory of the Docker host in MiB. ` +
      "Fix: pulumi config rm memoryBudgetMb",
  );
}

/** Memory of all that is not flexible, MiB. */
export function fixedMemory(config: SizingConfig, proxyConnections: number): number {
  const { etcd, pgbouncer, postgresOperator, loadBalancer, consumer } = FIXED_MB;
  const events = config.kafka ? KAFKA_BROKERS * brokerMemoryMb(config) + consumer : 0;
  const { prometheus, alertmanager, exporter, grafana } = MONITORING_MB;
  const monitoring = config.monitoring ? prometheus + alertmanager + EXPORTERS * exporter + (config.grafana === true ? grafana : 0) : 0;
  const others = pgbouncer + postgresOperator + loadBalancer + proxyMemoryMb(proxyConnections);
  return Number(config.etcdMembers) * etcd + others + events + monitoring;
}

/** What the flexible services ask for. @param leastPostgres see {@link leastPostgresMb} */
export function memoryShares(config: SizingConfig, workers: number, leastPostgres: number): MemoryShares {
  const share = (count: number, given: number | undefined, least: number, most: number, weight: number): Share =>
    given === undefined ? { count, least, most: Math.max(least, most), weight } : { count, least: given, most: given, weight: 0 };
  const redis = (dataMb: number | undefined, { leastData, mostData, weight }: typeof FLEXIBLE.redisCache | typeof FLEXIBLE.redisLimits) =>
    share(1, dataMb && redisContainerMb(dataMb), redisContainerMb(leastData), redisContainerMb(mostData), weight);
  const { app, jobs, postgres, redisCache, redisLimits } = FLEXIBLE;
  const leastApp = Math.max(app.least, neededMemoryMb("database", workers, config.workerHeapMb));
  return {
    app: share(config.appInstances, config.appMemoryMb, leastApp, Math.max(app.most, workers * app.mostPerWorker), app.weight),
    jobs: share(1, config.jobsMemoryMb, jobs.least, jobs.most, jobs.weight),
    postgres: share(config.postgresNodes, config.postgresMemoryMb, leastPostgres, postgres.most, postgres.weight),
    redisCache: redis(config.redisCacheMb, redisCache),
    redisLimits: redis(config.redisLimitsMb, redisLimits),
  };
}

/** As if nobody had given a size, and the app had {@link defaults.usualInstances}. */
const USUAL = {
  appInstances: defaults.usualInstances,
  appMemoryMb: undefined,
  jobsMemoryMb: undefined,
  postgresMemoryMb: undefined,
  redisCacheMb: undefined,
  redisLimitsMb: undefined,
};

/**
 * Memory of one container of each flexible service. As long as it fits, each is sized by itself: scaling the app must not restart Postgres,
 * nor another size of Postgres Redis. The app takes what is left.
 */
export function divideMemory(
  budgetMb: number,
  config: SizingConfig,
  host: Pick<DockerHost, "cpus" | "memoryMb">,
  shares: MemoryShares,
  leastPostgres: number,
): Record<keyof MemoryShares, number> {
  const usual = { ...config, ...USUAL };
  const usualShares = memoryShares(usual, appWorkers(usual, host), leastPostgres);
  if (leastTotal(usualShares) <= budgetMb) {
    const usualSizes = rounded(divide(budgetMb, usualShares), usualShares);
    const { app, ...others } = shares;
    const names = Object.keys(others) as (keyof typeof others)[];
    // A size that is given has no room.
    const sizes = names.map((name) => [name, Math.min(others[name].most, Math.max(others[name].least, usualSizes[name]))] as const);
    const taken = sizes.reduce((sum, [name, size]) => sum + others[name].count * size, 0);
    const size = Math.min(app.most, Math.max(app.least, floored((budgetMb - taken) / app.count)));
    if (taken + app.count * size <= budgetMb) return { ...usualSizes, ...Object.fromEntries(sizes), app: size };
  }
  return rounded(divide(budgetMb, shares), shares);
}

function rounded(sizes: Record<keyof MemoryShares, number>, shares: MemoryShares): Record<keyof MemoryShares, number> {
  const entries = (Object.keys(sizes) as (keyof MemoryShares)[]).map((name) => [name, Math.max(shares[name].least, floored(sizes[name]))]);
  return Object.fromEntries(entries) as Record<keyof MemoryShares, number>;
}

function floored(memoryMb: number): number {
  return Math.floor(memoryMb / defaults.stepMb) * defaults.stepMb;
}

/** Data that fit into a Redis container of that size: the reverse of {@link redisContainerMb}. */
export function redisDataMb(containerMb: number): number {
  let dataMb = floored((containerMb * 2) / 3);
  while (redisContainerMb(dataMb) > containerMb) dataMb -= defaults.stepMb;
  return dataMb;
}

/** When backups are made, and how long they are kept; `undefined` when none are wanted. */
export function backupSettings(config: SizingConfig): BackupSettings | undefined {
  const { backups, backupEveryHours: everyHours, backupFullEveryDays: fullEveryDays, backupKeepDays: keepDays } = config;
  return backups ? { everyHours, fullEveryDays, keepDays } : undefined;
}

/**
 * Least memory of a Postgres container for so many connections, MiB: Postgres' own reckoning says from when on it carries them.
 * @throws RunError when the user gave it less.
 */
export function leastPostgresMb(config: SizingConfig, maxConnections: number): number {
  const repository = backupRepository(config);
  const carries = (memoryMb: number): boolean => {
    try {
      patroniConfig({ etcdHosts: ["etcd-1"], memoryMb, maxConnections, backups: backupSettings(config), repository });
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  };
  const { stepMb } = defaults;
  let [tooLittle, enough] = [0, 1];
  while (!carries(enough * stepMb)) [tooLittle, enough] = [enough, enough * 2];
  while (enough - tooLittle > 1) {
    const middle = Math.floor((tooLittle + enough) / 2);
    if (carries(middle * stepMb)) enough = middle;
    else tooLittle = middle;
  }
  const least = enough * stepMb;
  const given = config.postgresMemoryMb;
  if (given !== undefined && !carries(given)) throw new pulumi.RunError(tooManyConnections(given, maxConnections, least));
  return least;
}
