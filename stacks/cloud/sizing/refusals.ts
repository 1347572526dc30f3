import * as pulumi from "@pulumi/pulumi";
import { DATABASE, REDIS, USERS } from "./ratios";
import type { CloudSizingConfig } from "./types";

/** A value that cannot be: which key, what it is, why not, what may be, and one that works. */
interface Refusal {
  readonly key: keyof CloudSizingConfig;
  readonly value: string | number;
  /** Completes "KEY is VALUE, …". */
  readonly because?: string;
  readonly allowed: string;
  /** A value to type; without one the key is better removed. */
  readonly fix?: string | number;
}

/** One sentence for a value that cannot be, for people who set it. */
export function refusal({ key, value, because, allowed, fix }: Refusal): pulumi.RunError {
  const command = fix === undefined ? `pulumi config rm ${key}` : `pulumi config set ${key} ${fix}`;
  return new pulumi.RunError(`${key} is ${value}${because === undefined ? "" : `, ${because}`}; allowed: ${allowed}. Fix: ${command}`);
}

/** Bounds of the numbers a user may set; what they are together is looked at while sizes are planned. */
const NUMBERS: readonly (readonly [key: keyof CloudSizingConfig, least: number, most: number, unit: string, example: number])[] = [
  ["users", USERS.least, USERS.most, "people at work at the same time", 1000],
  ["zones", 2, 6, "availability zones; RDS and the load balancer need two", 3],
  ["natGateways", 1, 6, "NAT gateways", 1],
  ["peakRequestsPerSecond", 1, 200_000, "requests a second", 100],
  ["workers", 1, 16, "worker processes of a task; Fargate has at most 16 virtual CPUs", 2],
  ["webMinTasks", 1, 5000, "tasks; ECS has at most 5,000 in a service", 2],
  ["webMaxTasks", 1, 5000, "tasks; ECS has at most 5,000 in a service", 10],
  ["dbPoolSize", 1, 5000, "connections of a task", 20],
  ["databases", 1, DATABASE.mostShards, "databases; an account has no more proxies of RDS in a region", 2],
  ["databaseReplicas", 0, DATABASE.mostReplicas, "read replicas; RDS has no more for a source", 1],
  ["databaseStorageGb", 20, DATABASE.mostGb, "GiB; gp3 has no less and no more", 100],
  ["databaseMaxStorageGb", 22, DATABASE.mostGb, "GiB; gp3 has no more", 200],
  ["cacheNodes", 1, REDIS.mostNodes, "nodes of a shard", 3],
  ["limitsNodes", 1, REDIS.mostNodes, "nodes of a shard", 2],
];

/**
 * Refuses numbers out of their bounds, and those that contradict each other whatever the size.
 * @throws RunError for the first of them.
 */
export function checkNumbers(config: CloudSizingConfig): void {
  for (const [key, least, most, unit, example] of NUMBERS) {
    const value = config[key];
    if (value === undefined) continue;
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      throw refusal({ key, value, allowed: `an integer from ${least} to ${most} (${unit})`, fix: example });
    }
  }
  const { zones, natGateways, webMinTasks, webMaxTasks, profile } = config;
  const own = zones ?? defaultZones(profile);
  if (natGateways !== undefined && natGateways > own) {
    throw refusal({
      key: "natGateways",
      value: natGateways,
      because: `but there are ${own} zones`,
      allowed: `at most one a zone, ${own}`,
      fix: own,
    });
  }
  if (webMinTasks !== undefined && webMaxTasks !== undefined && webMinTasks > webMaxTasks) {
    throw refusal({
      key: "webMinTasks",
      value: webMinTasks,
      because: `but webMaxTasks is ${webMaxTasks}`,
      allowed: `at most ${webMaxTasks}`,
      fix: webMaxTasks,
    });
  }
}

/** Zones unless the user says how many: three in production (cloud.md), so that two are left when one is lost. */
export function defaultZones(profile: CloudSizingConfig["profile"]): number {
  return profile === "prod" ? 3 : 2;
}
