/** What the settings of a Postgres server depend on. */
export interface PostgresSizing {
  /** The container's memory limit in MiB, at least 128. */
  readonly memoryMb: number;
  /** Connections it accepts: those of all pools, and about 30 for replication, monitoring and people. */
  readonly maxConnections: number;
}

/** Settings by name, as `postgresql.conf` and `-c name=value` take them. */
export type PostgresSettings = Readonly<Record<string, string>>;

/** Least memory with which a server is of any use, MiB. */
export const LEAST_MEMORY_MB = 128;

/** Resident memory of a connection that does nothing, MiB; measured below 2 after a few statements, the rest is for its plans and caches. */
const CONNECTION_MB = 4;

/** Shared buffers: a quarter of the memory, the start that the manual recommends (chapter 19.4). */
const SHARED_SHARE = 0.25;

/** For maintenance (vacuum, index builds); three autovacuum workers and one session may use it at a time. */
const MAINTENANCE_SHARE = 0.03;

/**
 * Memory settings of a server, such that all connections busy at the same time stay within the container's limit: shared buffers, the
 * connections themselves, one sort for every second connection, and maintenance. What is left is the kernel's cache of the files.
 *
 * @throws RangeError when the memory does not carry the connections.
 */
export function postgresMemory({ memoryMb, maxConnections }: PostgresSizing): PostgresSettings {
  if (!Number.isFinite(memoryMb) || memoryMb < LEAST_MEMORY_MB) {
    throw new RangeError(`Postgres memory of ${memoryMb} MiB is too little; give at least ${LEAST_MEMORY_MB}.`);
  }
  const shared = Math.floor(memoryMb * SHARED_SHARE);
  const maintenance = Math.max(4, Math.floor(memoryMb * MAINTENANCE_SHARE));
  const left = memoryMb - shared - 2 * maintenance - (maxConnections * CONNECTION_MB) / 2;
  if (left < 0) {
    const most = Math.floor((2 * (memoryMb - shared - 2 * maintenance)) / CONNECTION_MB);
    throw new RangeError(`${memoryMb} MiB of memory carry at most ${most} Postgres connections, not ${maxConnections}; give more memory.`);
  }
  // Half of the connections sort at the same time; the least that Postgres takes is 64 kB, and below 1 MB every sort goes to disk.
  const workKb = Math.max(1024, Math.min(64 * 1024, Math.floor((left * 1024 * 0.5) / Math.max(1, maxConnections / 2))));
  return {
    max_connections: String(maxConnections),
    shared_buffers: `${shared}MB`,
    effective_cache_size: `${Math.floor(memoryMb * 0.6)}MB`,
    work_mem: `${workKb}kB`,
    maintenance_work_mem: `${maintenance}MB`,
    autovacuum_work_mem: `${maintenance}MB`,
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
