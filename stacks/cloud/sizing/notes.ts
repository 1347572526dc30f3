import { leastShards } from "./database";
import { BOUNDS, DATABASE } from "./ratios";
import type { CloudPlan, CloudSizingConfig, Utilisation } from "./types";

/** Bounds the model plans with, by what they are of; and which key makes more of it. */
const BOUNDS_OF: readonly (readonly [part: keyof Utilisation, bound: number, what: string, keys: string])[] = [
  ["web", BOUNDS.web, "the web tasks' CPU", "webMaxTasks, workers"],
  ["primary", BOUNDS.alone, "the primary's CPU", "databaseClass, databaseReplicas"],
  ["replicas", BOUNDS.replicas, "each replica's CPU", "databaseReplicas, databaseClass"],
  ["iops", 1, "the database's I/O operations", "databaseStorageGb"],
  ["cacheEngine", BOUNDS.redisEngine, "the cache's engine", "cacheNodeType"],
  ["cacheMemory", BOUNDS.cacheMemory, "the cache's memory", "cacheNodeType"],
  ["limitsEngine", BOUNDS.redisEngine, "the engine of limits and queues", "limitsNodeType"],
  ["limitsMemory", BOUNDS.limitsMemory, "the memory of limits and queues", "limitsNodeType"],
  ["brokers", BOUNDS.brokers, "the brokers' throughput", "brokerType"],
];

/** What the user should know about a plan: sizes they chose below what the model asks for, and what the app has to do for it. */
export function cloudNotes(
  config: CloudSizingConfig,
  { utilisation, database, cache, limits, users, ...plan }: Omit<CloudPlan, "usage" | "notes">,
): string[] {
  const notes = BOUNDS_OF.filter(([part, bound]) => utilisation[part] > bound + 1e-9).map(
    ([part, bound, what, keys]) =>
      `${what} would be at ${percent(utilisation[part])} in the busiest minute, above the ${percent(bound)} that is planned with; more: ${keys}`,
  );
  const data = Math.ceil((users * DATABASE.dataMb) / 1024 / database.shards);
  if (database.allocatedGb < data) {
    notes.push(
      `the database starts with ${database.allocatedGb} GiB, and a year's data is reckoned as ${data}; it grows by itself to ${database.maxAllocatedGb}`,
    );
  }
  if (database.shards > 1) notes.push(...shardNotes(config, { users, database, load: plan.load }));
  for (const [name, group] of [
    ["cache", cache],
    ["limits", limits],
  ] as const) {
    if (group.shards > 1)
      notes.push(
        `${name}: ${group.shards} shards, because a single engine thread does not answer so many requests; that is Redis in cluster mode`,
      );
  }
  if (config.secondRegion !== undefined) {
    notes.push(
      `second region ${config.secondRegion}: a standby as large as the primary, the same cache and limits, and as many web tasks when it has taken over; one a zone until then`,
    );
  }
  if (config.profile === "prod") {
    const single = [
      plan.network.zones < 3 && `zones is ${plan.network.zones}`,
      plan.network.natGateways < plan.network.zones && `natGateways is ${plan.network.natGateways}`,
      plan.web.minTasks < 2 && `webMinTasks is ${plan.web.minTasks}`,
      database.replicas === 0 && "databaseReplicas is 0",
      cache.nodes < 2 && `cacheNodes is ${cache.nodes}`,
      limits.nodes < 2 && `limitsNodes is ${limits.nodes}`,
    ].filter((text) => text !== false);
    if (single.length > 0) notes.push(`production without a reserve: ${single.join(", ")}; the policy pack refuses it`);
  }
  return notes;
}

/** What several databases mean. */
function shardNotes(
  { databaseClass }: CloudSizingConfig,
  { users, load, database: { shards, replicas } }: Pick<CloudPlan, "users" | "load" | "database">,
): string[] {
  const notes: string[] = [];
  if (leastShards(users, load) > 1) {
    notes.push(`${users} users are more than one primary carries: ${shards} shards, among which the app routes companies (A17)`);
  } else if (databaseClass === undefined) {
    notes.push(
      `${shards} shards, each sized for all companies, because the first has them until they are moved; then a smaller databaseClass may do`,
    );
  }
  const servers = shards * (1 + replicas);
  if (servers > DATABASE.quotaServers) {
    notes.push(
      `${shards} shards are ${servers} servers of RDS, and an account has ${DATABASE.quotaServers} in a region until AWS is asked for more`,
    );
  }
  return notes;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
