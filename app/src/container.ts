import type { DrainOutcome } from "./cluster/drain-worker";
import type { ClusterStatus, ReloadResult } from "./cluster/types";
import type { AppConfig } from "./config";
import { runs } from "./config/role";
import { type Database, DatabaseMovedError, SealedFileError } from "./db/database";
import { openDatabase } from "./db/open";
import { PoolMonitor } from "./db/pool-monitor";
import { checkSchema, migrateSchema } from "./db/schema";
import type { Cache } from "./cache/cache";
import { createCache } from "./cache/config";
import { RedisFence } from "./cache/fence";
import { Events } from "./events/events";
import { EventLoopMonitor } from "./health/event-loop";
import type { WorkerLifecycle } from "./lifecycle/types";
import { Admission } from "./lifecycle/admission";
import { JobService } from "./jobs/service";
import { createLogger, type Logger } from "./observability/logger";
import { TenantMetrics } from "./observability/tenant-metrics";
import { TenantMetricsFlush } from "./observability/tenant-metrics-flush";
import { RateLimits } from "./rate-limit/limiter";
import { instanceId } from "./realtime/instance-id";
import { Realtime } from "./realtime/realtime";
import { closeRedis, connectRedis, type RedisConnections } from "./redis";
import { Accounts } from "./session/accounts";
import { SharedClock } from "./session/clock";
import type { PasswordCost } from "./session/password";
import { RedisSessions } from "./session/redis-sessions";
import { generatedSecretFile, loadSecrets } from "./session/secrets";
import { SessionStore } from "./session/session-store";
import { TokenSigner } from "./session/token";

/** The processes around this worker: what it can learn from the primary and ask of it. */
export interface Instance {
  status(): Promise<ClusterStatus>;
  /** Replaces every worker, one at a time; see `cluster/`. */
  reload(): Promise<ReloadResult>;
  /** Replaces one worker by the number of its process. */
  drain(worker: number): Promise<DrainOutcome>;
  /** Metrics of all workers in Prometheus' text format. */
  metricsText(): Promise<string>;
}

/** What changes while a worker runs. */
export interface WorkerState {
  /** Responses end their connections. */
  draining: boolean;
  /** `GET /ready` answers 200. */
  ready: boolean;
}

/** Everything the routes need, put together once a worker. */
export interface Container {
  readonly config: AppConfig;
  readonly lifecycle: WorkerLifecycle;
  readonly logger: Logger;
  readonly database: Database;
  readonly poolMonitor: PoolMonitor;
  readonly redis: RedisConnections;
  readonly limits: RateLimits;
  readonly events: Events;
  readonly realtime: Realtime;
  /** Background jobs, and the storage of documents. */
  readonly jobs: JobService;
  readonly sessions: SessionStore;
  /** One time for all instances. */
  readonly clock: SharedClock;
  /** Whether what Redis holds may be believed; `undefined` without Redis. */
  readonly fence: RedisFence | undefined;
  readonly cache: Cache;
  readonly accounts: Accounts;
  readonly adminToken: string;
  readonly eventLoop: EventLoopMonitor;
  readonly admission: Admission;
  readonly tenantMetrics: TenantMetrics;
  readonly tenantMetricsFlush: TenantMetricsFlush;
  readonly instance: Instance;
  readonly state: WorkerState;
}

/** What tests replace. */
export interface ContainerOptions {
  readonly logger?: Logger;
  /** @default DEFAULT_COST of session/password */
  readonly passwordCost?: PasswordCost;
  /** Puts something in front of the database, such as a count of its statements. */
  readonly database?: (opened: Database) => Database | Promise<Database>;
}

/**
 * Run once before workers start: brings the schema up to date, or makes sure that it is (MIGRATIONS), and that every secret exists.
 * @throws MigrationError when database and app do not fit; SealedFileError; the error of the file system when the database cannot be opened.
 */
export async function prepare(config: AppConfig, logger: Logger = createLogger(config)): Promise<void> {
  const generated = [
    ...(config.sessionSecret === undefined ? [generatedSecretFile(config, "session-secret")] : []),
    ...(config.adminToken === undefined ? [generatedSecretFile(config, "admin-token")] : []),
  ];
  loadSecrets(config);
  for (const file of generated) {
    logger.warn({ file }, "a secret is not configured; using a generated one that is kept in this file");
  }
  try {
    await (config.migrations === "auto" ? migrateSchema : checkSchema)(config, logger, { mayBeAway: true });
  } catch (error) {
    throw error instanceof DatabaseMovedError ? new SealedFileError(config.sqlitePath) : error;
  }
  await prepareTopics(config, logger);
}

