import { mostConnections } from "../classes";
import { databaseClass, databasePlan, shardsOf } from "./database";
import { cloudNotes } from "./notes";
import { connectionPlan, connectionsOf } from "./pools";
import { BOUNDS, CPU_MS, POOLS } from "./ratios";
import { checkNumbers, defaultZones } from "./refusals";
import { eventsPlan, redisPlan } from "./stores";
import { cloudLoad, eksNodes, queueTasks, webTasks } from "./tasks";
import type { CloudPlan, CloudSizingConfig, ServicePlan } from "./types";
import { cloudUsage } from "./usage";

/**
 * Sizes of everything in phase `cloud` for so many users (A14): users → requests → tasks → connections → database, Redis, brokers, nodes, and
 * what is paid by use. What the user set wins and is checked together with all the rest. The ratios, and where each comes from, are in
 * ratios.ts; what classes have in ../classes.ts. Pure: the same configuration is the same plan.
 *
 * @throws RunError with one sentence (field, value, what is allowed, what to type) for what cannot be.
 */
export function cloudPlan(config: CloudSizingConfig): CloudPlan {
  checkNumbers(config);
  const load = cloudLoad(config);
  const web = webTasks(config, load);
  const jobs = queueTasks(config, load, load.jobs, CPU_MS.job);
  const consumer = queueTasks(config, load, load.events, CPU_MS.event);
  const services = { web, jobs, consumer, regions: config.secondRegion === undefined ? 1 : 2 };

  const shard = shardsOf(config, load);
  const type = databaseClass(config, shard, connectionsOf(services, config.dbPoolSize));
  const connections = connectionPlan(config, services, mostConnections(type));
  const database = databasePlan(config, shard, type, connections.maxConnections);
  const cache = redisPlan(config, load, "cache");
  const limits = redisPlan(config, load, "limits");
  const events = eventsPlan(config, load, consumer);
  const nodes = config.cloudRuntime === "eks" ? eksNodes(config, [web, jobs, consumer]) : undefined;
  const zones = config.zones ?? defaultZones(config.profile);
  const natGateways = config.natGateways ?? (config.profile === "prod" ? zones : 1);

  const { primary, replica } = connections;
  const peakVcpus = [web, jobs, consumer].reduce((sum, { peakTasks, cpu }) => sum + (peakTasks * cpu) / 1024, 0);
  const plan: Omit<CloudPlan, "usage" | "notes"> = {
    users: config.users,
    profile: config.profile,
    load,
    web: { ...web, poolMax: primary.web, replicaPoolMax: replica.web },
    jobs: { ...jobs, poolMax: primary.jobs, replicaPoolMax: replica.jobs },
    consumer: { ...consumer, poolMax: primary.consumer, replicaPoolMax: replica.consumer },
    database: database.plan,
    proxy: { maxConnectionsPercent: Math.round(BOUNDS.proxy * 100), connections: connections.proxy, pools: primary.total },
    cache: cache.plan,
    limits: limits.plan,
    events: events.plan,
    network: { zones, natGateways },
    nodes,
    utilisation: {
      web: cpuShare(web, load.requests * CPU_MS.web),
      jobs: cpuShare(jobs, load.jobs * CPU_MS.job),
      consumer: cpuShare(consumer, load.events * CPU_MS.event),
      primary: database.primary,
      replicas: database.replica,
      iops: database.iops,
      connections: primary.total / connections.proxy,
      replicaConnections: replica.total / (connections.maxConnections - POOLS.reserved),
      cacheEngine: cache.engine,
      cacheMemory: cache.memory,
      limitsEngine: limits.engine,
      limitsMemory: limits.memory,
      brokers: events.busy,
      nodes: nodes === undefined ? 0 : (peakVcpus * BOUNDS.nodes) / (nodes.peakNodes * nodes.vcpus),
    },
  };
  return { ...plan, usage: cloudUsage(plan), notes: cloudNotes(config, plan) };
}

function cpuShare({ peakTasks, cpu }: Pick<ServicePlan, "peakTasks" | "cpu">, cpuMsPerSecond: number): number {
  return peakTasks === 0 ? 0 : cpuMsPerSecond / (peakTasks * (cpu / 1024) * 1000);
}
