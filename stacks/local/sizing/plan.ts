import * as pulumi from "@pulumi/pulumi";
import { heapLimitMb, residentLimitMb } from "../../../app/src/config/machine";
import { DATA_MOVE_MB } from "../../../components/local/data-move";
import { KAFKA_BROKERS, kafkaHeapMb } from "../../../components/local/kafka";
import { MIGRATE_MB } from "../../../components/local/migrate";
import { pgbouncerConnections, postgresConnections } from "../../../components/local/pgbouncer";
import { proxyMemoryMb } from "../../../components/local/postgres-proxy";
import { redisContainerMb } from "../../../components/local/redis";
import type { DockerHost } from "../preflight";
import { leastTotal } from "../../lib/share";
import { backupRepository } from "../backup-repository";
import { carriesRows } from "../move-attempt";
import {
  backupSettings,
  brokerMemoryMb,
  divideMemory,
  EXPORTERS,
  FIXED_MB,
  fixedMemory,
  leastPostgresMb,
  memoryBudget,
  memoryShares,
  MONITORING_MB,
  redisDataMb,
} from "./memory";
import { appPools, appWorkers, pgbouncerSettings, poolSizes } from "./pools";
import { cannotFit } from "./refusals";
import type { Limits, Plan, SizingConfig } from "./types";

/**
 * Divides a Docker host among the containers of phase `database`. What the user set wins and is checked together with all the rest; what
 * is left is divided. Memory limits never add up to more than the budget.
 *
 * @throws RunError with one sentence (field, value, what is allowed, what to type) when it cannot fit.
 */
export function sizing(config: SizingConfig, host: Pick<DockerHost, "cpus" | "memoryMb">): Plan {
  const { cpus } = host;
  const needed = needs(config, host);
  const { workers, settings, maxConnections, proxyConnections, budgetMb, fixedMb, leastPostgres, shares } = needed;
  if (!isEnough(needed)) {
    const fits = (other: SizingConfig): boolean => hasPlan(other, host);
    const neededMb = fixedMb + leastTotal(shares);
    throw new pulumi.RunError(cannotFit({ config, host, budgetMb, neededMb, leastPostgresMb: leastPostgres, fits }));
  }
  const memory = divideMemory(budgetMb - fixedMb, config, host, shares, leastPostgres);
  const pools = appPools(config, settings.poolSize, workers);

  // What is one thread uses one core; Redis has another process that rewrites its append-only file.
  const [one, two] = [Math.min(1, cpus), Math.min(2, cpus)];
  const redis = (given: number | undefined, containerMb: number): Plan["redisCache"] => {
    const maxMemoryMb = given ?? redisDataMb(containerMb);
    return { maxMemoryMb, memoryMb: redisContainerMb(maxMemoryMb), cpus: two };
  };
  const brokerMb = brokerMemoryMb(config);
  // The app works it out by the same functions; a heap that is given is the web's, whose memory is reckoned with it.
  const heap = (memoryMb: number, processes: number, given?: number): { readonly memoryMb: number; readonly heapMb: number } => ({
    memoryMb,
    heapMb: heapLimitMb(given, residentLimitMb(memoryMb, processes)),
  });
  const plan: Omit<Plan, "totalMb"> = {
    budgetMb,
    app: { instances: config.appInstances, workers, ...heap(memory.app, workers, config.workerHeapMb), cpus: config.appCpus, ...pools },
    // Background work never takes all of the host from those who wait for an answer.
    jobs: { ...heap(memory.jobs, 1), cpus: Math.max(one, Math.floor(cpus / 2)), ...pools },
    postgres: {
      nodes: config.postgresNodes,
      memoryMb: memory.postgres,
      cpus: config.postgresCpus,
      maxConnections,
      backups: backupSettings(config),
      repository: backupRepository(config),
    },
    etcd: { members: config.etcdMembers === "3" ? 3 : 1, memoryMb: FIXED_MB.etcd },
    pgbouncer: { settings, memoryMb: FIXED_MB.pgbouncer, cpus: one },
    postgresProxy: { maxConnections: proxyConnections, memoryMb: proxyMemoryMb(proxyConnections), cpus: one },
    postgresOperator: { memoryMb: FIXED_MB.postgresOperator, cpus: one },
    redisCache: redis(config.redisCacheMb, memory.redisCache),
    redisLimits: redis(config.redisLimitsMb, memory.redisLimits),
    loadBalancer: { memoryMb: FIXED_MB.loadBalancer },
    dataMove: carriesRows(config) ? { memoryMb: DATA_MOVE_MB } : undefined,
    migrate: config.image === undefined ? { memoryMb: MIGRATE_MB } : undefined,
    kafka: config.kafka ? { brokers: KAFKA_BROKERS, memoryMb: brokerMb, heapMb: kafkaHeapMb(brokerMb), cpus: two } : undefined,
    consumer: config.kafka ? { ...heap(FIXED_MB.consumer, 1), cpus: one, ...pools } : undefined,
    // Looking must not take the cores from what is looked at.
    prometheus: config.monitoring ? { memoryMb: MONITORING_MB.prometheus, cpus: one } : undefined,
    alertmanager: config.monitoring ? { memoryMb: MONITORING_MB.alertmanager, cpus: one } : undefined,
    grafana: config.monitoring && config.grafana === true ? { memoryMb: MONITORING_MB.grafana, cpus: one } : undefined,
    exporters: config.monitoring ? { count: EXPORTERS, memoryMb: MONITORING_MB.exporter, cpus: one } : undefined,
  };
  return { ...plan, totalMb: containersOf(plan).reduce((sum, { count, limits }) => sum + count * limits.memoryMb, 0) };
}

