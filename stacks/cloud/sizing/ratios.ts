/**
 * Every ratio of the sizing model of phase `cloud` (A14), with where it comes from. [e] marks an estimate, to be replaced by a measurement of
 * one's own: `peakRequestsPerSecond` replaces the first of them, and CloudWatch shows the rest.
 */

/** What one user does. */
export const USERS = {
  least: 1,
  most: 1_000_000,
  /** Seconds between two requests of a user: the shorter end of feature A12. `npm run verify` proves phase `database` with the same. */
  thinkSeconds: 10,
  /** The busiest minute twice over is what the most tasks carry: A4 takes 1,000 users where 500 are usual, B10 goes from 100 to 200. */
  burst: 2,
  /** Average of a month ÷ the busiest minute: ten busy hours on five days, a quarter of that at other times [e]. */
  averageShare: 0.3,
} as const;

/** What a request does; shares of all requests. */
export const REQUESTS = {
  /** Chat is half of the load profile B10, and each of its requests writes. */
  writes: 0.5,
  /** Dashboards are 30 % of B10. That the cache answers most of them (D6, E2) is not counted on: it may be empty, or away (D12). */
  reads: 0.3,
  /** Start a job: text in images, tax computations [e]. */
  jobs: 0.005,
  /** Events for each write: one, from the outbox. */
  eventsPerWrite: 1,
} as const;

/** Milliseconds of a virtual CPU. */
export const CPU_MS = {
  /**
   * App, for a request. data-plane.md asks for 417 requests a second with p95 < 50 ms from everything on 2 cores, which is 4.8 ms for all
   * containers; half of that is the app's [e]. BENCHMARKS.md has 0.07 ms for a request that touches nothing but Redis.
   */
  web: 2.4,
  /** A job on average; reading text in an image takes seconds, a tax computation next to nothing [e]. */
  job: 400,
  /** An event with its effects [e]. */
  event: 2,
  /** Postgres, for a request that writes, with its reads and its outbox [e]; the other half of the 4.8 ms above, less proxy and Redis. */
  write: 1.5,
  read: 1,
} as const;

/** Greatest share of a CPU, a thread or a store that the busiest minute may take, when sizes are planned. */
export const BOUNDS = {
  /** One of three zones may be lost: what is left then runs at 0.9. Autoscaling's target is the same (cloud.md: CPU 60–70). */
  web: 0.6,
  /** Work that waits in a queue may be denser. */
  queues: 0.7,
  /** Primary: with the reads of all lost replicas it stays below {@link BOUNDS.alone}. */
  primary: 0.6,
  alone: 0.9,
  replicas: 0.5,
  iops: 0.7,
  /** Of the connections of a server that RDS Proxy may open (cloud.md: ≤ 90 %); the rest is for migrations, exporters and people. */
  proxy: 0.9,
  /** One thread of Redis. */
  redisEngine: 0.5,
  /** Of what a node has for data, see cloud-classes.ts. The cache evicts what is too much; limits and queues refuse to write. */
  cacheMemory: 0.9,
  limitsMemory: 0.7,
  brokers: 0.5,
  /** Of a node's CPU, for pods of the app: the rest is for the kubelet, DaemonSets and system pods. */
  nodes: 0.9,
} as const;

/** Tasks. */
export const TASKS = {
  /** Workers of a web task and its memory for each, MiB; a worker idles at 87 MB (BENCHMARKS.md), the rest is its heap, caches and sockets. */
  webWorkers: 2,
  memoryPerVcpuMb: 2048,
  /** Profile dev, up to so many requests a second: tasks of so many virtual CPUs. */
  smallRequests: 100,
  smallVcpus: 0.5,
  /** Least tasks of a service in production beside one a zone (cloud.md: desired ≥ 2), and as a share of those the busiest minute needs. */
  least: 2,
  leastShare: 0.5,
  /** Seconds that waiting work may take: D5 wants priority jobs to wait less. */
  queueSeconds: 5,
} as const;

/** Connections of one task. E1: 20 for an instance; E8: 20, and 30 for each replica. */
export const POOLS = {
  webPerWorker: 10,
  webReplicaPerWorker: 15,
  /** Jobs and consumer run one process each, with this much work at a time at most. */
  queue: 10,
  queueReplica: 10,
  /** What a worker needs: one, and one more so that a slow statement does not stop it. Of a replica one is enough: others answer as well. */
  leastPerWorker: 2,
  leastReplicaPerWorker: 1,
  /** Connections of every server that are no pool's: Postgres' own, replication, migrations, exporters, people; as in phase `database`. */
  reserved: 30,
  /** `max_connections` is at least this, and a multiple of that: a task more is not another parameter, which a restart has to follow. */
  leastServer: 100,
  step: 50,
  /** While tasks are replaced there are twice as many (cloud.md: 100/200 % healthy). */
  rollout: 2,
} as const;

