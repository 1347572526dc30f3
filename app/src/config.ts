import type { CacheConfig } from "./cache/config";
import type { Phase } from "./config/phase";
import type { DocumentsConfig, JobsConfig, Role } from "./config/role";
import type { PostgresConfig } from "./db/environment";
import type { KafkaConfig } from "./events/config";
import type { SqsConfig } from "./events/sqs-config";
import type { RealtimeConfig } from "./realtime/config";
import type { RateLimitConfig } from "./rate-limit/policies";
import type { RedisConfig } from "./redis/config";

export { ConfigError, loadConfig } from "./config/load";
export { detectPhase } from "./config/phase";
export type { Phase };

/** Everything the app takes from its environment, validated. Durations are milliseconds, sizes as their names say. */
export interface AppConfig {
  readonly phase: Phase;
  /** APP_NAME; @default "phased-stack" */
  readonly appName: string;
  /** APP_VERSION, the image's tag in a container; @default the package's version */
  readonly appVersion: string;
  /** NODE_ENV; @default "development" */
  readonly environment: "development" | "test" | "production";
  /** LOG_LEVEL; @default "info" */
  readonly logLevel: "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
  /** HOST, address to listen on; @default "0.0.0.0" */
  readonly host: string;
  /** PORT; 0 lets the system choose; @default 3001 */
  readonly port: number;
  /** TRUST_PROXY, number of proxies in front whose X-Forwarded-For is believed; @default 0 */
  readonly trustProxy: number;
  /** SQLITE_PATH; @default "./data/app.db" */
  readonly sqlitePath: string;
  /** DATABASE_* and DB_*; `undefined` without DATABASE_URL: the data is in SQLite. */
  readonly postgres: PostgresConfig | undefined;
  /** MIGRATIONS: `auto` migrates at the start; `external` only looks whether the command `migrate` has been run; @default "auto" */
  readonly migrations: "auto" | "external";
  /**
   * SESSION_SECRET or SESSION_SECRET_FILE, at least 32 characters; several separated by commas while one is being replaced: the first
   * signs, all are accepted. `undefined`: the app generates one and keeps it beside its database.
   */
  readonly sessionSecret: string | undefined;
  /** ADMIN_TOKEN or ADMIN_TOKEN_FILE, at least 16 characters; `undefined`: generated as well. */
  readonly adminToken: string | undefined;
  /** DRAIN_DELAY_MS: readiness fails that long before listeners close; @default 3000 */
  readonly drainDelayMs: number;
  /** SHUTDOWN_TIMEOUT_MS: longest wait for requests in flight (A2); @default 30000 */
  readonly shutdownTimeoutMs: number;
  /** KEEP_ALIVE_TIMEOUT_MS: above any load balancer's idle timeout (HAProxy, ALB: 60 s), so that the app never closes first; @default 65000 */
  readonly keepAliveTimeoutMs: number;
  readonly redis: RedisConfig;
  readonly rateLimits: RateLimitConfig;
  readonly cache: CacheConfig;
  readonly protection: ProtectionConfig;
  /** METRICS_NAMESPACE of CloudWatch for figures in the log (feature A15); @default undefined: none are written */
  readonly metricsNamespace: string | undefined;
  /** KAFKA_*; `undefined` without KAFKA_BROKERS: events stay within the process, or go to {@link sqs}. */
  readonly kafka: KafkaConfig | undefined;
  /** SQS_QUEUE_URL instead of KAFKA_BROKERS; @default undefined */
  readonly sqs: SqsConfig | undefined;
  readonly realtime: RealtimeConfig;
  /** ROLE, or --role on the command line; @default "all" */
  readonly role: Role;
  readonly jobs: JobsConfig;
  readonly documents: DocumentsConfig;
  /** CHAT_LATENCY_MS: how long the local chat provider takes for a whole answer; @default 200 */
  readonly chatLatencyMs: number;
  readonly cluster: ClusterConfig;
}

/** What the app does about too much, too slow and too curious clients, and how often it writes figures of companies. */
export interface ProtectionConfig {
  /** ADMIN_PORT: `/api/admin` and `/metrics` are answered on this port only; @default undefined: on PORT */
  readonly adminPort: number | undefined;
  /** ADMIN_HOST, address the admin port listens on; @default "127.0.0.1" */
  readonly adminHost: string;
  /** MAX_CONNECTIONS of one worker; more are closed at once; @default 10000 */
  readonly maxConnections: number;
  /** OVERLOAD_DELAY_MS of the event loop from which on a worker refuses the least important requests; 0 never; @default 200 */
  readonly overloadDelayMs: number;
  /** MAX_IN_FLIGHT: requests one worker answers at a time; @default 2000 */
  readonly maxInFlight: number;
  /** COMPANY_METRICS_FLUSH_MS between two writes of companies' figures (E7); @default 15000 */
  readonly metricsFlushMs: number;
}

/** Settings of the cluster manager (features A2, A3, A9, C2). */
export interface ClusterConfig {
  /** WORKERS: `auto` resolved to a number; 1 means a single process. @default auto, 1 in development */
  readonly workers: number;
  /** WORKER_HEAP_MB, resolved: old-generation limit of one worker in MiB. @default its part of the cgroup limit, `undefined` when there is none: Node decides */
  readonly heapMb: number | undefined;
  /** What one worker may keep resident: cgroup memory limit ÷ workers, in MiB; `undefined` without a limit. */
  readonly residentLimitMb: number | undefined;
  /** HEALTH_INTERVAL_MS between two pings; @default 30000 (A2) */
  readonly healthIntervalMs: number;
  /** HEALTH_MISSES in a row until a worker is killed; @default 3 */
  readonly healthMisses: number;
  /** KILL_GRACE_MS between SIGTERM and SIGKILL of a worker that does not answer; @default 5000 */
  readonly killGraceMs: number;
  /** RESPAWN_LIMIT per minute; @default 10 (A2) */
  readonly respawnLimit: number;
  /** BOOT_TIMEOUT_MS until a worker must accept connections; @default 30000 */
  readonly bootTimeoutMs: number;
  /** MEMORY_INTERVAL_MS between two memory samples of a worker; @default 5000 */
  readonly memoryIntervalMs: number;
  /** MEMORY_GC_INTERVAL_MS: least time between two proactive collections of a worker; @default 60000 */
  readonly memoryGcIntervalMs: number;
}
