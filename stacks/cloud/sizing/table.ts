import type { CloudPlan, RedisPlan, ServicePlan } from "./types";
import { type Row, tableLines } from "../../lib/table";

const COLUMNS = ["service", "count", "size", "at peak", "set to"] as const;
type Line = Row<(typeof COLUMNS)[number]>;

/** The plan as a table for people: every service with its size, how busy the busiest minute makes it, and what it is set to; then the notes. */
export function cloudPlanTable(plan: CloudPlan): string {
  const { load, users, profile, notes } = plan;
  const rates = `${count(load.requests)} requests a second in the busiest minute, ${count(load.burstRequests)} with the most tasks`;
  const lines = [...serviceLines(plan), ...databaseLines(plan), ...storeLines(plan), ...networkLines(plan)];
  return [
    `plan for ${users} users (profile ${profile}): ${rates}`,
    ...tableLines(COLUMNS, ["count", "at peak"], lines),
    ...notes.map((note) => `note: ${note}`),
  ].join("\n");
}

function serviceLines({ web, jobs, consumer, utilisation }: CloudPlan): Line[] {
  const line = (service: string, plan: ServicePlan, busy: number, target: string): Line => ({
    service,
    count: `${plan.minTasks}–${plan.maxTasks}`,
    size: `${plan.cpu / 1024} vCPU, ${plan.memoryMb} MiB`,
    "at peak": `${plan.peakTasks} at ${percent(busy)}`,
    "set to": `${plan.workers} worker${plan.workers === 1 ? "" : "s"}, pool ${plan.poolMax}, ${plan.replicaPoolMax} a replica, scales at ${target}`,
  });
  return [
    line("web", web, utilisation.web, `${web.requestsPerTarget} requests a minute`),
    line("jobs", jobs, utilisation.jobs, `${jobs.backlogPerTask} waiting`),
    ...(consumer.maxTasks === 0 ? [] : [line("consumer", consumer, utilisation.consumer, `${consumer.backlogPerTask} waiting`)]),
  ];
}

function databaseLines({ database, proxy, utilisation }: CloudPlan): Line[] {
  const { instanceClass: name, vcpus, memoryMb, allocatedGb, maxAllocatedGb, iops } = database;
  const size = `${name} (${vcpus} vCPU, ${memoryMb / 1024} GiB)`;
  const storage = `${allocatedGb} GiB, grows to ${maxAllocatedGb}${iops === undefined ? "" : `, ${iops} IOPS`}`;
  const replicas = database.replicas * database.shards;
  return [
    {
      service: "database",
      count: String(database.shards),
      size,
      "at peak": percent(utilisation.primary),
      "set to": `${database.multiAz ? "Multi-AZ, " : ""}${storage}, max_connections ${database.maxConnections}`,
    },
    ...(replicas === 0
      ? []
      : [{ service: "replicas", count: String(replicas), size, "at peak": percent(utilisation.replicas), "set to": "" }]),
    {
      service: "proxy",
      count: String(database.shards),
      size: "",
      "at peak": percent(utilisation.connections),
      "set to": `${proxy.connections} connections (${proxy.maxConnectionsPercent} %), pools of all tasks ${proxy.pools}`,
    },
  ];
}

function storeLines({ cache, limits, events, utilisation }: CloudPlan): Line[] {
  const redis = (service: string, plan: RedisPlan, engine: number, memory: number): Line => ({
    service,
    count: String(plan.nodes * plan.shards),
    size: plan.nodeType,
    "at peak": percent(Math.max(engine, memory)),
    "set to": `${plan.shards > 1 ? `${plan.shards} shards, ` : ""}${plan.dataMb} MiB of data, ${plan.nodeMemoryMb} MiB a node`,
  });
  const brokers = (): Line[] => {
    if (events.kind === "none") return [];
    if (events.kind === "sqs") {
      return [{ service: "events", count: "", size: "SQS", "at peak": "", "set to": `${count(events.requestsPerMonth)} requests a month` }];
    }
    const { brokers: number, brokerType, storageGb, partitions } = events;
    const setTo = `${partitions} partitions, ${storageGb} GiB a broker`;
    return [{ service: "events", count: String(number), size: brokerType, "at peak": percent(utilisation.brokers), "set to": setTo }];
  };
  return [
    redis("cache", cache, utilisation.cacheEngine, utilisation.cacheMemory),
    redis("limits", limits, utilisation.limitsEngine, utilisation.limitsMemory),
    ...brokers(),
  ];
}

function networkLines({ network, nodes, utilisation }: CloudPlan): Line[] {
  const nat = { service: "NAT", count: String(network.natGateways), size: "", "at peak": "", "set to": `${network.zones} zones` };
  if (nodes === undefined) return [nat];
  const { instanceType: size, minNodes, peakNodes, maxNodes } = nodes;
  const atPeak = `${peakNodes} at ${percent(utilisation.nodes)}`;
  return [{ service: "nodes", count: `${minNodes}–${maxNodes}`, size, "at peak": atPeak, "set to": "" }, nat];
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function count(value: number): string {
  return Math.ceil(value).toLocaleString("en-US");
}
