/** Eviction policy is per server, so what may be evicted and what must not be are two servers (data-plane.md). */
export type RedisRole = "cache" | "limits";

/** Port inside the container. */
export const REDIS_PORT = 6379;

/** Directory of the append-only file: a volume. */
export const REDIS_DATA_DIRECTORY = "/data";

/** Where the ACL file with the users and the hashes of their passwords is expected: a volume as well. */
export const REDIS_ACL_PATH = "/run/secrets/redis.acl";

const LEAST_REDIS_MB = 16;

const defaults = {
  /** Feature B3. Redis needs 32 file descriptors more than this. */
  maxClients: 10_000,
  /** Feature B3: seconds until an idle connection of the cache is closed. Subscribers are exempt, and the app's client reconnects. */
  idleTimeoutSeconds: 300,
  /** Seconds between probes of a silent peer; finds clients whose machine is gone. */
  keepAliveSeconds: 60,
  /** Pending connections; the kernel caps it at net.core.somaxconn. */
  backlog: 511,
  /** Slower commands are kept in the slow log; microseconds. */
  slowLogMicroseconds: 10_000,
  /** Events slower than this are kept for LATENCY; milliseconds. */
  latencyThresholdMs: 20,
} as const;

/** Of Redis itself and its connections' buffers before they count as data, MiB. */
const REDIS_BASE_MB = 32;

/**
 * Memory limit of a container whose Redis holds up to so much data, MiB. While the append-only file is rewritten a copy of the process
 * writes it, and every page that changes meanwhile is there twice: half of the data again is what that may take. Above it the kernel would
 * kill Redis at the worst moment, when it is full and busy.
 *
 * @throws RangeError when the memory is no whole number of at least 16 MiB.
 */
export function redisContainerMb(maxMemoryMb: number): number {
  if (!Number.isInteger(maxMemoryMb) || maxMemoryMb < LEAST_REDIS_MB) {
    throw new RangeError(`maxMemoryMb: ${maxMemoryMb} is not allowed; use a whole number of MiB from ${LEAST_REDIS_MB}.`);
  }
  return maxMemoryMb + Math.ceil(maxMemoryMb / 2) + REDIS_BASE_MB;
}

/** What differs between two Redis servers. */
export interface RedisSettings {
  /**
   * - `cache`: cache, sessions and pub/sub. `volatile-lru`: under pressure what has a lifetime and is not used goes first.
   * - `limits`: rate limits and job queues. `noeviction`: losing a counter lifts a limit, losing a job loses work.
   */
  readonly role: RedisRole;
  /** Most memory for data, MiB (feature B3: 4096 in production). The container's limit follows from it: {@link redisContainerMb}. */
  readonly maxMemoryMb: number;
}

/**
 * redis.conf of one server. Persistence is the append-only file with one fsync a second (B3); there are no RDB snapshots, whose
 * fork would double the cost. Users come from the ACL file, see `acl.ts`.
 * @throws RangeError when the memory is no whole number of at least 16 MiB.
 */
export function renderRedisConfig({ role, maxMemoryMb }: RedisSettings): string {
  if (!Number.isInteger(maxMemoryMb) || maxMemoryMb < LEAST_REDIS_MB) {
    throw new RangeError(`maxMemoryMb of redis-${role} is ${maxMemoryMb}; allowed is a whole number of MiB from ${LEAST_REDIS_MB}`);
  }
  const lines = [
    "# Rendered by components/local/redis/redis-config.ts.",
    "bind * -::*",
    `port ${REDIS_PORT}`,
    "protected-mode yes",
    `aclfile ${REDIS_ACL_PATH}`,
    "enable-protected-configs no",
    "enable-debug-command no",
    "enable-module-command no",
    "daemonize no",
    'logfile ""',
    "loglevel notice",
    `tcp-backlog ${defaults.backlog}`,
    `tcp-keepalive ${defaults.keepAliveSeconds}`,
    `maxclients ${defaults.maxClients}`,
    // A worker of the queues blocks and a limiter may be quiet for long; only the cache's connections are worth closing.
    `timeout ${role === "cache" ? defaults.idleTimeoutSeconds : 0}`,
    `maxmemory ${maxMemoryMb}mb`,
    `maxmemory-policy ${role === "cache" ? "volatile-lru" : "noeviction"}`,
    // Freeing large values off the main thread keeps eviction and expiry from stopping every client.
    "lazyfree-lazy-eviction yes",
    "lazyfree-lazy-expire yes",
    "lazyfree-lazy-server-del yes",
    `dir ${REDIS_DATA_DIRECTORY}`,
    'save ""',
    "appendonly yes",
    "appendfsync everysec",
    // A rewrite must not make every command of the cache wait for its disk traffic. Without syncs meanwhile a crash of the host takes half a
    // minute with it, which is too much where jobs are kept.
    `no-appendfsync-on-rewrite ${role === "cache" ? "yes" : "no"}`,
    // A crash may cut the file off in the middle of a command; without this Redis would refuse to start.
    "aof-load-truncated yes",
    `slowlog-log-slower-than ${defaults.slowLogMicroseconds}`,
    `latency-monitor-threshold ${defaults.latencyThresholdMs}`,
  ];
  return `${lines.join("\n")}\n`;
}