/**
 * What follows from the configuration before memory is divided: with as many workers and connections as are best for the host, or as many fewer
 * as it takes to fit. Each comes with a step of memory, and on a host that is just large enough for the rest that would be too much.
 */
function needs(config: SizingConfig, host: Pick<DockerHost, "cpus" | "memoryMb">): Needs {
  const [pools, most] = [poolSizes(config, host), appWorkers(config, host)];
  const least = config.workers === "auto" ? 1 : most;
  for (let workers = most; ; workers -= 1) {
    const needed = needsWith(config, host, workers, pools.at(-1) ?? 0);
    if (isEnough(needed)) {
      const best = pools.find((pool) => orNone(() => isEnough(needsWith(config, host, workers, pool))));
      return best === undefined ? needed : needsWith(config, host, workers, best);
    }
    if (workers <= least) return needed;
  }
}

type Needs = ReturnType<typeof needsWith>;

function needsWith(config: SizingConfig, host: Pick<DockerHost, "cpus" | "memoryMb">, workers: number, poolSize: number) {
  const budgetMb = memoryBudget(config, host);
  const settings = pgbouncerSettings(config, poolSize, workers);
  const maxConnections = postgresConnections([settings]);
  // While PgBouncer is replaced there are two of them; the proxy holds twice as many connections as one of its ports does.
  const proxyConnections = Math.max(2 * maxConnections, pgbouncerConnections(settings));
  const fixedMb = fixedMemory(config, proxyConnections);
  const leastPostgres = leastPostgresMb(config, maxConnections);
  const shares = memoryShares(config, workers, leastPostgres);
  return { budgetMb, workers, settings, maxConnections, proxyConnections, fixedMb, leastPostgres, shares };
}

function isEnough({ budgetMb, fixedMb, shares }: Pick<Needs, "budgetMb" | "fixedMb" | "shares">): boolean {
  return fixedMb + leastTotal(shares) <= budgetMb;
}

function hasPlan(config: SizingConfig, host: Pick<DockerHost, "cpus" | "memoryMb">): boolean {
  return orNone(() => isEnough(needs(config, host)));
}

/** Whether it is so; not, where already its connections are refused. */
function orNone(isSo: () => boolean): boolean {
  try {
    return isSo();
  } catch (error) {
    if (pulumi.RunError.isInstance(error)) return false;
    throw error;
  }
}

/** The containers of a plan that share its memory: their service's name, how many there are, and what each may use. */
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
    ...(plan.kafka === undefined ? [] : [{ name: "kafka", count: plan.kafka.brokers, limits: plan.kafka }]),
    ...(plan.consumer === undefined ? [] : [{ name: "consumer", count: 1, limits: plan.consumer }]),
    ...(plan.prometheus === undefined ? [] : [{ name: "prometheus", count: 1, limits: plan.prometheus }]),
    ...(plan.alertmanager === undefined ? [] : [{ name: "alertmanager", count: 1, limits: plan.alertmanager }]),
    ...(plan.grafana === undefined ? [] : [{ name: "grafana", count: 1, limits: plan.grafana }]),
    ...(plan.exporters === undefined ? [] : [{ name: "exporters", count: plan.exporters.count, limits: plan.exporters }]),
  ];
}
