import type { z } from "zod";
import { LEAST_KAFKA_MB } from "../../components/local/kafka/server-properties";
import { type CloudKey, cloudFields } from "../cloud/keys";
import type { Field } from "./fields";
import { backupUrl } from "../local/backup-repository";
import { boolean, decimal, filePath, imageReference, integer, ipAddress, oneOf, text, variables, workers } from "./fields";

/** Phases the product has; see README.md. */
export const PHASES = ["cluster", "database", "cloud"] as const;
export type Phase = (typeof PHASES)[number];

/** Memory limit of an app container in phase `cluster`, MiB; in phase `database` it is planned, see sizing.ts. */
export const CLUSTER_APP_MEMORY_MB = 1024;

/**
 * Every key of the stack configuration below the project's name but those of secrets.ts. None of these is a secret, and one that is set with
 * `--secret` is refused, because its value would not be kept secret.
 */
export const fields = {
  /** Phase of growth. @default cluster */
  phase: oneOf(PHASES),
  /** App containers behind the load balancer (B2, B14). @default 1 in phase cluster, 3 in phase database */
  appInstances: integer({ least: 1, most: 50, unit: "containers", example: 3 }),
  /**
   * Worker processes of each instance (A2, C2). @default auto: in phase cluster one a CPU, as far as memory reaches; in phase database
   * the instances share the CPUs, see sizing.ts
   */
  workers,
  /** Memory limit of each instance, MiB (B13). @default 1024 in phase cluster, planned in phase database */
  appMemoryMb: integer({ least: 192, most: 1_048_576, unit: "MiB per instance", example: 1024 }),
  /** CPU limit of each instance, cores (B13). @default no limit */
  appCpus: decimal({ least: 0.1, most: 256, unit: "cores per instance", example: 1.5 }),
  /** V8 heap of each worker, MiB (A9, B13). @default derived by the app from its memory limit */
  workerHeapMb: integer({ least: 32, most: 65_536, unit: "MiB per worker", example: 256 }),
  /** Threads of libuv's pool in each worker (B13). @default libuv's own, 4 */
  uvThreadpoolSize: integer({ least: 1, most: 1024, unit: "threads per worker", example: 8 }),
  /** Port published on the Docker host (A6). @default 3001 */
  port: integer({ least: 1, most: 65_535, unit: "TCP port of the Docker host", example: 3001 }),
  /** Address of the Docker host the port is published on. @default 127.0.0.1 */
  publishAddress: ipAddress,
  /** TLS on that port: none, a certificate the load balancer makes for itself, or your own files. @default off */
  tls: oneOf(["off", "generated", "files"]),
  /** With tls files: PEM file of the certificate, followed by its chain. @default none */
  tlsCertificateFile: filePath,
  /** With tls files: PEM file of its key, without a passphrase. @default none */
  tlsKeyFile: { ...filePath, example: "/etc/letsencrypt/live/shop.example.com/privkey.pem" },
  /** With tls: port of plain HTTP that redirects to `port`. @default none, plain HTTP is closed */
  httpRedirectPort: integer({ least: 1, most: 65_535, unit: "TCP port of the Docker host", example: 80 }),
  /** An own image instead of the bundled app; it has to keep the app contract. @default built from app/ */
  image: imageReference,
  /** Another word builds the project's images anew, with the packages of that day (B15); it means nothing to anybody. @default none */
  imagesOf: text(/^[A-Za-z0-9.-]{1,32}$/, "1 to 32 letters, digits, dots and dashes, e.g. the month", "2026-11"),
  /** More plain environment variables for the app. @default none */
  appEnvironment: variables,
  /** Lowest level the app logs. @default info */
  logLevel: oneOf(["info", "fatal", "error", "warn", "debug", "trace", "silent"]),
  /** Refuse to delete data. @default false on the stack dev, true on all others */
  protect: boolean,
  /** Requests a second and client on everything but chat (B1); 0 is no limit. @default 100 */
  apiRequestsPerSecond: integer({ least: 0, most: 1_000_000, unit: "requests per second and client, 0 for no limit", example: 100 }),
  /** Requests a client may send on top of that at once. @default 100 */
  apiBurst: integer({ least: 0, most: 1_000_000, unit: "requests", example: 100 }),
  /** Requests a second and client on /api/chat (B1); 0 is no limit. @default 50 */
  chatRequestsPerSecond: integer({ least: 0, most: 1_000_000, unit: "requests per second and client, 0 for no limit", example: 50 }),
  /** Requests a client may send on top of that at once. @default 50 */
  chatBurst: integer({ least: 0, most: 1_000_000, unit: "requests", example: 50 }),
  /** Seconds an instance may take until it is healthy; one that takes longer fails the update, and the old ones go on. @default 90 */
  appBootSeconds: integer({ least: 10, most: 600, unit: "seconds", example: 180 }),
  /** Largest request body, MiB. @default 10 */
  maxBodyMb: integer({ least: 1, most: 1024, unit: "MiB", example: 10 }),
  /** Memory of the Docker host this stack may use, all containers together, MiB. @default what the host has but for a part, see sizing.ts */
  memoryBudgetMb: integer({ least: 1024, most: 16_777_216, unit: "MiB for all containers of the stack", example: 4096 }),
  /** Memory limit of the container with background jobs, MiB; reading text in images takes up to 320. @default planned */
  jobsMemoryMb: integer({ least: 256, most: 1_048_576, unit: "MiB", example: 512 }),
  /** Postgres servers: one primary, the others stand by and answer reads (A7). @default 3 */
  postgresNodes: integer({ least: 2, most: 5, unit: "servers", example: 3 }),
  /** Memory limit of each Postgres server, MiB; a change restarts them one by one. @default planned */
  postgresMemoryMb: integer({ least: 256, most: 1_048_576, unit: "MiB per server", example: 1024 }),
  /** CPU limit of each Postgres server, cores. @default no limit */
  postgresCpus: decimal({ least: 0.5, most: 256, unit: "cores per server", example: 2 }),
  /** Members of etcd, which knows who is primary; 3 survive the loss of one. @default 1: the host is one fault domain anyway */
  etcdMembers: oneOf(["1", "3"]),
  /** Without a standby to confirm them, writes are refused (strict) or go on with one copy (available). @default available */
  durability: oneOf(["available", "strict"]),
  /** Backups of Postgres, and an archive of its log with which any moment can be restored (F8, B15). @default true */
  backups: boolean,
  /** Hours between two backups; what has changed since the last one. @default 6 */
  backupEveryHours: integer({ least: 1, most: 168, unit: "hours", example: 6 }),
  /** Days between two full backups. @default 7 */
  backupFullEveryDays: integer({ least: 1, most: 90, unit: "days", example: 7 }),
  /** Days of which every moment can be restored; what is older goes after a full backup (F8). @default 7 */
  backupKeepDays: integer({ least: 1, most: 3650, unit: "days", example: 14 }),
  /** Where backups are instead of a volume on the same host: an object storage that speaks S3 (F8). @default the volume */
  backupUrl,
  /** With backupUrl: PEM file of the authorities that sign the storage's certificate. @default those everybody trusts */
  backupCaFile: { ...filePath, example: "/etc/ssl/storage-ca.pem" },
  /** Connections PgBouncer opens to a Postgres server, for writes and for reads each (C1, D4). @default 4 a CPU, 20 to 100 */
  dbPoolSize: integer({ least: 4, most: 1000, unit: "connections to each Postgres server", example: 20 }),
  /** Most memory for data in the Redis of cache and sessions, MiB (B3). @default planned, at most 4096 */
  redisCacheMb: integer({ least: 16, most: 1_048_576, unit: "MiB", example: 256 }),
  /** Most memory for data in the Redis of limits and queues, MiB (B4). @default planned, at most 1024 */
  redisLimitsMb: integer({ least: 16, most: 1_048_576, unit: "MiB", example: 128 }),
  /** A switch between the phases cluster and database takes the rows along; with an image of your own it never does. @default true */
  moveData: boolean,
  /** Leaving phase database for cluster is meant: rows are copied back, Postgres and Redis go; or Docker for phase cloud: volumes go. @default false */
  leaveDatabase: boolean,
  /** Three Kafka brokers, to which the app publishes its events, and a container that reads them (B5). @default false */
  kafka: boolean,
  /** Memory limit of each Kafka broker, MiB, of which all but 384 is heap; a change restarts them one by one. @default planned */
  kafkaMemoryMb: integer({ least: LEAST_KAFKA_MB, most: 1_048_576, unit: "MiB per broker", example: 768 }),
  /**
   * Hours after which Kafka deletes records; a change restarts the brokers one by one. An event that is read again is known for 90 days: above
   * about 1,900 hours, who sets the consumer's offsets back counts the oldest orders twice. @default 168
   */
  kafkaRetentionHours: integer({ least: 1, most: 87_600, unit: "hours", example: 168 }),
  /** Size of a partition from which on Kafka deletes its oldest records; each broker has a copy of all 24 (B5). @default 256 */
  kafkaRetentionMb: integer({ least: 4, most: 1_048_576, unit: "MiB per partition", example: 256 }),
  /** Prometheus with exporters and alerts (A13, B8), and Grafana where its image can be pulled (B9). @default false, so that a laptop stays small */
  monitoring: boolean,
  /** Port of Prometheus on 127.0.0.1 of the Docker host. @default 9090 */
  prometheusPort: integer({ least: 1, most: 65_535, unit: "TCP port of the Docker host", example: 9090 }),
  /** Port of Alertmanager on 127.0.0.1 of the Docker host. @default 9093 */
  alertmanagerPort: integer({ least: 1, most: 65_535, unit: "TCP port of the Docker host", example: 9093 }),
  /** Port of Grafana on 127.0.0.1 of the Docker host. @default 3000 */
  grafanaPort: integer({ least: 1, most: 65_535, unit: "TCP port of the Docker host", example: 3000 }),
  /** Days after which Prometheus deletes what it measured. @default 15 */
  metricsRetentionDays: integer({ least: 1, most: 3650, unit: "days", example: 15 }),
  /** Disk space from which on Prometheus deletes what is oldest, MiB. @default 2048 */
  metricsRetentionMb: integer({ least: 256, most: 1_048_576, unit: "MiB", example: 2048 }),
  ...cloudFields,
} satisfies Record<string, Field<unknown>>;

