import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { BROKER_CLASSES, CACHE_CLASSES, DATABASE_CLASSES, NODE_CLASSES } from "../../../stacks/cloud/classes";
import { cloudPlan } from "../../../stacks/cloud/sizing/plan";
import type { CloudPlan, CloudSizingConfig } from "../../../stacks/cloud/sizing/types";

/** Production on ECS with MSK, unless it says otherwise. */
export function plan(users: number, more: Partial<CloudSizingConfig> = {}): CloudPlan {
  return cloudPlan({ users, profile: "prod", cloudRuntime: "ecs", events: "msk", ...more });
}

/** Message of the refusal. */
export function refusal(users: number, more: Partial<CloudSizingConfig> = {}): string {
  try {
    plan(users, more);
  } catch (error) {
    assert.ok(pulumi.RunError.isInstance(error), String(error));
    return error.message;
  }
  return assert.fail(`accepted ${JSON.stringify({ users, ...more })}`);
}

/** As many small as large ones. */
export const users = fc.double({ min: 0, max: 6, noNaN: true }).map((power) => Math.max(1, Math.round(10 ** power)));

export const surroundings = fc.record({
  profile: fc.constantFrom("prod" as const, "dev" as const),
  cloudRuntime: fc.constantFrom("ecs" as const, "eks" as const),
  events: fc.constantFrom("none" as const, "sqs" as const, "msk" as const),
});

const values = fc.record({
  zones: fc.integer({ min: 2, max: 6 }),
  natGateways: fc.integer({ min: 1, max: 6 }),
  peakRequestsPerSecond: fc.integer({ min: 1, max: 20_000 }),
  workers: fc.integer({ min: 1, max: 16 }),
  webMinTasks: fc.integer({ min: 1, max: 40 }),
  webMaxTasks: fc.integer({ min: 1, max: 200 }),
  dbPoolSize: fc.integer({ min: 1, max: 400 }),
  databases: fc.integer({ min: 1, max: 20 }),
  databaseClass: fc.constantFrom(...DATABASE_CLASSES.map(({ name }) => name)),
  databaseReplicas: fc.integer({ min: 0, max: 15 }),
  databaseStorageGb: fc.integer({ min: 20, max: 65_536 }),
  databaseMaxStorageGb: fc.integer({ min: 22, max: 65_536 }),
  cacheNodeType: fc.constantFrom(...CACHE_CLASSES.map(({ name }) => name)),
  limitsNodeType: fc.constantFrom(...CACHE_CLASSES.map(({ name }) => name)),
  cacheNodes: fc.integer({ min: 1, max: 6 }),
  limitsNodes: fc.integer({ min: 1, max: 6 }),
  brokerType: fc.constantFrom(...BROKER_CLASSES.map(({ name }) => name)),
  nodeType: fc.constantFrom(...Object.values(NODE_CLASSES).flatMap((classes) => classes.map(({ name }) => name))),
  cpuArchitecture: fc.constantFrom("x86_64" as const, "arm64" as const),
});

/** What a user may set: a few of all keys. */
export const choices: fc.Arbitrary<Partial<CloudSizingConfig>> = values.chain((all) =>
  fc
    .subarray(Object.keys(all) as (keyof typeof all)[], { maxLength: 4 })
    .map((keys) => Object.fromEntries(keys.map((key) => [key, all[key]]))),
);

/** A plan, or `undefined` with the sentence added to `refused`. */
export function attempt(count: number, given: Partial<CloudSizingConfig>, refused: string[] = []): CloudPlan | undefined {
  try {
    return plan(count, given);
  } catch (error) {
    if (!pulumi.RunError.isInstance(error)) throw error;
    refused.push(error.message);
    return undefined;
  }
}
