import { DATABASE_CLASSES, type InstanceClass, mostConnections, steadyVcpus } from "../classes";
import { BOUNDS, CPU_MS, DATABASE } from "./ratios";
import { refusal } from "./refusals";
import type { CloudLoad, CloudSizingConfig, DatabasePlan } from "./types";

/** Connections of a server: what the pools ask for, and what they need at least. */
export interface Connections {
  readonly wanted: number;
  readonly least: number;
}

/** What one shard has to carry. */
interface ShardLoad {
  readonly users: number;
  readonly reads: number;
  readonly writes: number;
}

/** How many there are, and what each has to carry. */
export interface Shards {
  readonly shards: number;
  /** What each is sized for. */
  readonly most: ShardLoad;
  /** What each has when companies are divided evenly: what a size of the user's own has to carry at least. */
  readonly even: ShardLoad;
}

/** Most writes a second of one primary: what its storage takes. The CPU of the largest class takes more, see the tests. */
export const WRITES_PER_SHARD = Math.floor((BOUNDS.iops * DATABASE.mostIops) / DATABASE.iopsPerWrite);

/** Most users of one primary: what its storage holds when it has grown. */
const USERS_PER_SHARD = Math.floor((DATABASE.mostGb * 1024) / (DATABASE.dataMb * DATABASE.storageHeadroom * DATABASE.growth));

/** Fewest primaries that carry the load. */
export function leastShards(users: number, { databaseWrites }: CloudLoad): number {
  return Math.max(1, Math.ceil(databaseWrites / WRITES_PER_SHARD), Math.ceil(users / USERS_PER_SHARD));
}

/**
 * Primaries, and what each has to carry. As soon as there are several, each is sized for all there is, as far as one carries it: companies are not
 * divided evenly, and the first shard has all of them when the second is added. A plan that made it smaller at that moment would stop it.
 * @throws RunError for fewer than the load needs.
 */
export function shardsOf({ users, databases }: Pick<CloudSizingConfig, "users" | "databases">, load: CloudLoad): Shards {
  const { databaseReads: reads, databaseWrites: writes } = load;
  const least = leastShards(users, load);
  if (databases !== undefined && databases < least) {
    const because = `and requests write ${Math.ceil(writes)} times a second, of which the storage of one takes ${WRITES_PER_SHARD}`;
    throw refusal({ key: "databases", value: databases, because, allowed: `at least ${least}`, fix: least });
  }
  const shards = databases ?? least;
  const part = (share: number): ShardLoad => ({ users: users * share, reads: reads * share, writes: writes * share });
  return { shards, most: part(Math.min(1, Math.max(1 / shards, WRITES_PER_SHARD / writes))), even: part(1 / shards) };
}

function primaryCpu({ writes }: ShardLoad, type: InstanceClass): number {
  return (writes * CPU_MS.write) / 1000 / steadyVcpus(type);
}

function readCpu({ reads }: ShardLoad, type: InstanceClass): number {
  return (reads * CPU_MS.read) / 1000 / steadyVcpus(type);
}

/** MiB of a class that the working set and the connections take. */
function memoryOf({ users }: ShardLoad, connections: number): number {
  return users * DATABASE.workingSetMb + connections * DATABASE.connectionMb;
}

function carries(shard: ShardLoad, connections: Connections, type: InstanceClass): boolean {
  const most = mostConnections(type);
  return (
    connections.least <= most &&
    primaryCpu(shard, type) <= BOUNDS.primary &&
    primaryCpu(shard, type) + readCpu(shard, type) <= BOUNDS.alone &&
    memoryOf(shard, Math.min(connections.wanted, most)) <= type.memoryMb * DATABASE.workingSetShare
  );
}

/**
 * The smallest class that carries a shard, or the one the user wants.
 * @throws RunError for a class that is not known or would be busy all the time.
 */
export function databaseClass(config: CloudSizingConfig, { most, even }: Shards, connections: Connections): InstanceClass {
  const classes = DATABASE_CLASSES.filter(({ baseline }) => baseline === undefined || config.profile === "dev");
  const largest = classes.at(-1);
  if (largest === undefined) throw new RangeError("DATABASE_CLASSES: there are no classes.");
  const planned = classes.find((type) => carries(most, connections, type)) ?? largest;
  const { databaseClass: given } = config;
  if (given === undefined) return planned;
  const type = DATABASE_CLASSES.find(({ name }) => name === given);
  const fix = planned.name;
  if (type === undefined) {
    throw refusal({ key: "databaseClass", value: given, allowed: DATABASE_CLASSES.map(({ name }) => name).join(", "), fix });
  }
  const busy = primaryCpu(even, type) + (replicasOf(config, most, type) === 0 ? readCpu(even, type) : 0);
  if (busy > 1) {
    const because = `whose CPUs would be ${Math.round(busy * 100)} % busy in the busiest minute`;
    throw refusal({ key: "databaseClass", value: given, because, allowed: `${fix} or larger`, fix });
  }
  return type;
}

