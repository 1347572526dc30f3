import type { Unwrap } from "@pulumi/pulumi";
import { APP_PORT, type BackingServices, DRAIN_DELAY_SECONDS, SHUTDOWN_TIMEOUT_SECONDS } from "../../contract";

/** What an instance does (feature A18): serve the API, run background jobs, or consume events. */
export type AppRole = "web" | "jobs" | "consumer";

/** Connections of one instance to Postgres, which its workers share. */
export interface AppPools {
  /** Most to the primary, or the pooler. @default 20 */
  readonly max?: number;
  /** Kept open when idle. @default 5 */
  readonly min?: number;
  /** Most to each of the servers that are read. @default 30 */
  readonly replicaMax?: number;
  /** Kept open when idle. @default 5 */
  readonly replicaMin?: number;
}

/** Workers of one instance: a number, or one a CPU as far as memory reaches. */
export type Workers = number | "auto";

/** What a phase decides about the app; the rest of its environment follows from the contract. */
export interface AppSettings {
  /** Name the app reports, e.g. the project's. */
  readonly appName: string;
  /** Version the app reports, e.g. the image's tag. */
  readonly version: string;
  /** @default "auto" */
  readonly workers?: Workers;
  /** V8 heap of one worker in MiB. @default derived by the app from its memory limit */
  readonly workerHeapMb?: number | undefined;
  /** Threads of libuv's pool in each worker. @default libuv's own, 4 */
  readonly uvThreadpoolSize?: number | undefined;
  /** Lowest level that is logged. @default "info" */
  readonly logLevel?: string;
  /** @default all of them */
  readonly role?: AppRole | undefined;
  /** Where uploaded documents are kept, on a volume that all instances share. @default beside the SQLite database */
  readonly documentsPath?: string | undefined;
  readonly pools?: AppPools | undefined;
  /** Proxies in front whose `X-Forwarded-For` is to be believed. @default 0 */
  readonly trustedProxies?: number;
  /** More variables, plain values only. They may not change the ones above. */
  readonly extra?: Readonly<Record<string, string>>;
}

/** Variables the contract sets itself, and those of services a phase brings: not for a user to set. */
const SERVICE_VARIABLES = /^(DATABASE_|DB_|REDIS_|KAFKA_|S3_|CDN_|SQS_|PG)[A-Z0-9_]*$/;

/** The variables this module sets, whatever the settings. */
export const CONTRACT_VARIABLES: readonly string[] = [
  "NODE_ENV",
  "APP_NAME",
  "APP_VERSION",
  "HOST",
  "PORT",
  "TRUST_PROXY",
  "WORKERS",
  "WORKER_HEAP_MB",
  "UV_THREADPOOL_SIZE",
  "LOG_LEVEL",
  "DRAIN_DELAY_MS",
  "SHUTDOWN_TIMEOUT_MS",
  "ROLE",
  "SQLITE_PATH",
  "DOCUMENTS_PATH",
  "MIGRATIONS",
  "METRICS_NAMESPACE",
  "AWS_REGION",
  "TMPDIR",
  "SESSION_SECRET",
  "SESSION_SECRET_FILE",
  "ADMIN_TOKEN",
  "ADMIN_TOKEN_FILE",
  "NODE_OPTIONS",
];

/** Whether a variable belongs to the contract and therefore to the phase, not to the user. */
export function isContractVariable(name: string): boolean {
  return CONTRACT_VARIABLES.includes(name) || SERVICE_VARIABLES.test(name);
}

/** @throws Error when an extra variable belongs to the contract. */
export function refuseContractVariables({ extra = {} }: AppSettings): void {
  const clash = Object.keys(extra).filter(isContractVariable);
  if (clash.length > 0) throw new Error(`variables of the app contract cannot be set by hand: ${clash.join(", ")}`);
}

/** Variables that do not depend on services; absent ones are `undefined`. The same on every target. */
export function settingsVariables(settings: AppSettings): Record<string, string | undefined> {
  return {
    ...settings.extra,
    NODE_ENV: "production",
    APP_NAME: settings.appName,
    APP_VERSION: settings.version,
    HOST: "0.0.0.0",
    PORT: String(APP_PORT),
    TRUST_PROXY: String(settings.trustedProxies ?? 0),
    WORKERS: String(settings.workers ?? "auto"),
    WORKER_HEAP_MB: settings.workerHeapMb?.toString(),
    UV_THREADPOOL_SIZE: settings.uvThreadpoolSize?.toString(),
    LOG_LEVEL: settings.logLevel ?? "info",
    DRAIN_DELAY_MS: String(DRAIN_DELAY_SECONDS * 1000),
    SHUTDOWN_TIMEOUT_MS: String(SHUTDOWN_TIMEOUT_SECONDS * 1000),
    ROLE: settings.role,
    DOCUMENTS_PATH: settings.documentsPath,
    DB_POOL_MAX: settings.pools?.max?.toString(),
    DB_POOL_MIN: settings.pools?.min?.toString(),
    DB_REPLICA_POOL_MAX: settings.pools?.replicaMax?.toString(),
    DB_REPLICA_POOL_MIN: settings.pools?.replicaMin?.toString(),
  };
}

/** The variables that are set, sorted: a different order must not look like a different container. */
export function sortedVariables(variables: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const present = Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(present.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The app's environment, sorted. No secret is in it, only paths of files.
 * @throws Error when an extra variable belongs to the contract.
 */
export function appEnvironment(services: Unwrap<BackingServices>, settings: AppSettings): Record<string, string> {
  refuseContractVariables(settings);
  const { database } = services;
  // An embedded database has no pool.
  const { pools, ...withoutPools } = settings;
  return sortedVariables({
    ...settingsVariables(database.kind === "sqlite" ? withoutPools : { ...withoutPools, pools }),
    ...databaseVariables(database),
    REDIS_URL_FILE: services.redis?.cache.path,
    REDIS_LIMITS_URL_FILE: services.redis?.limits.path,
    KAFKA_BROKERS: services.kafka?.brokers.map(({ host, port }) => `${host}:${port}`).join(","),
    KAFKA_SASL_MECHANISM: services.kafka?.login?.mechanism,
    KAFKA_SASL_USERNAME: services.kafka?.login?.user,
    KAFKA_SASL_PASSWORD_FILE: services.kafka?.login?.password.path,
    SESSION_SECRET_FILE: services.sessionSecret.path,
    ADMIN_TOKEN_FILE: services.adminToken.path,
  });
}

function databaseVariables(database: Unwrap<BackingServices["database"]>): Record<string, string | undefined> {
  if (database.kind === "sqlite") return { SQLITE_PATH: database.path };
  const address = ({ host, port }: { readonly host: string; readonly port: number }, name: string): string =>
    `postgres://${encodeURIComponent(database.user)}@${host}:${port}/${encodeURIComponent(name)}`;
  return {
    DATABASE_URL: address(database.primary, database.database),
    DATABASE_PASSWORD_FILE: database.password.path,
    DATABASE_DIRECT_URL_FILE: database.directUrl?.path,
    // Without the owner's address it cannot migrate: somebody else has done it by then.
    MIGRATIONS: database.directUrl === undefined ? "external" : undefined,
    DATABASE_READ_REPLICAS:
      database.readers.length === 0 ? undefined : database.readers.map((reader) => address(reader, reader.database)).join(","),
    // PgBouncer knows them (max_prepared_statements). Not in the cloud: RDS Proxy keeps a connection for whoever prepared one.
    DB_PREPARED_STATEMENTS: "true",
  };
}
