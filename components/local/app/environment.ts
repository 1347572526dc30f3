import { APP_PORT, type BackingServices, DRAIN_DELAY_SECONDS, SHUTDOWN_TIMEOUT_SECONDS } from "../../contract";

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
  /** Proxies in front whose `X-Forwarded-For` is to be believed. @default 0 */
  readonly trustedProxies?: number;
  /** More variables, plain values only. They may not change the ones above. */
  readonly extra?: Readonly<Record<string, string>>;
}

/** Variables the contract sets itself, and those of services a phase brings: not for a user to set. */
const SERVICE_VARIABLES = /^(DATABASE_|DB_|REDIS_|KAFKA_|PG)[A-Z0-9_]*$/;

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
  "SQLITE_PATH",
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

/**
 * The app's environment, sorted: a different order must not look like a different container.
 * @throws Error when an extra variable belongs to the contract.
 */
export function appEnvironment(services: BackingServices, settings: AppSettings): Record<string, string> {
  const clash = Object.keys(settings.extra ?? {}).filter(isContractVariable);
  if (clash.length > 0) throw new Error(`variables of the app contract cannot be set by hand: ${clash.join(", ")}`);
  if (services.database.kind !== "sqlite") throw new Error("the local app of phase cluster runs on sqlite");
  const environment: Record<string, string | undefined> = {
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
    SQLITE_PATH: services.database.path,
    SESSION_SECRET_FILE: services.sessionSecret.path,
    ADMIN_TOKEN_FILE: services.adminToken.path,
  };
  const present = Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(present.sort(([a], [b]) => (a < b ? -1 : 1)));
}
