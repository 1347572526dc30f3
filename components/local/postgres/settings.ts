/** What the settings of a Postgres server depend on. */
export interface PostgresSizing {
  /** The container's memory limit in MiB, a whole number from 128. */
  readonly memoryMb: number;
  /** Connections it accepts, from 25; see `postgresConnections` of PgBouncer. */
  readonly maxConnections: number;
}

/** Settings by name, as `postgresql.conf` and `-c name=value` take them. */
export type PostgresSettings = Readonly<Record<string, string>>;

/** Least memory with which a server is of any use, MiB. */
export const LEAST_MEMORY_MB = 128;

/** Patroni takes no less: it would silently use Postgres' default of 100 instead. */
export const LEAST_CONNECTIONS = 25;

/** Memory of a connection beside what it sorts, MiB: below 2 after a few statements, measured; 0.05 are its place in shared memory. */
const CONNECTION_MB = 2.05;

/** Shared buffers: a quarter of the memory, the start that the manual recommends (chapter 19.4). */
const SHARED_SHARE = 0.25;

/** Shared memory beside the shared buffers, as `shared_memory_size` tells: write-ahead buffers of 1/32 of them, and tables of locks. */
const SHARED_BESIDE_SHARE = 0.06;
const SHARED_BESIDE_MB = 8;

/** For each piece of maintenance (vacuum, index builds). */
const MAINTENANCE_SHARE = 0.03;

/** Autovacuum workers; one session may build an index beside them. */
const AUTOVACUUM_WORKERS = 3;

/** Below this every sort would go to disk, kB; Postgres itself takes 64. */
const LEAST_WORK_KB = 256;
const MOST_WORK_KB = 64 * 1024;

/**
 * Memory settings of a server, such that all connections sorting at the same time stay within the container's limit: shared memory, all
 * connections, a sort for each of them, and maintenance. What is left is the kernel's cache of the files.
 *
 * @throws RangeError when the memory does not carry the connections.
 */
export function postgresMemory({ memoryMb, maxConnections }: PostgresSizing): PostgresSettings {
  if (!Number.isInteger(memoryMb) || memoryMb < LEAST_MEMORY_MB) {
    throw new RangeError(`Postgres memory of ${memoryMb} MiB is not allowed; give a whole number of at least ${LEAST_MEMORY_MB}.`);
  }
  if (!Number.isInteger(maxConnections) || maxConnections < LEAST_CONNECTIONS) {
    throw new RangeError(`maxConnections: ${maxConnections} is not allowed; use a whole number from ${LEAST_CONNECTIONS}.`);
  }
  const shared = Math.floor(memoryMb * SHARED_SHARE);
  const maintenance = Math.max(4, Math.floor(memoryMb * MAINTENANCE_SHARE));
  const beside = Math.ceil(shared * SHARED_BESIDE_SHARE) + SHARED_BESIDE_MB;
  const forConnections = memoryMb - shared - beside - (AUTOVACUUM_WORKERS + 1) * maintenance;
  const workKb = Math.min(MOST_WORK_KB, Math.floor((forConnections / maxConnections - CONNECTION_MB) * 1024));
  if (workKb < LEAST_WORK_KB) {
    const most = Math.floor(forConnections / (CONNECTION_MB + LEAST_WORK_KB / 1024));
    throw new RangeError(`${memoryMb} MiB of memory carry at most ${most} Postgres connections, not ${maxConnections}; give more memory.`);
  }
  return {
    max_connections: String(maxConnections),
    shared_buffers: `${shared}MB`,
    effective_cache_size: `${Math.floor(memoryMb * 0.6)}MB`,
    work_mem: `${workKb}kB`,
    maintenance_work_mem: `${maintenance}MB`,
    autovacuum_work_mem: `${maintenance}MB`,
    autovacuum_max_workers: String(AUTOVACUUM_WORKERS),
    // Without a limit one query's temporary files could fill the volume.
    temp_file_limit: `${memoryMb * 8}MB`,
  };
}

/** Settings every node has, whatever its role; read in the manual of Postgres 17 and data-plane.md. */
export function postgresSettings(sizing: PostgresSizing): PostgresSettings {
  return {
    ...postgresMemory(sizing),
    // An acknowledged write is on disk, and with a synchronous standby on its disk too.
    synchronous_commit: "on",
    wal_level: "replica",
    wal_log_hints: "on",
    max_wal_senders: "10",
    max_replication_slots: "10",
    wal_keep_size: "512MB",
    // The default keeps everything for a replica that is gone, until the disk is full.
    max_slot_wal_keep_size: "2GB",
    hot_standby: "on",
    wal_sender_timeout: "5s",
    wal_receiver_timeout: "5s",
    // How long a standby waits before it connects again. After a change of the primary commits wait for the first standby that has found
    // the new one, which by default would be for up to 5 s.
    wal_retrieve_retry_interval: "500ms",
    tcp_keepalives_idle: "5",
    tcp_keepalives_interval: "2",
    tcp_keepalives_count: "3",
    // A client that is gone is noticed while its statement runs.
    client_connection_check_interval: "5s",
    password_encryption: "scram-sha-256",
    // Solid state: a page at random costs little more than the next one.
    random_page_cost: "1.1",
    effective_io_concurrency: "200",
    checkpoint_completion_target: "0.9",
    log_min_duration_statement: "1s",
    log_checkpoints: "off",
    timezone: "UTC",
    log_timezone: "UTC",
  };
}