type Fields = typeof fields;
export type Key = keyof Fields;

/** What the user set. */
export type Given = { readonly [K in Key]?: z.infer<Fields[K]["schema"]> };

/** Keys without a default of their own: left out, the phase, the app or the plan of sizing.ts decides. */
type OptionalKey =
  | Exclude<CloudKey, "profile" | "cloudRuntime" | "databaseLogin" | "events" | "cdn" | "uploadsKeyGeneration" | "cpuArchitecture">
  | "appMemoryMb"
  | "appCpus"
  | "workerHeapMb"
  | "uvThreadpoolSize"
  | "image"
  | "imagesOf"
  | "tlsCertificateFile"
  | "tlsKeyFile"
  | "httpRedirectPort"
  | "memoryBudgetMb"
  | "jobsMemoryMb"
  | "postgresMemoryMb"
  | "postgresCpus"
  | "backupUrl"
  | "backupCaFile"
  | "dbPoolSize"
  | "redisCacheMb"
  | "redisLimitsMb"
  | "kafkaMemoryMb";

/** The stack's configuration with every default applied; keys as documented above. */
export type StackConfig = { readonly [K in Exclude<Key, OptionalKey>]: NonNullable<Given[K]> } & {
  readonly [K in OptionalKey]: Given[K] | undefined;
};

