import assert from "node:assert/strict";
import fc from "fast-check";
import { BROKER_CLASSES, DATABASE_CLASSES, FARGATE_SIZES, mostConnections } from "../../../stacks/cloud/classes";
import { BOUNDS, CPU_MS, DATABASE, POOLS } from "../../../stacks/cloud/sizing/ratios";
import { fargateSize } from "../../../stacks/cloud/sizing/tasks";
import type { CloudPlan, CloudSizingConfig, Utilisation } from "../../../stacks/cloud/sizing/types";
import { attempt, choices, plan, surroundings, users } from "./cloud-sizing-support";

/** Everything a plan asks AWS for, as numbers that may only grow with the users. */
function amounts({ web, jobs, consumer, database, cache, limits, events, network, nodes, usage, load }: CloudPlan): Record<string, number> {
  const tasks = Object.entries({ web, jobs, consumer }).flatMap(([name, { minTasks, peakTasks, maxTasks, cpu, memoryMb }]) => [
    [`${name} least vCPU`, (minTasks * cpu) / 1024],
    [`${name} vCPU at peak`, (peakTasks * cpu) / 1024],
    [`${name} most vCPU`, (maxTasks * cpu) / 1024],
    [`${name} most memory`, maxTasks * memoryMb],
  ]);
  const redis = Object.entries({ cache, limits }).flatMap(([name, group]) => [
    [`${name} nodes`, group.nodes * group.shards],
    [`${name} memory`, group.nodeMemoryMb * group.shards],
  ]);
  const numbers = Object.fromEntries(
    Object.entries(usage).filter((entry): entry is [string, number] => typeof entry[1] === "number" && entry[0] !== "averageNodes"),
  );
  const broker = events.kind === "msk" ? BROKER_CLASSES.findIndex(({ name }) => name === events.brokerType) : 0;
  return {
    ...(Object.fromEntries([...tasks, ...redis]) as Record<string, number>),
    requests: load.requests,
    "database vCPU": database.vcpus * database.shards,
    "database memory": database.memoryMb * database.shards,
    "database storage": database.allocatedGb * database.shards,
    "database growth": database.maxAllocatedGb * database.shards,
    "database IOPS": database.iops ?? 0,
    "database connections": database.maxConnections,
    replicas: database.replicas * database.shards,
    brokers: events.kind === "msk" ? events.brokers : 0,
    "broker type": broker,
    "broker storage": events.kind === "msk" ? events.storageGb : 0,
    "NAT gateways": network.natGateways,
    "most node vCPU": nodes === undefined ? 0 : nodes.maxNodes * nodes.vcpus,
    "node vCPU at peak": nodes === undefined ? 0 : nodes.peakNodes * nodes.vcpus,
    "average node vCPU": usage.averageNodes * (nodes?.vcpus ?? 0),
    ...numbers,
  };
}

/** Bounds of a plan nobody interfered with. */
const MOST: Utilisation = {
  web: BOUNDS.web,
  jobs: BOUNDS.queues,
  consumer: BOUNDS.queues,
  primary: BOUNDS.alone,
  replicas: BOUNDS.replicas,
  iops: BOUNDS.iops,
  connections: 1,
  replicaConnections: 1,
  cacheEngine: BOUNDS.redisEngine,
  cacheMemory: BOUNDS.cacheMemory,
  limitsEngine: BOUNDS.redisEngine,
  limitsMemory: BOUNDS.limitsMemory,
  brokers: BOUNDS.brokers,
  nodes: BOUNDS.nodes,
};

/** Connections hold together, whatever was chosen. */
function assertConnections({ web, jobs, consumer, database, proxy }: CloudPlan): void {
  const services = [web, jobs, consumer];
  const sum = (pool: "poolMax" | "replicaPoolMax"): number =>
    services.reduce((total, service) => total + service.maxTasks * service[pool], 0);
  const type = DATABASE_CLASSES.find(({ name }) => name === database.instanceClass)!;
  assert.equal(proxy.pools, sum("poolMax"));
  assert.ok(proxy.pools <= proxy.connections, `${proxy.pools} of ${proxy.connections} connections of the proxy`);
  assert.ok(proxy.connections <= 0.9 * database.maxConnections, `${proxy.connections} of ${database.maxConnections}`);
  assert.ok(database.maxConnections - proxy.connections >= POOLS.reserved, "some are left for people and migrations");
  assert.ok(2 * sum("replicaPoolMax") <= database.maxConnections - POOLS.reserved, "replicas take twice the tasks while they are replaced");
  assert.ok(database.maxConnections <= mostConnections(type), `${database.maxConnections} on ${type.name}`);
  for (const { poolMax, replicaPoolMax, workers } of services)
    assert.ok(poolMax >= workers && replicaPoolMax >= workers, "each worker has one");
}

