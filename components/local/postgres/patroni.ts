import { ETCD_PORT } from "../etcd";
import { ARCHIVE_SETTINGS, BACKUP_MB, type BackupSettings, S3_BACKUP_MB } from "./backups";
import type { S3Repository } from "./s3-repository";
import { LEAST_MEMORY_MB, postgresSettings, type PostgresSettings, type PostgresSizing } from "./settings";

/** Port of Postgres in every node. */
export const POSTGRES_PORT = 5432;

/** Port of Patroni's REST API: `/primary`, `/replica`, `/switchover` … */
export const PATRONI_PORT = 8008;

/** Where the image has the configuration of all nodes. It holds no secret: passwords come as files, see entrypoint.sh. */
export const PATRONI_CONFIG_PATH = "/etc/patroni/patroni.yml";

/** User of the REST API's requests that change something; its password is PATRONI_PASSWORD(_FILE). */
export const PATRONI_API_USER = "patroni";

/** Patroni hands the lease back and stops Postgres on SIGTERM. The image's own signal means something else: Postgres alone stops fast on SIGINT. */
export const PATRONI_STOP_SIGNAL = "SIGTERM";

/** Resident memory of Patroni itself, MiB: 41 were measured with an idle cluster. It shares the container's limit with Postgres. */
const PATRONI_MB = 64;

/** What a cluster depends on: the same for all of its nodes. */
export interface PatroniSettings extends PostgresSizing {
  /** Host names of the etcd members. */
  readonly etcdHosts: readonly string[];
  /** Name of the cluster: below `/service/<scope>/` in etcd. @default "postgres" */
  readonly scope?: string;
  /**
   * What to do when no standby is left to acknowledge writes: `strict` refuses them until one is back, `available` goes on with one copy.
   * @default "available"
   */
  readonly durability?: "strict" | "available";
  /** Backups, and an archive of the log with which the database can be restored to any moment. @default none */
  readonly backups?: BackupSettings | undefined;
  /** Where they are. @default a volume that the nodes share */
  readonly repository?: S3Repository | undefined;
}

/**
 * Settings that have to be the same on all nodes, so that Patroni takes them from etcd only and ignores them in a node's file
 * (`CMDLINE_OPTIONS` of Patroni 4.0). They are written there when the cluster is made; later changes go through its `PATCH /config`.
 */
const SHARED_SETTINGS: ReadonlySet<string> = new Set([
  "max_connections",
  "max_locks_per_transaction",
  "max_prepared_transactions",
  "max_replication_slots",
  "max_wal_senders",
  "max_worker_processes",
  "track_commit_timestamp",
  "wal_keep_size",
  "wal_level",
  "wal_log_hints",
]);

/** Patroni starts every server as a hot standby, and says so when it is told the same. */
const OWN_SETTINGS: ReadonlySet<string> = new Set(["hot_standby"]);

const NAME = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

function checkName(field: string, value: string): void {
  if (NAME.test(value)) return;
  throw new RangeError(`${field}: ${JSON.stringify(value)} is not allowed; use lower-case letters, digits and dashes, a letter first.`);
}

function pick(settings: PostgresSettings, wanted: (name: string) => boolean): PostgresSettings {
  return Object.fromEntries(Object.entries(settings).filter(([name]) => wanted(name)));
}

/**
 * What all nodes share, kept in etcd: who may become primary, when, and what a commit waits for (data-plane.md). Times in seconds, the lag
 * in bytes. `ttl` is Patroni's least; it has to be at least `loop_wait + 2 × retry_timeout`.
 */
export function patroniSharedConfig(settings: PatroniSettings) {
  const { durability = "available" } = settings;
  return {
    ttl: 20,
    loop_wait: 2,
    retry_timeout: 5,
    maximum_lag_on_failover: 1024 * 1024,
    // A primary that crashes is not waited for: another one takes over at once.
    primary_start_timeout: 0,
    primary_stop_timeout: 10,
    check_timeline: true,
    // While etcd is away, a primary that reaches all others stays primary.
    failsafe_mode: true,
    synchronous_mode: "quorum",
    synchronous_mode_strict: durability === "strict",
    synchronous_node_count: 1,
    postgresql: {
      use_pg_rewind: true,
      use_slots: true,
      parameters: pick(serverSettings(settings), (name) => SHARED_SETTINGS.has(name)),
    },
  };
}

