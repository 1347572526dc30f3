import type { MonthlyUsage } from "../../../components/aws/pricing";

/** What decides the plan of phase `cloud`. The names are keys of the stack configuration; what is left out is planned. */
export interface CloudSizingConfig {
  /**
   * People at work at the same time in the busiest hour (A14), 1 to 1,000,000. Each sends a request every 10 s, the shorter end of the think
   * time of feature A12.
   */
  readonly users: number;
  /** `prod`: nothing is a single point of failure. `dev`: one of everything, the smallest classes that carry the load. */
  readonly profile: "dev" | "prod";
  /** What runs the app; `eks` adds nodes to the plan. With `kubernetes` the cluster and the backing services are the user's. */
  readonly cloudRuntime: "ecs" | "eks" | "kubernetes";
  /** What the image is built for, and so the nodes of EKS. @default x86_64 */
  readonly cpuArchitecture?: "x86_64" | "arm64" | undefined;
  /** A second region, whose tasks use the same primary while it has not taken over. @default none */
  readonly secondRegion?: string | undefined;
  /** What carries events: `none` keeps them in the outbox, see app/README.md. */
  readonly events: "none" | "sqs" | "msk";
  /** Availability zones. @default 3, 2 with profile dev */
  readonly zones?: number | undefined;
  /** NAT gateways. @default one a zone, 1 with profile dev */
  readonly natGateways?: number | undefined;
  /** Requests a second in the busiest minute, measured instead of reckoned from `users`. @default users ÷ 10 */
  readonly peakRequestsPerSecond?: number | undefined;
  /** Worker processes of one web task; each has a virtual CPU. @default 2 */
  readonly workers?: number | undefined;
  /** Least and most web tasks. @default planned */
  readonly webMinTasks?: number | undefined;
  readonly webMaxTasks?: number | undefined;
  /** Connections of one web task to the primary, all its workers together (C1). @default 20 (E1), less where many tasks share the database */
  readonly dbPoolSize?: number | undefined;
  /** Databases that companies are divided among (A17), 1 to 20. @default planned: 1, as long as one carries the load */
  readonly databases?: number | undefined;
  /** RDS instance class, e.g. `db.r6g.xlarge`; replicas have the same, so that each can take over. @default planned */
  readonly databaseClass?: string | undefined;
  /** Read replicas, 0 to 15 for each shard. @default 1, from 20,000 users on 2; none with profile dev */
  readonly databaseReplicas?: number | undefined;
  /** Storage of the database at first, GiB, for each shard. @default planned */
  readonly databaseStorageGb?: number | undefined;
  /** Storage it may grow to by itself, GiB; at least 1.5 times the first. @default twice the first */
  readonly databaseMaxStorageGb?: number | undefined;
  /** Node type of the cache and sessions, and of limits and queues, e.g. `cache.r7g.large`. @default planned */
  readonly cacheNodeType?: string | undefined;
  readonly limitsNodeType?: string | undefined;
  /** Nodes of each shard: a primary and its replicas, 1 to 6. @default 3 for the cache (A14), 2 for limits; 1 with profile dev */
  readonly cacheNodes?: number | undefined;
  readonly limitsNodes?: number | undefined;
  /** Broker type of MSK, e.g. `kafka.m7g.large`. @default planned */
  readonly brokerType?: string | undefined;
  /** Instance type of EKS nodes, e.g. `m6i.2xlarge`. @default planned */
  readonly nodeType?: string | undefined;
}

/** What the users do, per second in the busiest minute unless it says otherwise. */
export interface CloudLoad {
  readonly requests: number;
  /** What the most tasks of every service carry: twice the usual peak (A4, B10). */
  readonly burstRequests: number;
  /** Averaged over a month. */
  readonly averageRequests: number;
  /** Requests that read from Postgres, and requests that write to it. */
  readonly databaseReads: number;
  readonly databaseWrites: number;
  readonly jobs: number;
  readonly events: number;
}

/** One of the app's services: one container a task (ECS) or pod (EKS). */
export interface ServicePlan {
  /** CPU units of a task, 1,024 to a virtual CPU. */
  readonly cpu: number;
  /** Memory of a task, MiB; with `cpu` a pair that Fargate has. */
  readonly memoryMb: number;
  /** WORKERS */
  readonly workers: number;
  /** Autoscaling: least, what is needed in the busiest minute, most. */
  readonly minTasks: number;
  readonly peakTasks: number;
  readonly maxTasks: number;
  /** DB_POOL_MAX: connections of one task to the primary of each shard, through RDS Proxy. */
  readonly poolMax: number;
  /** DB_REPLICA_POOL_MAX: connections of one task to each read replica, directly: RDS Proxy does not serve replicas of an instance. */
  readonly replicaPoolMax: number;
}

/** The web service, and what its autoscaling aims at. */
export interface WebPlan extends ServicePlan {
  /** Requests of one task a minute at which another is started (ALBRequestCountPerTarget). */
  readonly requestsPerTarget: number;
}