/** Postgres' memory and storage. */
export const DATABASE = {
  /** Rows and indexes a user works with in an hour, MiB; they should fit into memory (RDS user guide, best practices) [e]. */
  workingSetMb: 0.5,
  /** Share of the instance's memory for them: `shared_buffers` and the page cache. */
  workingSetShare: 0.75,
  /** One connection, MiB: 5 to 10 with prepared statements [e]; phase `database` measured 2 to 3 without load. */
  connectionMb: 5,
  /** Data of a user in the first year, MiB [e]. */
  dataMb: 20,
  /** Free at the start: CloudWatch warns before autogrow (10 % free) does something. */
  storageHeadroom: 1.3,
  leastGb: { prod: 100, dev: 20 },
  /** RDS grows storage up to this many times the first size; cloud.md asks for ≥ 1.5. */
  growth: 2,
  leastGrowth: 1.5,
  /** RDS user guide, "Amazon RDS DB instance storage": most GiB of gp3, and of a read replica's source at most 15 replicas. */
  mostGb: 65_536,
  mostReplicas: 15,
  /** An account has 20 proxies and 40 servers in a region until AWS is asked for more (RDS user guide, "Quotas and constraints"); each shard has a proxy. */
  mostShards: 20,
  quotaServers: 40,
  /** In production one replica, and from so many users on two: reads then stay off the primary when one is lost (A14). */
  secondReplicaUsers: 20_000,
  /** Sizes are multiples of this, so that a few users more are not another size: GiB, operations a second. */
  storageStep: 10,
  iopsStep: 500,
  /** gp3 on RDS for PostgreSQL: four volumes from 400 GiB on (the same page; hashicorp/terraform-provider-aws#28382). */
  stripedGb: 400,
  baseIops: 3000,
  stripedIops: 12_000,
  mostIops: 64_000,
  /** I/O operations for a request that writes: WAL, heap, indexes, outbox, checkpoints [e]. */
  iopsPerWrite: 4,
} as const;

/** Redis. */
export const REDIS = {
  /** B3: the cache of production has 4 GB. */
  cacheLeastMb: { prod: 4096, dev: 256 },
  /** A company at work keeps 50 KB in Redis (app/README.md, Cache), at worst one a user; as much for sessions, messages and overhead. */
  cacheUserMb: 0.1,
  limitsLeastMb: { prod: 1024, dev: 128 },
  /** Seven buckets (B7, E3) and queued jobs of a user [e]. */
  limitsUserMb: 0.01,
  /**
   * Requests a second that keep one engine thread busy. Each request is one round trip (F4). BENCHMARKS.md: 10,600 a second in one process,
   * with a Redis that shared the two cores; 20,000 for a core of its own [e], half of it used: what was measured.
   */
  requestsPerEngine: 20_000,
  /** Nodes of a shard in production: A14 wants 3 for the cache, cloud.md 2 at least. */
  cacheNodes: 3,
  limitsNodes: 2,
  /** A replication group has at most five replicas a shard (ElastiCache user guide, "Quotas"). */
  mostNodes: 6,
} as const;

/** Events. */
export const EVENTS = {
  /** B5 */
  partitions: 12,
  /** An event on the wire and on disk, KB: compressed in batches (B5) [e]. */
  eventKb: 0.5,
  retentionDays: 7,
  storageHeadroom: 1.5,
  leastStorageGb: { prod: 100, dev: 20 },
  replication: 3,
  /** Send, receive, delete; in batches of ten, which is SQS' most. */
  sqsRequestsPerEvent: 0.3,
} as const;

/** What is paid by use [e]; KB of a request, MB of a user. */
export const USAGE = {
  secondsPerMonth: 730 * 3600,
  /** Answer of the app, compressed; B11's dashboards are the largest. */
  appKb: 5,
  /** Static files and uploads, from the edge. */
  edgeKb: 5,
  /** Between the app and its services in other zones. */
  zoneKb: 10,
  /** To other people's services. */
  natKb: 0.5,
  /** Log lines of app and load balancer, and flow logs. */
  logKb: 0.7,
  /** To the other region, of a request that writes: its part of Postgres' log, with full pages [e]. */
  walKb: 16,
  /** Images and secrets, through the endpoints, GB a task and month. */
  imageGbPerTask: 2,
  uploadsMb: 50,
  /** Daily snapshots that are kept (cloud.md: ≥ 7 for queues). */
  snapshots: 7,
  /** Images the registry's lifecycle leaves, GB. */
  imagesGb: 5,
  /** Of the storage of the database, beyond what is free. */
  backupShare: 0.3,
} as const;