/** Of a container's memory, what Postgres may use. */
function serverSettings({ memoryMb, maxConnections, backups, repository }: PatroniSettings): PostgresSettings {
  const backupMb = repository === undefined ? BACKUP_MB : S3_BACKUP_MB;
  const others = PATRONI_MB + (backups === undefined ? 0 : backupMb);
  if (memoryMb < LEAST_MEMORY_MB + others) {
    const whom = backups === undefined ? "Postgres and Patroni" : "Postgres, Patroni and backups";
    throw new RangeError(`memoryMb: ${memoryMb} MiB are too little for ${whom}; give at least ${LEAST_MEMORY_MB + others}.`);
  }
  return {
    ...postgresSettings({ memoryMb: memoryMb - others, maxConnections }),
    // A standby tells what its queries still read, so that the primary does not clean it away under them.
    hot_standby_feedback: "on",
    ...(backups === undefined ? {} : ARCHIVE_SETTINGS),
  };
}

/**
 * Configuration of all nodes, for Patroni 4.0; a node adds its name by {@link patroniEnvironment}. It needs three roles in Postgres:
 * `postgres` (superuser), `replicator` and `rewinder`, which Patroni creates, and on first use has the image create the database `app` and
 * the roles that use it.
 *
 * @throws RangeError for names that are no host names, and for memory that does not carry the connections.
 */
export function patroniConfig(settings: PatroniSettings) {
  const { etcdHosts, scope = "postgres" } = settings;
  checkName("scope", scope);
  for (const host of etcdHosts) checkName("etcdHosts", host);
  if (etcdHosts.length === 0) throw new RangeError("etcdHosts: [] is not allowed; give the host name of at least one etcd member.");
  const parameters = pick(serverSettings(settings), (setting) => !SHARED_SETTINGS.has(setting) && !OWN_SETTINGS.has(setting));
  return {
    scope,
    log: { level: "INFO" },
    restapi: {
      listen: `0.0.0.0:${PATRONI_PORT}`,
      // Health checks come from several sides at once. With Patroni's own 5 a busy host dropped a hundred connections in half an hour, each
      // of which the proxy took for a node that is gone: it then ended every session of a primary that was well.
      request_queue_size: 128,
      authentication: { username: PATRONI_API_USER },
    },
    etcd3: { hosts: etcdHosts.map((host) => `${host}:${ETCD_PORT}`), protocol: "http" },
    bootstrap: {
      dcs: patroniSharedConfig(settings),
      // As entrypoint.sh does it for a server without Patroni.
      initdb: [
        "data-checksums",
        { encoding: "UTF8" },
        { "locale-provider": "builtin" },
        { "builtin-locale": "C.UTF-8" },
        { locale: "C.UTF-8" },
        { "auth-local": "scram-sha-256" },
        { "auth-host": "scram-sha-256" },
      ],
      post_bootstrap: "entrypoint.sh create-database",
    },
    postgresql: {
      listen: `0.0.0.0:${POSTGRES_PORT}`,
      data_dir: "/var/lib/postgresql/data/node",
      bin_dir: "/usr/lib/postgresql/17/bin",
      // Written by Patroni for pg_basebackup and the standby's connection; on a tmpfs.
      pgpass: "/var/run/postgresql/pgpass",
      use_unix_socket: true,
      authentication: {
        superuser: { username: "postgres" },
        replication: { username: "replicator" },
        rewind: { username: "rewinder" },
      },
      create_replica_methods: ["basebackup"],
      basebackup: [{ checkpoint: "fast" }],
      // `samenet`: every network the container is in, which is the stack's private one, and no other.
      pg_hba: ["local all all scram-sha-256", "host replication replicator samenet scram-sha-256", "host all all samenet scram-sha-256"],
      parameters: { ...parameters, unix_socket_directories: "/var/run/postgresql" },
    },
    // A container has no watchdog device.
    watchdog: { mode: "off" },
  };
}

/** {@link patroniConfig} as the text of the file: JSON, which is YAML, and leaves no value to be read as something else. */
export function renderPatroniConfig(settings: PatroniSettings): string {
  return `${JSON.stringify(patroniConfig(settings), null, 2)}\n`;
}

/**
 * What differs between the nodes, as Patroni reads it from the environment.
 * @param name host name of the node on the network, and its name in the cluster.
 * @throws RangeError for a name that is no host name.
 */
export function patroniEnvironment(name: string): Readonly<Record<string, string>> {
  checkName("name", name);
  return {
    PATRONI_NAME: name,
    PATRONI_POSTGRESQL_CONNECT_ADDRESS: `${name}:${POSTGRES_PORT}`,
    PATRONI_RESTAPI_CONNECT_ADDRESS: `${name}:${PATRONI_PORT}`,
  };
}
