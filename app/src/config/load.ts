import { readFileSync } from "node:fs";
import path from "node:path";
import { version } from "../../package.json";
import type { AppConfig } from "../config";
import { rateLimitConfig } from "../rate-limit/environment";
import { databaseConfig } from "../db/environment";
import { shardPasswords } from "../db/shards/passwords";
import { bucketConfig } from "../documents/config";
import { kafkaConfig } from "../events/config";
import { sqsConfig } from "../events/sqs-config";
import { redisConfig } from "../redis/config";
import { environmentSchema, SECRET_NAMES } from "./environment";
import type { MachineLimits } from "./machine";
import { automaticWorkers, heapLimitMb, readMachineLimits, residentLimitMb } from "./machine";
import { detectPhase } from "./phase";

type Environment = Readonly<Record<string, string | undefined>>;

/** The environment is not usable. `violations` has one sentence per variable; the message is all of them. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(readonly violations: readonly string[]) {
    super(violations.join("\n"));
  }
}

/**
 * Reads and validates the whole environment.
 *
 * @param environment defaults to this process's own.
 * @param machine defaults to what this machine or container grants.
 * @throws ConfigError with every violation at once.
 */
export function loadConfig(environment: Environment = process.env, machine: MachineLimits = readMachineLimits()): AppConfig {
  const violations: string[] = [];
  const values = readValues(environment, violations);
  const parsed = environmentSchema.safeParse(values);
  if (!parsed.success) {
    violations.push(...new Set(parsed.error.issues.map((issue) => describeIssue(String(issue.path[0]), values))));
    throw new ConfigError(violations);
  }
  const env = parsed.data;
  const kafka = kafkaConfig(env, violations);
  const sqs = sqsConfig(env, violations);
  const bucket = bucketConfig(env, violations);
  const redis = redisConfig(env, violations);
  // C2: all cores, but one process for a developer who did not ask for more.
  const wanted = env.WORKERS ?? (env.NODE_ENV === "development" ? 1 : "auto");
  const { phase } = detectPhase(environment);
  const workers = wanted === "auto" ? automaticWorkers(machine, phase) : wanted;
  const read = (name: string): string | undefined => readSecret(environment, name, violations);
  const passwords = shardPasswords(env, Object.keys(environment), read, violations);
  const postgres = databaseConfig(env, workers, violations, passwords);
  if (violations.length > 0) throw new ConfigError(violations);
  const resident = residentLimitMb(machine.memoryLimitMb, workers);
  return {
    phase,
    appName: env.APP_NAME,
    appVersion: env.APP_VERSION ?? version,
    environment: env.NODE_ENV,
    logLevel: env.LOG_LEVEL,
    host: env.HOST,
    port: env.PORT,
    trustProxy: env.TRUST_PROXY,
    sqlitePath: env.SQLITE_PATH,
    postgres,
    migrations: env.MIGRATIONS,
    sessionSecret: env.SESSION_SECRET,
    adminToken: env.ADMIN_TOKEN,
    drainDelayMs: env.DRAIN_DELAY_MS,
    shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_MS,
    keepAliveTimeoutMs: env.KEEP_ALIVE_TIMEOUT_MS,
    redis,
    protection: {
      adminPort: env.ADMIN_PORT,
      adminHost: env.ADMIN_HOST,
      maxConnections: env.MAX_CONNECTIONS,
      overloadDelayMs: env.OVERLOAD_DELAY_MS,
      maxInFlight: env.MAX_IN_FLIGHT,
      metricsFlushMs: env.COMPANY_METRICS_FLUSH_MS,
    },
    metricsNamespace: env.METRICS_NAMESPACE,
    rateLimits: rateLimitConfig(env),
    cache: {
      maxEntries: env.CACHE_MAX_ENTRIES,
      maxMb: env.CACHE_MAX_MB,
      ttlMs: env.CACHE_TTL_MS,
      warmCompanies: env.CACHE_WARM_COMPANIES,
    },
    kafka,
    sqs,
    realtime: {
      mostConnections: env.REALTIME_MAX_CONNECTIONS,
      mostPerUser: env.REALTIME_MAX_PER_USER,
      pingMs: env.REALTIME_PING_MS,
      reconnectMs: env.REALTIME_RECONNECT_MS,
      origins: env.REALTIME_ORIGINS?.split(",") ?? [],
    },
    role: env.ROLE,
    jobs: { leaseMs: env.JOBS_LEASE_MS, retryBaseMs: env.JOBS_RETRY_BASE_MS },
    documents: {
      bucket,
      path: env.DOCUMENTS_PATH ?? path.join(path.dirname(env.SQLITE_PATH), "documents"),
      maxBytes: env.DOCUMENT_MAX_BYTES,
      ocrLanguages: env.OCR_LANGUAGES,
    },
    chatLatencyMs: env.CHAT_LATENCY_MS,
    cluster: {
      workers,
      heapMb: heapLimitMb(env.WORKER_HEAP_MB, resident),
      residentLimitMb: resident,
      healthIntervalMs: env.HEALTH_INTERVAL_MS,
      healthMisses: env.HEALTH_MISSES,
      killGraceMs: env.KILL_GRACE_MS,
      respawnLimit: env.RESPAWN_LIMIT,
      bootTimeoutMs: env.BOOT_TIMEOUT_MS,
      memoryIntervalMs: env.MEMORY_INTERVAL_MS,
      memoryGcIntervalMs: env.MEMORY_GC_INTERVAL_MS,
    },
  };
}

/** The known variables as text: an empty one counts as absent (as Compose files write it), secrets also come from files. */
function readValues(environment: Environment, violations: string[]): Record<string, string | undefined> {
  const values: Record<string, string | undefined> = {};
  for (const name of Object.keys(environmentSchema.shape)) values[name] = present(environment[name]);
  for (const name of SECRET_NAMES) values[name] = readSecret(environment, name, violations);
  return values;
}

/** A variable, or the content of the file that the one with `_FILE` behind names. */
function readSecret(environment: Environment, name: string, violations: string[]): string | undefined {
  const value = present(environment[name]);
  const file = present(environment[`${name}_FILE`]);
  if (file === undefined) return value;
  if (value !== undefined) {
    violations.push(`${name}: set both directly and as ${name}_FILE; keep one of them.`);
    return value;
  }
  try {
    const content = present(readFileSync(file, "utf8").replace(/\r?\n$/, ""));
    if (content === undefined) violations.push(`${name}_FILE: ${file} is empty; write the secret into it.`);
    return content;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    violations.push(`${name}_FILE: cannot read ${file} (${code}); give the path of a readable file with the secret.`);
    return undefined;
  }
}

function present(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}

function describeIssue(name: string, values: Readonly<Record<string, string | undefined>>): string {
  const field = environmentSchema.shape[name as keyof typeof environmentSchema.shape];
  const value = values[name] ?? "";
  const shown = SECRET_NAMES.includes(name) ? `the given value (${value.length} characters)` : `"${value}"`;
  return `${name}: ${shown} is not allowed; use ${field.description ?? "another value"}.`;
}