/** A service that works on a queue. */
export interface QueuePlan extends ServicePlan {
  /** Waiting messages for each running task at which another is started. */
  readonly backlogPerTask: number;
}

/** RDS for PostgreSQL: one primary and its replicas a shard. */
export interface DatabasePlan {
  readonly instanceClass: string;
  /** Of the class: virtual CPUs, and memory in MiB. */
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly multiAz: boolean;
  /** GiB of gp3 storage. */
  readonly allocatedGb: number;
  /** GiB up to which RDS grows it by itself. */
  readonly maxAllocatedGb: number;
  /** Provisioned IOPS; `undefined`: what gp3 has anyway (3,000, from 400 GiB on 12,000). */
  readonly iops: number | undefined;
  /** Read replicas of each shard, of the same class. */
  readonly replicas: number;
  /** Parameter `max_connections`, of the primary and of every replica; a change takes effect when they are restarted. */
  readonly maxConnections: number;
  /** Primaries (A17) among which companies are divided: `databases`, or 1 until `users` is more than one instance carries. */
  readonly shards: number;
}

/** RDS Proxy in front of the primary of each shard. */
export interface ProxyPlan {
  /** `max_connections_percent`: part of `max_connections` it may open, at most 90. */
  readonly maxConnectionsPercent: number;
  /** What that comes to: the budget of all pools. */
  readonly connections: number;
  /** Connections all tasks of all services may ask for at their most: never above `connections`. */
  readonly pools: number;
}

/** One ElastiCache replication group. */
export interface RedisPlan {
  readonly nodeType: string;
  /** Nodes of each shard: the primary and its replicas. */
  readonly nodes: number;
  /** More than 1 is cluster mode. 1 until one engine thread is not enough. */
  readonly shards: number;
  /** Memory of one node of that type for data, MiB: `maxmemory` without what is reserved. */
  readonly nodeMemoryMb: number;
  /** Data it is expected to hold, MiB, all shards together. */
  readonly dataMb: number;
}

/** What carries the events. */
export type EventsPlan =
  | { readonly kind: "none" }
  | { readonly kind: "sqs"; /** Requests to SQS a month. */ readonly requestsPerMonth: number }
  | {
      readonly kind: "msk";
      readonly brokerType: string;
      /** A multiple of the zones. */
      readonly brokers: number;
      /** GiB of each broker. */
      readonly storageGb: number;
      /** Partitions of the topic (B5). */
      readonly partitions: number;
    };

/** Nodes of EKS, which carry all tasks as pods. */
export interface NodesPlan {
  readonly instanceType: string;
  /** Of the type: virtual CPUs, and memory in MiB. */
  readonly vcpus: number;
  readonly memoryMb: number;
  /** CPU a pod requests, as a share of its task's: what the system needs of a node is taken from all of its pods alike. */
  readonly podCpuShare: number;
  readonly minNodes: number;
  readonly peakNodes: number;
  readonly maxNodes: number;
}

/** Shares of what there is that the busiest minute takes, 0 to 1; the bounds are in ratios.ts. */
export interface Utilisation {
  readonly web: number;
  readonly jobs: number;
  readonly consumer: number;
  /** CPU of each primary with companies divided evenly, and of each replica (0 without replicas: the primary answers its reads). */
  readonly primary: number;
  readonly replicas: number;
  /** IOPS of each primary. */
  readonly iops: number;
  /** Connections of all pools, of what RDS Proxy may open, with all services at their most. */
  readonly connections: number;
  /** The same of `max_connections` of each replica, while all tasks are being replaced. */
  readonly replicaConnections: number;
  /** The engine's thread, and memory, of each shard. */
  readonly cacheEngine: number;
  readonly cacheMemory: number;
  readonly limitsEngine: number;
  readonly limitsMemory: number;
  /** Throughput of the brokers; 0 without MSK. */
  readonly brokers: number;
  /** CPU of the nodes of EKS that pods ask for; 0 without them. */
  readonly nodes: number;
}

/** Sizes of everything in phase `cloud`, for one region. */
export interface CloudPlan {
  readonly users: number;
  readonly profile: "dev" | "prod";
  readonly load: CloudLoad;
  readonly web: WebPlan;
  readonly jobs: QueuePlan;
  readonly consumer: QueuePlan;
  readonly database: DatabasePlan;
  readonly proxy: ProxyPlan;
  /** Cache and sessions: `volatile-lru`. */
  readonly cache: RedisPlan;
  /** Limits and queues: `noeviction`. */
  readonly limits: RedisPlan;
  readonly events: EventsPlan;
  readonly network: { readonly zones: number; readonly natGateways: number };
  /** Only with `cloudRuntime: eks`. */
  readonly nodes: NodesPlan | undefined;
  readonly utilisation: Utilisation;
  readonly usage: MonthlyUsage;
  /** What the user should know: sentences about sizes they chose below what the model asks for, and about shards. */
  readonly notes: readonly string[];
}