/**
 * Makes the topics of events where they are read; who publishes makes them, too, should it be earlier. Kafka's client takes a process 40 MB, so
 * the others leave it. Brokers that do not answer are no reason not to start: consumers ask again, for as long as it takes.
 */
async function prepareTopics({ kafka, role, appName }: AppConfig, logger: Logger): Promise<void> {
  if (kafka === undefined || !runs(role, "consumer")) return;
  const { ensureTopics } = await import("./events/kafka.js");
  await ensureTopics(kafka, `${appName}-migration`).catch((error: unknown) =>
    logger.warn({ reason: String(error) }, "the topics of events could not be made yet"),
  );
}

/** Opens what one worker needs. {@link closeContainer} is its counterpart. */
export async function createContainer(
  config: AppConfig,
  lifecycle: WorkerLifecycle,
  instance: Instance,
  options: ContainerOptions = {},
): Promise<Container> {
  const { sessionSecrets, adminToken } = loadSecrets(config);
  const logger = options.logger ?? createLogger(config, { worker: lifecycle.workerId });
  const opened = await openDatabase(config, logger);
  const database = (await options.database?.(opened)) ?? opened;
  const poolMonitor = new PoolMonitor(database, logger);
  poolMonitor.start();
  const redis = await connectRedis(config.redis, logger);
  const clock = await SharedClock.start(database, logger);
  const fence =
    redis.cache && new RedisFence({ database, connection: redis.cache, logger, appName: config.appName, site: config.redis.site });
  await fence?.started();
  const cache = createCache({
    ...{ config: config.cache, appName: config.appName, appVersion: config.appVersion },
    ...{ database, redis: redis.cache, fence, now: clock.now, logger },
  });
  const shared = redis.cache && fence && new RedisSessions(redis.cache, fence, logger);
  const sessions = new SessionStore(database, new TokenSigner(sessionSecrets), { now: clock.now, ...(shared && { shared }) });
  const admission = new Admission({ delayMs: config.protection.overloadDelayMs, mostInFlight: config.protection.maxInFlight });
  const tenantMetrics = new TenantMetrics();
  const tenantMetricsFlush = new TenantMetricsFlush(tenantMetrics, database, logger, config.protection.metricsFlushMs);
  const limits = new RateLimits({
    ...{ config: config.rateLimits, phase: config.phase, trustProxy: config.trustProxy, clustered: lifecycle.clustered },
    ...{ redis: redis.limits, adminToken, logger },
  });
  const events = new Events({ database, logger, kafka: config.kafka, sqs: config.sqs, appName: config.appName });
  const realtime = new Realtime({
    ...{ config: config.realtime, appName: config.appName, instanceId: instanceId(), redis: redis.cache },
    ...{ admission, limits, sessions, logger, clustered: lifecycle.clustered },
  });
  events.onCommitted((event) => realtime.announce(event));
  const jobs = await JobService.open({ config, lifecycle, database, redis, logger });
  admission.start();
  tenantMetricsFlush.start();
  return {
    config,
    lifecycle,
    logger,
    database,
    poolMonitor,
    events,
    realtime,
    jobs,
    redis,
    limits,
    sessions,
    clock,
    fence,
    cache,
    accounts: new Accounts(database, sessions, options.passwordCost),
    adminToken,
    eventLoop: new EventLoopMonitor(),
    admission,
    tenantMetrics,
    tenantMetricsFlush,
    instance,
    state: { draining: false, ready: false },
  };
}

export async function closeContainer(container: Container): Promise<void> {
  container.eventLoop.stop();
  // The figures of companies first: what closes after them may have to wait for a database that is away.
  await Promise.all([container.events.close(), container.realtime.close(), container.tenantMetricsFlush.stop()]);
  await container.jobs.close();
  container.admission.stop();
  container.limits.close();
  container.clock.stop();
  container.fence?.close();
  container.cache.close();
  container.poolMonitor.stop();
  await container.database.close();
  await closeRedis(container.redis);
}
