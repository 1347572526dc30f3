import { DATABASE_CLASSES, mostConnections } from "../classes";
import { BOUNDS, POOLS, USERS } from "./ratios";
import { refusal } from "./refusals";
import type { Connections } from "./database";
import type { CloudSizingConfig, ServicePlan } from "./types";

type Tasks = Pick<ServicePlan, "maxTasks" | "workers">;

/** Services that have pools. */
interface PooledServices {
  readonly web: Tasks;
  readonly jobs: Tasks;
  readonly consumer: Tasks;
  /** In which web tasks run, as many in each at their most: while requests move from one to the other, both have some. @default 1 */
  readonly regions?: number;
}

/** Connections of one task of each service, and of all tasks together. */
interface Pools {
  readonly web: number;
  readonly jobs: number;
  readonly consumer: number;
  readonly total: number;
}

/** Steps in which pools are cut until they fit. */
const CUTS = 40;

/**
 * Connections to one server: `to` the primary through RDS Proxy, or a replica directly. `cut` of {@link CUTS} is what is left of what is wanted;
 * each worker keeps what it needs.
 */
function poolsAt(cut: number, to: "primary" | "replica", { web, jobs, consumer, regions = 1 }: PooledServices, given?: number): Pools {
  const primary = to === "primary";
  const [webWanted, queueWanted] = primary ? [POOLS.webPerWorker, POOLS.queue] : [POOLS.webReplicaPerWorker, POOLS.queueReplica];
  const least = primary ? POOLS.leastPerWorker : POOLS.leastReplicaPerWorker;
  const pool = (workers: number, wanted: number): number => workers * Math.max(least, Math.floor((wanted * cut) / CUTS));
  const webPool = (primary ? given : undefined) ?? pool(web.workers, webWanted);
  const [jobsPool, consumerPool] = [pool(jobs.workers, queueWanted), pool(consumer.workers, queueWanted)];
  // Replicas are reached directly, and by the tasks that leave and those that come.
  const times = primary ? 1 : POOLS.rollout;
  // Each region has replicas of its own; the primary is that of both.
  const webTasks = web.maxTasks * (primary ? regions : 1);
  const total = times * (webTasks * webPool + jobs.maxTasks * jobsPool + consumer.maxTasks * consumerPool);
  return { web: webPool, jobs: jobsPool, consumer: consumerPool, total };
}

/** `max_connections` for pools of that size: RDS Proxy opens at most {@link BOUNDS.proxy} of them, and some are nobody's pool. */
function needed(primary: number, replica: number): number {
  return Math.max(Math.ceil(primary / BOUNDS.proxy), primary + POOLS.reserved, replica + POOLS.reserved);
}

/** What the pools ask a server for, before they are cut to what it has. */
export function connectionsOf(services: PooledServices, given: number | undefined): Connections {
  const at = (cut: number): number => needed(poolsAt(cut, "primary", services, given).total, poolsAt(cut, "replica", services).total);
  return { wanted: at(CUTS), least: at(0) };
}

/** Connections of a server that RDS Proxy may open. */
function proxyBudget(maxConnections: number): number {
  return Math.min(Math.floor(maxConnections * BOUNDS.proxy), maxConnections - POOLS.reserved);
}

/** Connections of every task, and `max_connections`. */
interface ConnectionPlan {
  readonly primary: Pools;
  readonly replica: Pools;
  readonly maxConnections: number;
  /** What RDS Proxy may open. */
  readonly proxy: number;
}

/**
 * Pools that fit a server which carries at most `most` connections, each cut as little as possible.
 * @throws RunError naming the value to change when not even the least fit.
 */
export function connectionPlan(config: CloudSizingConfig, services: PooledServices, most: number): ConnectionPlan {
  const given = config.dbPoolSize;
  if (given !== undefined && given < services.web.workers) {
    const because = `and ${services.web.workers} workers need a connection each`;
    const allowed = `at least ${POOLS.leastPerWorker * services.web.workers}`;
    throw refusal({ key: "dbPoolSize", value: given, because, allowed, fix: POOLS.leastPerWorker * services.web.workers });
  }
  const primary = largest((cut) => poolsAt(cut, "primary", services, given), proxyBudget(most));
  const replica = largest((cut) => poolsAt(cut, "replica", services), most - POOLS.reserved);
  if (primary === undefined || replica === undefined) throw tooMany(config, services, most);
  const wanted = connectionsOf(services, given).wanted;
  // What was cut takes all there is.
  const maxConnections = wanted > most ? most : Math.min(most, Math.max(POOLS.leastServer, Math.ceil(wanted / POOLS.step) * POOLS.step));
  return { primary, replica, maxConnections, proxy: proxyBudget(maxConnections) };
}

function largest(pools: (cut: number) => Pools, budget: number): Pools | undefined {
  for (let cut = CUTS; cut >= 0; cut--) {
    const found = pools(cut);
    if (found.total <= budget) return found;
  }
  return undefined;
}

/** The sentence for too many connections: another class if there is one that carries them, else the value that asks for so many. */
function tooMany(config: CloudSizingConfig, services: PooledServices, most: number): Error {
  const { least } = connectionsOf(services, config.dbPoolSize);
  const because = `with which all tasks ask for ${least} connections, and a server of its class carries ${most}`;
  const type = DATABASE_CLASSES.find((candidate) => mostConnections(candidate) >= least);
  if (config.databaseClass !== undefined && type !== undefined) {
    return refusal({ key: "databaseClass", value: config.databaseClass, because, allowed: `${type.name} or larger`, fix: type.name });
  }
  if (config.dbPoolSize !== undefined) {
    const others = poolsAt(0, "primary", { ...services, web: { ...services.web, maxTasks: 0 } }).total;
    const allowed = Math.floor((proxyBudget(most) - others) / (services.web.maxTasks * (services.regions ?? 1)));
    if (allowed >= services.web.workers && allowed < config.dbPoolSize) {
      return refusal({ key: "dbPoolSize", value: config.dbPoolSize, because, allowed: `at most ${allowed}`, fix: allowed });
    }
  }
  for (const key of ["webMaxTasks", "webMinTasks", "workers", "dbPoolSize"] as const) {
    const value = config[key];
    if (value !== undefined) return refusal({ key, value, because, allowed: "less, or nothing: it is planned then" });
  }
  return refusal({ key: "users", value: config.users, because, allowed: "fewer for one region", fix: USERS.most / 2 });
}
