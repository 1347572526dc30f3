import type { Container } from "../container";
import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";
import { judge, THRESHOLDS, worst } from "./thresholds";

/** A health check waits this long for the database, in milliseconds; then it is down, whatever it is doing. */
const DATABASE_DEADLINE_MS = 1000;

/** State of the database as a health check finds it. */
export interface DatabaseHealth {
  readonly kind: string;
  readonly status: "up" | "down";
  /** Absent when it did not answer. */
  readonly latencyMs?: number;
  /** Of several databases, those that do not answer, by name; absent when all do. */
  readonly shardsDown?: readonly string[];
  /** Its rows were moved to another database, so that every write is refused; absent when they were not. */
  readonly moved?: true;
}

/** Pings under way, with when they began. */
const pings = new WeakMap<object, { readonly at: number; readonly latencyMs: Promise<number> }>();

/**
 * However many ask, one of them asks the database: anyone may ask for health, past every limit, and each ping takes a connection. One that is not
 * answered in time is not shared any more, so that a database that is back is seen.
 */
function ping(database: Database): Promise<number> {
  const known = pings.get(database);
  if (known !== undefined && performance.now() - known.at < DATABASE_DEADLINE_MS) return known.latencyMs;
  const latencyMs = database.ping().finally(() => {
    if (pings.get(database)?.at === at) pings.delete(database);
  });
  const at = performance.now();
  pings.set(database, { at, latencyMs });
  return latencyMs;
}

/** Asks every database for a sign of life; never throws and never takes longer than the deadline. */
export async function checkDatabase({ database, logger }: Pick<Container, "database" | "logger">): Promise<DatabaseHealth> {
  if (database.shards === undefined) return checkOne(database, logger);
  const each = await Promise.all(database.shards.map(async (shard) => ({ ...shard, health: await checkOne(shard.database, logger) })));
  const down = each.filter(({ health }) => health.status === "down").map(({ name }) => name);
  const first = each[0]?.health ?? { kind: database.kind, status: "down" };
  return down.length === 0 ? first : { ...first, status: "down", shardsDown: down };
}

async function checkOne(database: Database, logger: Logger): Promise<DatabaseHealth> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${DATABASE_DEADLINE_MS} ms`)), DATABASE_DEADLINE_MS);
  });
  try {
    const latencyMs = await Promise.race([ping(database), deadline]);
    const moved = database.hasMoved?.() === true;
    return { kind: database.kind, status: "up", latencyMs: Math.round(latencyMs * 1000) / 1000, ...(moved && { moved }) };
  } catch (error) {
    logger.warn({ err: error }, "the database does not answer a health check");
    return { kind: database.kind, status: "down" };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * `GET /api/health/database` (features D11, E9), also part of `/api/health/full`: latency, pools and replicas of this worker.
 * @param details whether addresses of servers and their error messages are shown: to operators, not to everybody.
 */
export async function databaseReport(container: Container, details: boolean) {
  const { database, poolMonitor } = container;
  const health = await checkDatabase(container);
  const { pool, shardPools, replicas, fallbacks, retries } = database.figures();
  const answers =
    health.status === "down" || health.latencyMs === undefined || health.moved === true
      ? ("critical" as const)
      : judge(health.latencyMs, THRESHOLDS.databaseLatencyMs);
  if (pool === undefined) return { ...health, status: answers };
  const primary = poolMonitor.status("primary", pool);
  const shards = Object.entries(shardPools ?? {}).map(([name, figures]) => ({ name, ...poolMonitor.status(`shard-${name}`, figures) }));
  return {
    ...health,
    // A pool that is used up delays, a replica that is away costs speed: neither is an outage, which is what critical means to monitors.
    status: worst([
      answers,
      [primary, ...shards].every(({ status }) => status === "ok") ? "ok" : "warning",
      replicas.every(({ healthy, primary: isPrimary }) => healthy || isPrimary) ? "ok" : "warning",
    ]),
    pool: primary,
    ...(shardPools !== undefined && { shards }),
    replicas: replicas.map(({ name, lastError, ...figures }, index) => ({
      name: `replica-${index + 1}`,
      ...(details && { server: name, lastError }),
      ...figures,
      pool: poolMonitor.status(`replica-${index + 1}`, figures.pool),
    })),
    fallbacks,
    retries,
  };
}