describe("A14 the sizing model of phase cloud", () => {
  it("plans any number of users, and nothing is busier in the busiest minute than it may be (property)", () => {
    fc.assert(
      fc.property(users, surroundings, (count, where) => {
        const { utilisation, notes, database, ...rest } = plan(count, where);
        for (const [part, most] of Object.entries(MOST) as [keyof Utilisation, number][]) {
          assert.ok(
            utilisation[part] <= most + 1e-9,
            `${part} is at ${utilisation[part]} of ${most} with ${count} users, ${where.profile}`,
          );
        }
        assert.ok(where.profile === "dev" || utilisation.primary <= BOUNDS.primary, "with replicas the primary only writes");
        assert.deepEqual(
          notes.filter((note) => !/shards/.test(note)),
          [],
        );
        assert.ok(database.maxAllocatedGb >= 1.5 * database.allocatedGb && database.maxAllocatedGb <= DATABASE.mostGb);
        assert.ok(count >= 200_000 || database.shards + rest.cache.shards + rest.limits.shards <= 5, "shards are for the largest");
        assertConnections({ utilisation, notes, database, ...rest });
      }),
      { numRuns: 500 },
    );
  });

  it("more users never need less of anything: from one to a million in small steps, and any two (property)", () => {
    const assertGrows = (few: CloudPlan, many: CloudPlan): void => {
      const large = amounts(many);
      for (const [name, value] of Object.entries(amounts(few))) {
        assert.ok(value <= large[name]! + 1e-9, `${name}: ${value} for ${few.users} users, ${large[name]} for ${many.users}`);
      }
    };
    for (const profile of ["prod", "dev"] as const) {
      // Each step is 0.2 % more users: no class, shard or bound lies between two of them unseen.
      let before = plan(1, { profile, cloudRuntime: "eks" });
      for (let step = 1; step <= 7000; step++) {
        const after = plan(Math.min(1_000_000, Math.ceil(1.002 ** step)), { profile, cloudRuntime: "eks" });
        assertGrows(before, after);
        if (profile === "prod")
          assert.ok(after.utilisation.primary <= BOUNDS.primary, `${after.utilisation.primary} with ${after.users} users`);
        before = after;
      }
      assert.equal(before.users, 1_000_000);
    }
    fc.assert(
      fc.property(users, users, surroundings, (one, other, where) =>
        assertGrows(plan(Math.min(one, other), where), plan(Math.max(one, other), where)),
      ),
      { numRuns: 500 },
    );
  });

  it("production has no single point of failure, whatever the size (property)", () => {
    fc.assert(
      fc.property(users, surroundings, (count, where) => {
        const { web, jobs, consumer, database, cache, limits, events, network, nodes } = plan(count, { ...where, profile: "prod" });
        assert.ok(web.minTasks >= 3 && jobs.minTasks >= 2 && (where.events === "none" || consumer.minTasks >= 2));
        assert.ok(database.multiAz && database.replicas >= 1 && cache.nodes >= 3 && limits.nodes >= 2);
        assert.ok(network.zones === 3 && network.natGateways === 3);
        assert.ok(events.kind !== "msk" || (events.brokers >= 3 && events.brokers % network.zones === 0));
        assert.ok(nodes === undefined || (nodes.minNodes >= 3 && nodes.maxNodes > nodes.peakNodes));
        // Burstable classes are for profile dev, but for Redis with little to do.
        assert.doesNotMatch(`${database.instanceClass} ${events.kind === "msk" ? events.brokerType : ""} ${cache.nodeType}`, /\.t\d/);
      }),
    );
  });

  it("autoscaling has room: the least tasks carry half of the busiest minute, the most twice of it (property)", () => {
    fc.assert(
      fc.property(users, surroundings, (count, where) => {
        const { web, jobs, consumer, load } = plan(count, where);
        for (const [service, busy] of [
          [web, load.requests * CPU_MS.web],
          [jobs, load.jobs * CPU_MS.job],
          [consumer, load.events * CPU_MS.event],
        ] as const) {
          const capacity = (tasks: number): number => tasks * (service.cpu / 1024) * 1000;
          assert.ok(service.minTasks <= service.peakTasks && service.peakTasks <= service.maxTasks);
          assert.ok(capacity(service.minTasks) * BOUNDS.queues >= busy / 2 - 1e-6);
          assert.ok(capacity(service.maxTasks) * BOUNDS.queues >= 2 * busy - 1e-6);
        }
        assert.ok(web.requestsPerTarget * web.maxTasks >= load.burstRequests * 60 - web.maxTasks);
      }),
    );
  });

  it("every task is a size Fargate has (property)", () => {
    fc.assert(
      fc.property(users, surroundings, choices, (count, where, given) => {
        const made = attempt(count, { ...where, ...given });
        for (const { cpu, memoryMb } of made === undefined ? [] : [made.web, made.jobs, made.consumer]) {
          const size = FARGATE_SIZES.find((candidate) => candidate.cpu === cpu);
          assert.ok(
            size && memoryMb >= size.least && memoryMb <= size.most && (memoryMb - size.least) % size.step === 0,
            `${cpu}, ${memoryMb}`,
          );
        }
      }),
    );
    assert.throws(() => fargateSize(17), /vcpus: 17 is not allowed; Fargate has at most 16\./);
  });

  it("what the user chose is in the plan, and the plan holds together; else one sentence says why not and what to type (property)", () => {
    const [made, refused] = [[] as CloudPlan[], [] as string[]];
    fc.assert(
      fc.property(users, surroundings, choices, (count, where, given) => {
        const result = attempt(count, { ...where, ...given }, refused);
        if (result === undefined) {
          const message = refused.at(-1)!;
          assert.match(message, /^\w+ is \S+.*; allowed: .+\. Fix: pulumi config (set \w+ \S+|rm \w+)$/);
          assert.doesNotMatch(message, /undefined|NaN|Infinity/);
          return;
        }
        made.push(result);
        assertConnections(result);
        const { web, database, cache, limits, network, nodes, events } = result;
        for (const [mine, wanted] of [
          [network.zones, given.zones],
          [network.natGateways, given.natGateways],
          [result.load.requests, given.peakRequestsPerSecond],
          [web.workers, given.workers],
          [web.minTasks, given.webMinTasks],
          [web.maxTasks, given.webMaxTasks],
          [web.poolMax, given.dbPoolSize],
          [database.shards, given.databases],
          [database.instanceClass, given.databaseClass],
          [database.replicas, given.databaseReplicas],
          [database.allocatedGb, given.databaseStorageGb],
          [database.maxAllocatedGb, given.databaseMaxStorageGb],
          [cache.nodeType, given.cacheNodeType],
          [limits.nodeType, given.limitsNodeType],
          [cache.nodes, given.cacheNodes],
          [limits.nodes, given.limitsNodes],
          [events.kind === "msk" ? events.brokerType : given.brokerType, given.brokerType],
          [nodes?.instanceType ?? given.nodeType, given.nodeType],
        ]) {
          if (wanted !== undefined) assert.equal(mine, wanted);
        }
        for (const [part, share] of Object.entries(result.utilisation))
          assert.ok(share <= 1 || part === "cacheMemory", `${part}: ${share}`);
        assert.ok(database.maxAllocatedGb >= 1.5 * database.allocatedGb);
      }),
      { numRuns: 2000 },
    );
    assert.ok(made.length > 100 && refused.length > 100, `${made.length} plans, ${refused.length} refused`);
  });

  it("what a refusal tells to type ends at a plan (property)", () => {
    fc.assert(
      fc.property(users, surroundings, choices, (count, where, given) => {
        let values: Partial<CloudSizingConfig> = { ...where, ...given };
        const said: string[] = [];
        while (attempt(count, values, said) === undefined) {
          assert.ok(said.length < 15, `advice goes round in circles: ${said.slice(-3).join("\n")}`);
          const [, key, value] = /Fix: pulumi config (?:set|rm) (\w+) ?(\S*)$/.exec(said.at(-1)!)!;
          const typed = value === "" ? undefined : /^\d+$/.test(value!) ? Number(value) : value;
          values = { ...values, [key!]: typed };
        }
      }),
      { numRuns: 1000 },
    );
  });
});
