import type { BackupSettings, S3Repository } from "../../../components/local/postgres";
import type { PgbouncerSettings } from "../../../components/local/pgbouncer";
import type { StackConfig } from "../../config/keys";

/** What the plan of phase `database` is made of, beside the host. */
export type SizingConfig = Pick<
  StackConfig,
  | "appInstances"
  | "workers"
  | "appMemoryMb"
  | "appCpus"
  | "workerHeapMb"
  | "memoryBudgetMb"
  | "jobsMemoryMb"
  | "postgresNodes"
  | "postgresMemoryMb"
  | "postgresCpus"
  | "etcdMembers"
  | "durability"
  | "backups"
  | "backupEveryHours"
  | "backupFullEveryDays"
  | "backupKeepDays"
  | "backupUrl"
  | "dbPoolSize"
  | "redisCacheMb"
  | "redisLimitsMb"
  | "kafka"
  | "kafkaMemoryMb"
  | "monitoring"
  | "moveData"
  | "image"
> & {
  /** Whether there is an image of Grafana, which monitoring then has. @default false */
  readonly grafana?: boolean;
};

/** Limits of a container, in MiB and cores; without a number of cores it may use all of the host's. */
export interface Limits {
  readonly memoryMb: number;
  readonly cpus?: number | undefined;
}

/** Connections of one app container, all its workers together. */
export interface AppPools {
  /** To the primary. */
  readonly poolMax: number;
  /** To each server that is read. */
  readonly replicaPoolMax: number;
}

/** What runs the app's code: its connections, and the heap V8 has in each of its processes, MiB. */
export type AppLimits = Limits & AppPools & { readonly heapMb: number };

/** Who gets how much in phase `database`. */
export interface Plan {
  /** What all containers may use together, MiB, and what they do. */
  readonly budgetMb: number;
  readonly totalMb: number;
  readonly app: AppLimits & { readonly instances: number; readonly workers: number };
  readonly jobs: AppLimits;
  readonly postgres: Limits & {
    readonly nodes: number;
    readonly maxConnections: number;
    readonly backups: BackupSettings | undefined;
    readonly repository: S3Repository | undefined;
  };
  readonly etcd: Limits & { readonly members: 1 | 3 };
  readonly pgbouncer: Limits & { readonly settings: PgbouncerSettings };
  readonly postgresProxy: Limits & { readonly maxConnections: number };
  readonly postgresOperator: Limits;
  readonly redisCache: Limits & { readonly maxMemoryMb: number };
  readonly redisLimits: Limits & { readonly maxMemoryMb: number };
  readonly loadBalancer: Limits;
  /** Moves the rows of phase `cluster` before the app starts, and then only waits: it is no part of the total. */
  readonly dataMove: Limits | undefined;
  /** Migrates the database after that, and ends: no part of the total either. */
  readonly migrate: Limits | undefined;
  /** With `kafka` only. */
  readonly kafka: (Limits & { readonly brokers: number; readonly heapMb: number }) | undefined;
  readonly consumer: AppLimits | undefined;
  /** With `monitoring` only. */
  readonly prometheus: Limits | undefined;
  readonly alertmanager: Limits | undefined;
  /** Where its image can be had. */
  readonly grafana: Limits | undefined;
  /** Of each exporter. */
  readonly exporters: (Limits & { readonly count: number }) | undefined;
}