function replicasOf({ databaseReplicas, profile }: CloudSizingConfig, shard: ShardLoad, type: InstanceClass): number {
  const needed = Math.ceil(readCpu(shard, type) / BOUNDS.replicas);
  const least = shard.users >= DATABASE.secondReplicaUsers ? 2 : 1;
  // A disposable stack has replicas only for what its primary could not answer.
  const planned = profile === "prod" ? Math.max(least, needed) : needed > 1 ? needed : 0;
  return databaseReplicas ?? Math.min(DATABASE.mostReplicas, planned);
}

/** Storage, replicas and connections of a shard's primary on a class; and how much of it the busiest minute takes. */
export function databasePlan(
  config: CloudSizingConfig,
  { shards, most, even }: Shards,
  type: InstanceClass,
  maxConnections: number,
): { readonly plan: DatabasePlan; readonly primary: number; readonly replica: number; readonly iops: number } {
  const replicas = replicasOf(config, most, type);
  const neededIops = roundUp((most.writes * DATABASE.iopsPerWrite) / BOUNDS.iops, DATABASE.iopsStep);
  const { allocatedGb, maxAllocatedGb } = storage(config, { users: most.users, writes: even.writes }, neededIops);
  const free = allocatedGb >= DATABASE.stripedGb ? DATABASE.stripedIops : DATABASE.baseIops;
  const iops = neededIops > free && free === DATABASE.stripedIops ? Math.min(DATABASE.mostIops, neededIops) : undefined;
  const alone = primaryCpu(even, type) + (replicas === 0 ? readCpu(even, type) : 0);
  const plan: DatabasePlan = {
    instanceClass: type.name,
    vcpus: type.vcpus,
    memoryMb: type.memoryMb,
    multiAz: config.profile === "prod",
    allocatedGb,
    maxAllocatedGb,
    iops,
    replicas,
    maxConnections,
    shards,
  };
  const replica = replicas === 0 ? 0 : readCpu(even, type) / replicas;
  return { plan, primary: alone, replica, iops: (even.writes * DATABASE.iopsPerWrite) / (iops ?? free) };
}

/** @throws RunError when the storage cannot grow as it should. */
function storage(
  config: CloudSizingConfig,
  { users, writes }: Pick<ShardLoad, "users" | "writes">,
  neededIops: number,
): { allocatedGb: number; maxAllocatedGb: number } {
  const data = roundUp((users * DATABASE.dataMb * DATABASE.storageHeadroom) / 1024, DATABASE.storageStep);
  // More operations than a single volume has are to be had from a size on only.
  const striped = neededIops > DATABASE.baseIops ? DATABASE.stripedGb : 0;
  const allocatedGb =
    config.databaseStorageGb ?? Math.min(DATABASE.mostGb / DATABASE.growth, Math.max(DATABASE.leastGb[config.profile], data, striped));
  const usedIops = Math.ceil(writes * DATABASE.iopsPerWrite);
  if (allocatedGb < DATABASE.stripedGb && usedIops > DATABASE.baseIops) {
    const because = `which has ${DATABASE.baseIops} I/O operations a second, and writes need ${usedIops}`;
    throw refusal({
      key: "databaseStorageGb",
      value: allocatedGb,
      because,
      allowed: `at least ${DATABASE.stripedGb}`,
      fix: DATABASE.stripedGb,
    });
  }
  const least = Math.ceil(allocatedGb * DATABASE.leastGrowth);
  if (least > DATABASE.mostGb) {
    const most = Math.floor(DATABASE.mostGb / DATABASE.leastGrowth);
    const because = `and could not grow to ${DATABASE.leastGrowth} times that, because RDS has at most ${DATABASE.mostGb} GiB`;
    throw refusal({ key: "databaseStorageGb", value: allocatedGb, because, allowed: `at most ${most}`, fix: most });
  }
  const maxAllocatedGb = config.databaseMaxStorageGb ?? Math.min(DATABASE.mostGb, allocatedGb * DATABASE.growth);
  if (maxAllocatedGb < least) {
    const because = `but the database starts with ${allocatedGb} GiB`;
    const allowed = `at least ${least}, ${DATABASE.leastGrowth} times the first size`;
    throw refusal({ key: "databaseMaxStorageGb", value: maxAllocatedGb, because, allowed, fix: least });
  }
  return { allocatedGb, maxAllocatedGb };
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
