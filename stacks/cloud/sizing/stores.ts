import { BROKER_CLASSES, CACHE_CLASSES, CACHE_RESERVED, type InstanceClass, steadyVcpus } from "../classes";
import { BOUNDS, EVENTS, REDIS, USAGE, USERS } from "./ratios";
import { defaultZones, refusal } from "./refusals";
import type { CloudLoad, CloudSizingConfig, EventsPlan, RedisPlan, ServicePlan } from "./types";

/** How the two Redis groups differ. */
const GROUPS = {
  cache: { type: "cacheNodeType", nodes: "cacheNodes", leastMb: REDIS.cacheLeastMb, userMb: REDIS.cacheUserMb, bound: BOUNDS.cacheMemory },
  limits: {
    type: "limitsNodeType",
    nodes: "limitsNodes",
    leastMb: REDIS.limitsLeastMb,
    userMb: REDIS.limitsUserMb,
    bound: BOUNDS.limitsMemory,
  },
} as const;

const DEFAULT_NODES = { cache: REDIS.cacheNodes, limits: REDIS.limitsNodes } as const;

/** MiB a node has for data. */
function dataMemory({ memoryMb }: InstanceClass): number {
  return Math.floor(memoryMb * (1 - CACHE_RESERVED));
}

/** Requests a second that keep the engine's thread of a node busy: one CPU, or what a burstable node may use for hours. */
function engineRequests(type: InstanceClass): number {
  return REDIS.requestsPerEngine * Math.min(1, steadyVcpus(type));
}

/** A replication group, and how much of a shard's engine and memory the busiest minute takes. */
interface SizedRedis {
  readonly plan: RedisPlan;
  readonly engine: number;
  readonly memory: number;
}

/**
 * One of the two Redis groups: as many shards as engine threads are needed, of the smallest nodes that hold the data. As soon as there are
 * several shards, each is sized for all that one takes.
 * @throws RunError for a node type that is not known, or too small for what must not be lost.
 */
export function redisPlan(config: CloudSizingConfig, load: CloudLoad, group: keyof typeof GROUPS): SizedRedis {
  const { type: typeKey, nodes: nodesKey, leastMb, userMb, bound } = GROUPS[group];
  const perShard = REDIS.requestsPerEngine * BOUNDS.redisEngine;
  const shards = Math.max(1, Math.ceil(load.requests / perShard));
  const dataMb = Math.max(leastMb[config.profile], Math.ceil(config.users * userMb));
  const full = shards === 1 ? 0 : perShard * USERS.thinkSeconds * userMb;
  const shard = { requests: shards === 1 ? load.requests : perShard, dataMb: Math.max(dataMb / shards, full) };
  const fits = (type: InstanceClass): boolean =>
    shard.requests <= engineRequests(type) * BOUNDS.redisEngine && shard.dataMb <= dataMemory(type) * bound;
  const planned = CACHE_CLASSES.find(fits);
  if (planned === undefined) throw new RangeError(`CACHE_CLASSES: no node holds ${shard.dataMb} MiB.`);
  const given = config[typeKey];
  const type = given === undefined ? planned : CACHE_CLASSES.find(({ name }) => name === given);
  const fix = planned.name;
  if (type === undefined)
    throw refusal({ key: typeKey, value: String(given), allowed: CACHE_CLASSES.map(({ name }) => name).join(", "), fix });
  const engine = shard.requests / engineRequests(type);
  if (engine > 1) {
    const because = `whose engine would be ${Math.round(engine * 100)} % busy in the busiest minute`;
    throw refusal({ key: typeKey, value: type.name, because, allowed: `${fix} or larger`, fix });
  }
  // The cache evicts what does not fit; limits and queues would refuse to write.
  if (group === "limits" && shard.dataMb > dataMemory(type)) {
    const because = `which holds ${dataMemory(type)} MiB, and limits and queues need ${Math.ceil(shard.dataMb)}`;
    throw refusal({ key: typeKey, value: type.name, because, allowed: `${fix} or larger`, fix });
  }
  const nodes = config[nodesKey] ?? (config.profile === "prod" ? DEFAULT_NODES[group] : 1);
  return {
    plan: { nodeType: type.name, nodes, shards, nodeMemoryMb: dataMemory(type), dataMb },
    engine,
    memory: shard.dataMb / dataMemory(type),
  };
}

/**
 * What carries the events, and how much of the brokers the busiest minute takes.
 * @throws RunError for a broker type that is not known or too small.
 */
export function eventsPlan(
  config: CloudSizingConfig,
  load: CloudLoad,
  consumer: Pick<ServicePlan, "maxTasks">,
): { readonly plan: EventsPlan; readonly busy: number } {
  const perMonth = load.events * USERS.averageShare * USAGE.secondsPerMonth;
  if (config.events === "none") return { plan: { kind: "none" }, busy: 0 };
  if (config.events === "sqs") {
    return { plan: { kind: "sqs", requestsPerMonth: Math.ceil(perMonth * EVENTS.sqsRequestsPerEvent) }, busy: 0 };
  }
  // MSK spreads brokers over two or three zones.
  const zones = Math.min(3, config.zones ?? defaultZones(config.profile));
  const least = config.profile === "prod" ? EVENTS.replication : zones;
  const brokers = zones * Math.ceil(least / zones);
  const copies = Math.min(EVENTS.replication, brokers);
  const partitions = EVENTS.partitions * Math.max(1, Math.ceil(consumer.maxTasks / EVENTS.partitions));
  const ingressMb = (load.events * EVENTS.eventKb) / 1024;
  const classes = BROKER_CLASSES.filter(({ baseline }) => baseline === undefined || config.profile === "dev");
  const busy = (ingress: number): number => ingressMb / (brokers * ingress);
  const enough = ({ ingressMb: ingress, partitions: most }: (typeof BROKER_CLASSES)[number], bound: number): boolean =>
    busy(ingress) <= bound && (partitions * copies) / brokers <= most;
  const planned = classes.find((type) => enough(type, BOUNDS.brokers)) ?? classes.at(-1);
  const type = config.brokerType === undefined ? planned : BROKER_CLASSES.find(({ name }) => name === config.brokerType);
  if (planned === undefined || type === undefined) {
    const allowed = BROKER_CLASSES.map(({ name }) => name).join(", ");
    throw refusal({
      key: "brokerType",
      value: String(config.brokerType),
      allowed,
      ...(planned === undefined ? {} : { fix: planned.name }),
    });
  }
  if (!enough(type, 1)) {
    const because = `of which ${brokers} do not take ${ingressMb.toFixed(1)} MB a second in ${partitions} partitions`;
    throw refusal({ key: "brokerType", value: type.name, because, allowed: `${planned.name} or larger`, fix: planned.name });
  }
  const kept = (load.events * USERS.averageShare * EVENTS.eventKb * EVENTS.retentionDays * 86_400 * copies) / brokers / 1024 ** 2;
  const storageGb = Math.max(EVENTS.leastStorageGb[config.profile], Math.ceil(kept * EVENTS.storageHeadroom));
  return { plan: { kind: "msk", brokerType: type.name, brokers, storageGb, partitions }, busy: busy(type.ingressMb) };
}
