/**
 * Instance classes the sizing of phase `cloud` may choose, smallest first, with what they have. Figures of AWS' documentation, read November
 * 2026: RDS user guide "Hardware specifications for DB instance classes"; ElastiCache user guide "Redis OSS node-type specific parameters";
 * MSK developer guide "Broker sizes" and "Best practices for Standard brokers"; EC2 "General purpose instances". Services are on Graviton, of
 * generations that every region has; nodes are of the architecture the image is built for.
 */

/** Virtual CPUs and memory of a class. */
export interface InstanceClass {
  readonly name: string;
  readonly vcpus: number;
  /** MiB */
  readonly memoryMb: number;
  /** Share of its virtual CPUs it may use for hours. @default 1; burstable classes have less */
  readonly baseline?: number;
}

const GIB = 1024;

function series(family: string, sizes: readonly (readonly [size: string, vcpus: number, memoryGib: number])[]): InstanceClass[] {
  return sizes.map(([size, vcpus, memoryGib]) => ({ name: `${family}.${size}`, vcpus, memoryMb: Math.floor(memoryGib * GIB) }));
}

/** RDS. The burstable class is for profile `dev` only. */
export const DATABASE_CLASSES: readonly InstanceClass[] = [
  { name: "db.t4g.medium", vcpus: 2, memoryMb: 4 * GIB, baseline: 0.2 },
  { name: "db.m6g.large", vcpus: 2, memoryMb: 8 * GIB },
  ...series("db.r6g", [
    ["large", 2, 16],
    ["xlarge", 4, 32],
    ["2xlarge", 8, 64],
    ["4xlarge", 16, 128],
    ["8xlarge", 32, 256],
    ["12xlarge", 48, 384],
    ["16xlarge", 64, 512],
  ]),
];

/** ElastiCache; memory is the node's `maxmemory` of the default parameter group. */
export const CACHE_CLASSES: readonly InstanceClass[] = [
  { name: "cache.t4g.small", vcpus: 2, memoryMb: 1402, baseline: 0.2 },
  { name: "cache.t4g.medium", vcpus: 2, memoryMb: 3164, baseline: 0.2 },
  { name: "cache.m7g.large", vcpus: 2, memoryMb: 6533 },
  ...series("cache.r7g", [
    ["large", 2, 13.07],
    ["xlarge", 4, 26.32],
    ["2xlarge", 8, 52.82],
    ["4xlarge", 16, 105.81],
    ["8xlarge", 32, 209.55],
    ["12xlarge", 48, 317.77],
    ["16xlarge", 64, 419.09],
  ]),
];

/** A quarter of a node is kept for snapshots and failover (`reserved-memory-percent` 25, the default). */
export const CACHE_RESERVED = 0.25;

/** A broker, with the MB a second of producers' data it takes in a cluster that keeps three copies [e], and its partitions at most. */
interface BrokerClass extends InstanceClass {
  readonly ingressMb: number;
  /** Recommended at most, copies included (best practices). */
  readonly partitions: number;
}

/** MSK. The burstable type is for profile `dev` only. */
export const BROKER_CLASSES: readonly BrokerClass[] = [
  { name: "kafka.t3.small", vcpus: 2, memoryMb: 2 * GIB, baseline: 0.2, ingressMb: 0.5, partitions: 300 },
  { name: "kafka.m7g.large", vcpus: 2, memoryMb: 8 * GIB, ingressMb: 5, partitions: 1000 },
  { name: "kafka.m7g.xlarge", vcpus: 4, memoryMb: 16 * GIB, ingressMb: 10, partitions: 1000 },
  { name: "kafka.m7g.2xlarge", vcpus: 8, memoryMb: 32 * GIB, ingressMb: 20, partitions: 2000 },
  { name: "kafka.m7g.4xlarge", vcpus: 16, memoryMb: 64 * GIB, ingressMb: 40, partitions: 4000 },
];

const NODE_SIZES = [
  ["large", 2, 8],
  ["xlarge", 4, 16],
  ["2xlarge", 8, 32],
  ["4xlarge", 16, 64],
] as const;

/** Nodes of EKS, by what they run. Their memory for each CPU is twice what tasks ask for, so CPU decides. */
export const NODE_CLASSES: Readonly<Record<"x86_64" | "arm64", readonly InstanceClass[]>> = {
  x86_64: series("m6i", NODE_SIZES),
  arm64: series("m6g", NODE_SIZES),
};

/** What Fargate has: CPU units, and the least and most MiB that go with them, in steps (ECS developer guide, "Task CPU and memory"). */
export const FARGATE_SIZES = [
  { cpu: 256, least: 512, most: 2048, step: 512 },
  { cpu: 512, least: 1024, most: 4096, step: 1024 },
  { cpu: 1024, least: 2048, most: 8192, step: 1024 },
  { cpu: 2048, least: 4096, most: 16_384, step: 1024 },
  { cpu: 4096, least: 8192, most: 30_720, step: 1024 },
  { cpu: 8192, least: 16_384, most: 61_440, step: 4096 },
  { cpu: 16_384, least: 32_768, most: 122_880, step: 8192 },
] as const;

/**
 * Most connections a server of that class carries: RDS' own default for PostgreSQL, `LEAST({DBInstanceClassMemory/9531392}, 5000)` (RDS
 * user guide, "Quotas and constraints"). The variable is what the system leaves of the memory, about 90 %.
 */
export function mostConnections({ memoryMb }: InstanceClass): number {
  return Math.min(5000, Math.floor((memoryMb * 1024 ** 2 * 0.9) / 9_531_392));
}

/** Virtual CPUs a class may use for hours. */
export function steadyVcpus({ vcpus, baseline = 1 }: InstanceClass): number {
  return vcpus * baseline;
}