/** Keys of a Docker host, its load balancer and its containers. */
const ON_A_HOST = [
  ...["appInstances", "appMemoryMb", "appCpus", "appBootSeconds"],
  ...["port", "publishAddress", "tls", "tlsCertificateFile", "tlsKeyFile", "httpRedirectPort"],
  ...["apiRequestsPerSecond", "apiBurst", "chatRequestsPerSecond", "chatBurst", "maxBodyMb", "moveData"],
  ...["monitoring", "prometheusPort", "alertmanagerPort", "grafanaPort", "metricsRetentionDays", "metricsRetentionMb"],
] as const satisfies readonly string[];

/** Keys that mean something in some phases only. Elsewhere they are checked and otherwise left alone, so that a phase can be tried and left. */
const ONLY_IN: Partial<Record<Key, readonly Phase[]>> = {
  ...(Object.fromEntries(ON_A_HOST.map((key) => [key, ["cluster", "database"]])) as Partial<Record<Key, readonly Phase[]>>),
  memoryBudgetMb: ["database"],
  jobsMemoryMb: ["database"],
  postgresNodes: ["database"],
  postgresMemoryMb: ["database"],
  postgresCpus: ["database"],
  etcdMembers: ["database"],
  durability: ["database"],
  backups: ["database"],
  backupEveryHours: ["database"],
  backupFullEveryDays: ["database"],
  backupKeepDays: ["database"],
  backupUrl: ["database"],
  backupCaFile: ["database"],
  dbPoolSize: ["database", "cloud"],
  redisCacheMb: ["database"],
  redisLimitsMb: ["database"],
  kafka: ["database"],
  kafkaMemoryMb: ["database"],
  kafkaRetentionHours: ["database"],
  kafkaRetentionMb: ["database"],
};

/** Keys that are set although the phase has no use for them, in the order of {@link fields}. */
export function unusedKeys(given: Given, phase: Phase): Key[] {
  const phasesOf = (key: Key): readonly Phase[] | undefined => (key in cloudFields ? ["cloud"] : ONLY_IN[key]);
  return (Object.keys(fields) as Key[]).filter((key) => given[key] !== undefined && phasesOf(key)?.includes(phase) === false);
}
