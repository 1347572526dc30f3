import assert from "node:assert/strict";
import { BROKER_CLASSES, CACHE_CLASSES, DATABASE_CLASSES, mostConnections, NODE_CLASSES } from "../../../stacks/cloud/classes";
import { WRITES_PER_SHARD } from "../../../stacks/cloud/sizing/database";
import { BOUNDS, CPU_MS } from "../../../stacks/cloud/sizing/ratios";
import { cloudPlanTable } from "../../../stacks/cloud/sizing/table";
import { plan, refusal } from "./cloud-sizing-support";

describe("A14 sizes of phase cloud by example", () => {
  it("1,000, 10,000 and 50,000 users: the three sizes of the feature list", () => {
    const brief = (count: number) => {
      const { load, web, database, cache, limits, network } = plan(count);
      return {
        requests: load.requests,
        web: `${web.minTasks}–${web.maxTasks} × ${web.workers}`,
        database: `${database.instanceClass} + ${database.replicas}, ${database.allocatedGb}–${database.maxAllocatedGb} GiB, ${database.maxConnections}`,
        redis: `${cache.nodes} × ${cache.nodeType}, ${limits.nodes} × ${limits.nodeType}`,
        network,
      };
    };
    const network = { zones: 3, natGateways: 3 };
    assert.deepEqual(brief(1000), {
      requests: 100,
      web: "3–6 × 2",
      database: "db.m6g.large + 1, 100–200 GiB, 550",
      redis: "3 × cache.m7g.large, 2 × cache.t4g.medium",
      network,
    });
    assert.deepEqual(brief(10_000), {
      requests: 1000,
      web: "3–6 × 2",
      database: "db.r6g.large + 1, 260–520 GiB, 600",
      redis: "3 × cache.m7g.large, 2 × cache.t4g.medium",
      network,
    });
    assert.deepEqual(brief(50_000), {
      requests: 5000,
      web: "5–20 × 2",
      database: "db.r6g.2xlarge + 2, 1270–2540 GiB, 2150",
      redis: "3 × cache.r7g.large, 2 × cache.m7g.large",
      network,
    });
    const { database, cache } = plan(1_000_000);
    assert.deepEqual([database.shards, cache.shards], [5, 10]);
  });

  it("a primary's storage is full before its CPU, so that shards follow from the writes", () => {
    const largest = DATABASE_CLASSES.at(-1)!;
    assert.ok((WRITES_PER_SHARD * CPU_MS.write) / 1000 <= largest.vcpus * BOUNDS.primary);
    assert.equal(plan(Math.floor(WRITES_PER_SHARD / 0.05)).database.shards, 1);
    assert.equal(plan(Math.floor(WRITES_PER_SHARD / 0.05) + 10).database.shards, 2);
  });

  it("A17 several databases are each as large as one that has all companies, until the user says that they are divided", () => {
    const brief = (more: Parameters<typeof plan>[1]) => {
      const { database, proxy, utilisation, notes } = plan(50_000, more);
      return [
        database.shards,
        database.instanceClass,
        database.allocatedGb,
        database.replicas,
        proxy.connections,
        utilisation.primary,
        notes,
      ];
    };
    const one = brief({});
    const [, ...rest] = one;
    const note = (count: number): string =>
      `${count} shards, each sized for all companies, because the first has them until they are moved; then a smaller databaseClass may do`;
    assert.deepEqual(one.at(-1), []);
    assert.deepEqual(brief({ databases: 1 }), one);
    assert.deepEqual(brief({ databases: 2 }), [2, ...rest.slice(0, -2), Number(one[5]) / 2, [note(2)]], "adding one changes no server");
    const divided = plan(50_000, { databases: 4, databaseClass: "db.m6g.large", databaseStorageGb: 400 });
    assert.equal(divided.database.instanceClass, "db.m6g.large", "one of four is 47 % busy, where the only one would be 188 %");
    assert.ok(Math.abs(divided.utilisation.primary - 0.46875) < 1e-9);
    assert.deepEqual(divided.notes, []);
    assert.deepEqual(plan(50_000, { databases: 20 }).notes, [
      note(20),
      "20 shards are 60 servers of RDS, and an account has 40 in a region until AWS is asked for more",
    ]);
    const needed = plan(300_000).notes.find((text) => text.includes("more than one primary"));
    assert.equal(needed, "300000 users are more than one primary carries: 2 shards, among which the app routes companies (A17)");
    assert.match(refusal(300_000, { databases: 1 }), /^databases is 1, and requests write 15000 times a second, .*; allowed: at least 2\./);
    assert.match(refusal(1000, { databases: 21 }), /^databases is 21; allowed: an integer from 1 to 20 /);
  });

  it("events decide about the consumer: none, a queue, or brokers with a partition for each task", () => {
    const none = plan(10_000, { events: "none" });
    assert.deepEqual([none.events, none.consumer.maxTasks, none.consumer.minTasks], [{ kind: "none" }, 0, 0]);
    assert.equal(plan(10_000, { events: "sqs" }).events.kind, "sqs");
    for (const count of [1000, 50_000, 900_000]) {
      const { events, consumer } = plan(count);
      assert.ok(events.kind === "msk" && events.partitions >= consumer.maxTasks && events.partitions % 12 === 0);
    }
  });

  it("brokers are spread evenly over the zones, with three copies in production", () => {
    const brokers = (zones: number, profile: "prod" | "dev"): number => {
      const { events } = plan(1000, { zones, profile });
      return events.kind === "msk" ? events.brokers : 0;
    };
    assert.deepEqual([brokers(2, "prod"), brokers(3, "prod"), brokers(6, "prod"), brokers(2, "dev")], [4, 3, 3, 2]);
  });

  it("classes are in the order of what they have, so that the first that fits is the smallest", () => {
    for (const classes of [DATABASE_CLASSES, CACHE_CLASSES, BROKER_CLASSES, ...Object.values(NODE_CLASSES)]) {
      for (const [index, { name, vcpus, memoryMb }] of classes.entries()) {
        const next = classes[index + 1];
        if (next !== undefined) assert.ok(next.vcpus >= vcpus && next.memoryMb > memoryMb, `${name} before ${next.name}`);
      }
    }
    assert.deepEqual(DATABASE_CLASSES.map(mostConnections), [405, 811, 1622, 3244, 5000, 5000, 5000, 5000, 5000]);
  });

  it("nodes of EKS are of the architecture the image is for", () => {
    const nodes = (more: Parameters<typeof plan>[1]): string | undefined =>
      plan(10_000, { cloudRuntime: "eks", ...more }).nodes?.instanceType;
    assert.deepEqual([nodes({}), nodes({ cpuArchitecture: "arm64" })], ["m6i.xlarge", "m6g.xlarge"]);
    assert.deepEqual([nodes({ nodeType: "m6i.2xlarge" }), plan(10_000).nodes], ["m6i.2xlarge", undefined]);
    assert.equal(
      refusal(1000, { cloudRuntime: "eks", nodeType: "m6g.large" }),
      "nodeType is m6g.large, and the image is for x86_64 (cpuArchitecture); allowed: m6i.large, m6i.xlarge, m6i.2xlarge, m6i.4xlarge. " +
        "Fix: pulumi config set nodeType m6i.xlarge",
    );
  });

  it("dev is one of everything", () => {
    const { web, database, cache, limits, network } = plan(1000, { profile: "dev", events: "none" });
    assert.deepEqual([web.cpu, web.memoryMb, web.minTasks, web.workers], [512, 1024, 1, 1]);
    assert.deepEqual([database.instanceClass, database.multiAz, database.replicas], ["db.t4g.medium", false, 0]);
    assert.deepEqual([cache.nodes, limits.nodes, network], [1, 1, { zones: 2, natGateways: 1 }]);
  });

  it("what the user chose too small for the bounds, and not for the load, is told in a note; what production must not be as well", () => {
    assert.match(
      plan(50_000, { databaseClass: "db.r6g.xlarge" }).notes.join("\n"),
      /the primary's CPU would be at 94 % .* above the 90 % .* more: databaseClass/,
    );
    assert.match(plan(50_000, { cacheNodeType: "cache.m7g.large" }).notes.join("\n"), /the cache's memory would be at 102 %/);
    assert.match(
      plan(10_000, { databaseStorageGb: 100 }).notes.join("\n"),
      /starts with 100 GiB, and a year's data is reckoned as 196; it grows by itself to 200/,
    );
    assert.deepEqual(plan(1000, { natGateways: 1, databaseReplicas: 0 }).notes, [
      "production without a reserve: natGateways is 1, databaseReplicas is 0; the policy pack refuses it",
    ]);
    assert.deepEqual(plan(1000, { natGateways: 1, profile: "dev" }).notes, []);
  });

  it("refuses what cannot be in one sentence: field, value, what is allowed, what to type", () => {
    assert.equal(
      refusal(0),
      "users is 0; allowed: an integer from 1 to 1000000 (people at work at the same time). Fix: pulumi config set users 1000",
    );
    assert.match(refusal(1_000_001), /^users is 1000001; allowed: an integer from 1 to 1000000 /);
    assert.match(refusal(1.5), /^users is 1\.5; /);
    assert.equal(
      refusal(1000, { zones: 3, natGateways: 4 }),
      "natGateways is 4, but there are 3 zones; allowed: at most one a zone, 3. Fix: pulumi config set natGateways 3",
    );
    assert.match(refusal(1000, { webMinTasks: 5, webMaxTasks: 4 }), /^webMinTasks is 5, but webMaxTasks is 4; allowed: at most 4\. Fix/);
    assert.equal(
      refusal(50_000, { webMaxTasks: 5 }),
      "webMaxTasks is 5, but 5000 requests a second keep 6 tasks busy; allowed: at least 6, better 10. Fix: pulumi config set webMaxTasks 10",
    );
    assert.equal(
      refusal(50_000, { databaseClass: "db.m6g.large" }),
      "databaseClass is db.m6g.large, whose CPUs would be 188 % busy in the busiest minute; allowed: db.r6g.2xlarge or larger. " +
        "Fix: pulumi config set databaseClass db.r6g.2xlarge",
    );
    assert.match(
      refusal(1000, { databaseClass: "db.r9.huge" }),
      /^databaseClass is db\.r9\.huge; allowed: db\.t4g\.medium, db\.m6g\.large, .* Fix/,
    );
    assert.match(
      refusal(1000, { dbPoolSize: 2000 }),
      /^dbPoolSize is 2000, with which all tasks ask for \d+ connections, .* allowed: at most \d+\. Fix/,
    );
    assert.match(refusal(1000, { dbPoolSize: 1 }), /^dbPoolSize is 1, and 2 workers need a connection each; allowed: at least 4\. Fix/);
    assert.equal(
      refusal(1000, { databaseStorageGb: 100, databaseMaxStorageGb: 120 }),
      "databaseMaxStorageGb is 120, but the database starts with 100 GiB; allowed: at least 150, 1.5 times the first size. " +
        "Fix: pulumi config set databaseMaxStorageGb 150",
    );
    assert.match(
      refusal(1000, { databaseStorageGb: 50_000 }),
      /^databaseStorageGb is 50000, and could not grow .* allowed: at most 43690\./,
    );
    assert.match(
      refusal(50_000, { databaseStorageGb: 300 }),
      /^databaseStorageGb is 300, which has 3000 I\/O operations a second, and writes need 10000;/,
    );
    assert.match(
      refusal(100_000, { limitsNodeType: "cache.t4g.small" }),
      /^limitsNodeType is cache\.t4g\.small, whose engine would be 125 % busy/,
    );
    assert.match(
      refusal(100_000, { brokerType: "kafka.t3.small" }),
      /^brokerType is kafka\.t3\.small, of which 3 do not take 2\.4 MB a second/,
    );
    assert.match(
      refusal(1000, { cloudRuntime: "eks", workers: 8, nodeType: "m6i.xlarge" }),
      /^nodeType is m6i\.xlarge, which has 4 virtual CPUs, and a task has 8/,
    );
  });

  it("is told as a table: every service once, with its size, how busy it is and what it is set to", () => {
    const lines = cloudPlanTable(plan(50_000, { cloudRuntime: "eks" })).split("\n");
    assert.equal(
      lines[0],
      "plan for 50000 users (profile prod): 5,000 requests a second in the busiest minute, 10,000 with the most tasks",
    );
    assert.match(lines[1]!, /^service +count +size +at peak +set to$/);
    const names = lines.slice(2).map((line) => line.split(" ")[0]);
    assert.deepEqual(names, ["web", "jobs", "consumer", "database", "replicas", "proxy", "cache", "limits", "events", "nodes", "NAT"]);
    assert.match(
      lines[2]!,
      /^web +5–20 +2 vCPU, 4096 MiB +10 at 60 % +2 workers, pool 20, 30 a replica, scales at 30000 requests a minute$/,
    );
    assert.match(
      lines[5]!,
      /^database +1 +db\.r6g\.2xlarge \(8 vCPU, 64 GiB\) +47 % +Multi-AZ, 1270 GiB, grows to 2540, 14500 IOPS, max_connections 2150$/,
    );
    assert.match(cloudPlanTable(plan(1000, { natGateways: 1 })), /\nnote: production without a reserve/);
    assert.match(cloudPlanTable(plan(1000, { events: "sqs" })), /\nevents +SQS +11,826,000 requests a month\n/);
  });
});
