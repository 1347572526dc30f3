import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { heapLimitMb, neededMemoryMb, residentLimitMb } from "../../../app/src/config/machine";
import { pgbouncerPool, RESERVED_CONNECTIONS } from "../../../components/local/pgbouncer";
import { patroniConfig } from "../../../components/local/postgres";
import { redisContainerMb } from "../../../components/local/redis";
import { loadConfig } from "../../../stacks/config";
import { divide, leastTotal, type Share } from "../../../stacks/lib/share";
import { containersOf, sizing } from "../../../stacks/local/sizing/plan";
import { planTable } from "../../../stacks/local/sizing/table";
import type { Plan, SizingConfig } from "../../../stacks/local/sizing/types";

type Values = Readonly<Record<string, string | number>>;

function configOf(values: Values): SizingConfig {
  const all: Values = { phase: "database", ...values };
  const entries = Object.entries(all).map(([key, value]) => [`phased-stack:${key}`, String(value)]);
  const given = Object.fromEntries(entries) as Record<string, string>;
  return loadConfig({ project: "phased-stack", stack: "dev", values: given, isSecret: () => false });
}

const plan = (values: Values, cpus = 4, memoryMb = 16_000): Plan => sizing(configOf(values), { cpus, memoryMb });

function refusal(values: Values, cpus = 4, memoryMb = 16_000): string {
  return refusalOf(values, cpus, memoryMb) ?? assert.fail(`accepted ${JSON.stringify(values)}`);
}

/** `undefined` when there is a plan. */
function refusalOf(values: Values, cpus: number, memoryMb: number): string | undefined {
  try {
    plan(values, cpus, memoryMb);
    return undefined;
  } catch (error) {
    assert.ok(pulumi.RunError.isInstance(error), String(error));
    return error.message;
  }
}

/** From a small laptop to a server. */
const host = fc.record({ cpus: fc.integer({ min: 2, max: 32 }), memoryMb: fc.integer({ min: 3800, max: 65_536 }) });

/** Any choice of the user's, most of them left alone. */
const choices = fc.record(
  {
    appInstances: fc.integer({ min: 1, max: 12 }),
    workers: fc.integer({ min: 1, max: 8 }),
    appMemoryMb: fc.integer({ min: 192, max: 4096 }),
    workerHeapMb: fc.integer({ min: 32, max: 3072 }),
    appCpus: fc.integer({ min: 1, max: 8 }),
    jobsMemoryMb: fc.integer({ min: 256, max: 2048 }),
    postgresNodes: fc.integer({ min: 2, max: 5 }),
    postgresMemoryMb: fc.integer({ min: 256, max: 8192 }),
    etcdMembers: fc.constantFrom(1, 3),
    dbPoolSize: fc.integer({ min: 4, max: 200 }),
    redisCacheMb: fc.integer({ min: 16, max: 4096 }),
    redisLimitsMb: fc.integer({ min: 16, max: 1024 }),
    memoryBudgetMb: fc.integer({ min: 3000, max: 65_536 }),
    kafka: fc.constantFrom("true", "false"),
    kafkaMemoryMb: fc.integer({ min: 576, max: 4096 }),
    monitoring: fc.constantFrom("true", "false"),
  },
  { requiredKeys: [] },
);

describe("B13 the plan of phase database", () => {
  it("fits every host from a small laptop to 64 GB without a word of configuration (property)", () => {
    fc.assert(
      fc.property(host, ({ cpus, memoryMb }) => {
        const made = plan({}, cpus, memoryMb);
        const total = containersOf(made).reduce((sum, { count, limits }) => sum + count * limits.memoryMb, 0);
        assert.equal(made.totalMb, total);
        assert.ok(total <= made.budgetMb && made.budgetMb < memoryMb, `${total} of ${made.budgetMb} of ${memoryMb}`);
        for (const { name, limits } of containersOf(made)) assert.ok((limits.cpus ?? cpus) <= cpus, name);
        // An idle worker has up to 104 MiB, see app/src/config/machine.ts, and its memory counts as high from 85 % on.
        assert.ok(residentLimitMb(made.app.memoryMb, made.app.workers) * 0.85 > 104, `${made.app.workers} in ${made.app.memoryMb}`);
      }),
    );
  });

  it("fits every small host: one that is just large enough gets fewer workers and connections, and is not refused", () => {
    for (const cpus of [2, 4, 6, 8, 32]) {
      for (let memoryMb = 3800; memoryMb < 6000; memoryMb += 4) {
        const made = plan({}, cpus, memoryMb);
        assert.ok(made.totalMb <= made.budgetMb, `${cpus} CPUs, ${memoryMb} MiB`);
      }
    }
  });

  it("a plan that is made holds together whatever the user chose, and what the user chose is in it (property)", () => {
    let made = 0;
    fc.assert(
      fc.property(host, choices, ({ cpus, memoryMb }, given) => {
        let result: Plan;
        try {
          result = plan(given, cpus, memoryMb);
        } catch (error) {
          if (pulumi.RunError.isInstance(error)) return;
          throw error;
        }
        made += 1;
        const { app, jobs, postgres, pgbouncer, redisCache, redisLimits } = result;
        assert.ok(result.totalMb <= result.budgetMb, `${result.totalMb} of ${result.budgetMb}`);
        for (const [mine, wanted] of [
          [app.memoryMb, given.appMemoryMb],
          [jobs.memoryMb, given.jobsMemoryMb],
          [postgres.memoryMb, given.postgresMemoryMb],
          [pgbouncer.settings.poolSize, given.dbPoolSize],
          [redisCache.maxMemoryMb, given.redisCacheMb],
          [redisLimits.maxMemoryMb, given.redisLimitsMb],
          [app.workers, given.workers],
          [app.heapMb, given.workerHeapMb],
          [result.kafka?.memoryMb ?? given.kafkaMemoryMb, given.kafkaMemoryMb],
        ]) {
          if (wanted !== undefined) assert.equal(mine, wanted);
        }
        assert.equal(redisCache.memoryMb, redisContainerMb(redisCache.maxMemoryMb));
        assert.doesNotThrow(() => patroniConfig({ ...postgres, etcdHosts: ["etcd-1"] }), "Postgres carries its connections");
        const pool = pgbouncerPool(pgbouncer.settings);
        assert.ok(pool.poolSize + pool.reservePoolSize + pool.nodePoolSize + RESERVED_CONNECTIONS <= postgres.maxConnections);
        assert.ok(app.poolMax >= app.workers && app.replicaPoolMax >= app.workers, "each worker has a connection");
        // All app containers, twice while they are replaced, are let in.
        const others = result.consumer === undefined ? 1 : 2;
        const clients = 2 * (app.instances + others) * (app.poolMax + postgres.nodes * app.replicaPoolMax);
        assert.ok(clients <= pgbouncer.settings.maxClients!, `${clients} clients of ${pgbouncer.settings.maxClients}`);
        if (given.appMemoryMb === undefined) assert.ok(app.memoryMb >= neededMemoryMb("database", app.workers, given.workerHeapMb));
      }),
      { numRuns: 600 },
    );
    assert.ok(made > 20, `only ${made} plans were made`);
  });

  it("what does not fit is refused in one sentence with field, value and what is allowed; what it tells to type ends at a plan (property)", () => {
    let refused = 0;
    fc.assert(
      fc.property(host, choices, ({ cpus, memoryMb }, given) => {
        let values: Record<string, string | number> = { ...given };
        // One thing at a time is said, the largest first: with all of them chosen, each is told once, and twice where it follows from another.
        const said = new Set<string>();
        for (;;) {
          assert.ok(!said.has(JSON.stringify(values)) && said.size < 32, `advice goes round in circles: ${JSON.stringify(values)}`);
          said.add(JSON.stringify(values));
          let message: string;
          try {
            plan(values, cpus, memoryMb);
            break;
          } catch (error) {
            assert.ok(pulumi.RunError.isInstance(error), String(error));
            message = error.message;
          }
          refused += 1;
          // What does not go together is said before; there may be several lines of it.
          const [first = ""] = message.split("\n").filter((line) => line.includes("Fix: "));
          const set = /Fix: pulumi config set (\w+) (\S+)$/.exec(first);
          const removed = /Fix: pulumi config rm (\w+)$/.exec(first)?.[1];
          // Each of these hosts carries the stack, so that something the user chose is to blame.
          assert.doesNotMatch(message, /stay in phase cluster/);
          assert.ok(set ?? removed, message);
          if (removed === undefined) values[set![1]!] = set![2]!;
          else values = Object.fromEntries(Object.entries(values).filter(([key]) => key !== removed));
          assert.match(first, /\w+ is \S+.*; allowed: .+\. Fix: /);
        }
      }),
      { numRuns: 400 },
    );
    assert.ok(refused > 20, `only ${refused} were refused`);
  });

  it("B2 three instances on two CPUs start one worker each, unless asked; more CPUs, more workers", () => {
    assert.equal(plan({}, 2).app.workers, 1);
    assert.equal(plan({ workers: 2 }, 2).app.workers, 2);
    assert.equal(plan({ appInstances: 1 }, 2).app.workers, 2);
    assert.equal(plan({}, 16, 32_000).app.workers, 4);
    assert.equal(plan({ appCpus: 2 }, 16, 32_000).app.workers, 2);
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 10 }), ({ cpus }, appInstances) => {
        const { workers } = plan({ appInstances }, cpus, 65_536).app;
        assert.ok(workers === 1 || workers * appInstances <= cpus + appInstances / 2, `${appInstances} × ${workers} on ${cpus}`);
      }),
    );
  });

  it("B14 scaling the app changes nothing about what keeps data, nor about what leads there (property)", () => {
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 8 }), ({ cpus, memoryMb }, appInstances) => {
        fc.pre(memoryMb > 8000);
        const [three, other] = [plan({}, cpus, memoryMb), plan({ appInstances }, cpus, memoryMb)];
        // Where memory is tight the others give way, as README says.
        const room = three.budgetMb - three.totalMb + three.app.instances * three.app.memoryMb;
        fc.pre(appInstances * Math.max(224, neededMemoryMb("database", other.app.workers, undefined)) <= room);
        for (const part of ["postgres", "etcd", "pgbouncer", "postgresProxy", "redisCache", "redisLimits", "loadBalancer"] as const) {
          assert.deepEqual(other[part], three[part], part);
        }
      }),
    );
  });

  it("A7 another size of one service is no other size of another, as long as there is room", () => {
    const before = plan({});
    const [postgres, cache] = [plan({ postgresMemoryMb: 1024 }), plan({ redisCacheMb: 256 })];
    assert.deepEqual([postgres.redisCache, postgres.redisLimits, postgres.jobs], [before.redisCache, before.redisLimits, before.jobs]);
    assert.deepEqual([cache.postgres, cache.redisLimits, cache.jobs], [before.postgres, before.redisLimits, before.jobs]);
    // Without room the others give way.
    assert.ok(plan({ postgresMemoryMb: 3500 }).redisCache.maxMemoryMb < before.redisCache.maxMemoryMb);
  });

  it("half a gigabyte more is never a smaller server; less more may pay for another worker and connection with one step of them (property)", () => {
    fc.assert(
      fc.property(host, fc.integer({ min: 0, max: 8192 }), ({ cpus, memoryMb }, more) => {
        const [small, large] = [plan({}, cpus, memoryMb), plan({}, cpus, memoryMb + more)];
        // A worker more in each of three instances, and what a connection more takes in three servers.
        const paid = more < 512 ? 48 : 0;
        assert.ok(large.postgres.memoryMb >= small.postgres.memoryMb - paid);
        assert.ok(large.redisCache.maxMemoryMb >= small.redisCache.maxMemoryMb - paid);
      }),
    );
  });

  it("B3 Redis gets at most 4 GB by itself, and what it is told to have", () => {
    assert.equal(plan({}, 32, 131_072).redisCache.maxMemoryMb, 4096);
    assert.equal(plan({ redisCacheMb: 5000 }, 32, 131_072).redisCache.maxMemoryMb, 5000);
  });

  it("names the field that is too large, and where the limit comes from", () => {
    assert.equal(
      refusal({ postgresMemoryMb: 8000 }, 2, 8000),
      "postgresMemoryMb is 8000 for each of 3 containers, with which all containers need at least 26012 MiB; allowed: at most 1596, to stay within " +
        "the 6800 MiB the stack may use of the Docker host's 8000. Fix: pulumi config set postgresMemoryMb 1596",
    );
    assert.match(
      refusal({ appInstances: 40 }, 2, 8000),
      /^appInstances is 40, .* allowed: at most \d+, .* Fix: pulumi config set appInstances/,
    );
    assert.match(refusal({ postgresMemoryMb: 256 }), /^postgresMemoryMb is 256, but 75 connections need 400 MiB; allowed: at least 400,/);
    assert.match(refusal({ memoryBudgetMb: 2000 }), /^memoryBudgetMb is 2000; allowed: at least \d+, what all containers need\. Fix:/);
    assert.match(refusal({ memoryBudgetMb: 20_000 }), /^memoryBudgetMb is 20000; allowed: at most 16000, the memory of the Docker host/);
    assert.match(refusal({ dbPoolSize: 1000 }), /^dbPoolSize is 1000, with which the app may open \d+ connections/);
    assert.match(refusal({ workers: 64, appInstances: 50 }), /^workers is 64 for each of 50 instances/);
    assert.match(refusal({}, 2, 2000), /^the Docker host is too small for phase database: .* pulumi config set phase cluster$/);
  });

  it("B13 too many workers and too large a heap are said to be that, and their advice ends at a plan with them", () => {
    assert.match(
      refusal({ workerHeapMb: 3072 }, 4, 8000),
      /^workerHeapMb is 3072, with which all containers need at least \d+ MiB; allowed: at most \d+, .* Fix: pulumi config set workerHeapMb \d+$/,
    );
    // Its memory was raised for it: both are to be less, the heap first.
    assert.match(refusal({ workerHeapMb: 3072, appMemoryMb: 4096 }, 4, 8000), /^workerHeapMb is 3072, /);
    assert.match(refusal({ workers: 8 }, 4, 5000), /^workers is 8 for each of 3 containers, .* Fix: pulumi config set workers [1-7]$/);
    assert.match(refusal({ workers: 8, appMemoryMb: 1104 }, 4, 5000), /^workers is 8 for each of 3 containers, /);
    const least = Number(/set appMemoryMb (\d+)$/.exec(refusal({ workers: 2, appMemoryMb: 2000 }, 4, 5000))?.[1]);
    assert.ok(least >= neededMemoryMb("database", 2, undefined));
    assert.equal(plan({ workers: 2, appMemoryMb: least }, 4, 5000).app.memoryMb, least);
    // With the least of everything else it is the two members more.
    const small = { etcdMembers: 3, appInstances: 1, postgresNodes: 2 };
    let memoryMb = 3800;
    while (refusalOf(small, 4, memoryMb) === undefined) memoryMb -= 32;
    assert.match(
      refusal(small, 4, memoryMb),
      /^etcdMembers is 3, .*; allowed: 1 in a stack that has no etcd yet, .* Fix: pulumi config set etcdMembers 1$/,
    );
  });

  it("C1 memory that was given to Postgres decides how many connections there are, where their number was not", () => {
    // On many CPUs with much memory there would be more.
    const given = plan({ postgresMemoryMb: 400 }, 16, 32_000);
    assert.equal(given.postgres.memoryMb, 400);
    assert.ok(given.postgres.maxConnections < plan({}, 16, 32_000).postgres.maxConnections);
  });

  it("A9 the heap in the plan is the one the app makes for itself; a heap that is given is the web's alone", () => {
    const made = plan({ kafka: "true", workers: 2, workerHeapMb: 100 });
    assert.equal(made.app.heapMb, 100);
    assert.equal(made.jobs.heapMb, heapLimitMb(undefined, made.jobs.memoryMb));
    assert.equal(made.consumer?.heapMb, 192);
    const derived = plan({ workers: 2 }).app;
    assert.equal(derived.heapMb, heapLimitMb(undefined, residentLimitMb(derived.memoryMb, 2)));
  });

  it("B5 Kafka is three brokers and a consumer in the plan, whose limits add up to no more than without it", () => {
    const [without, made] = [plan({ kafkaMemoryMb: 800 }, 2, 8000), plan({ kafka: "true" }, 2, 8000)];
    assert.deepEqual([without.kafka, without.consumer], [undefined, undefined]);
    assert.deepEqual(made.kafka, { brokers: 3, memoryMb: 640, heapMb: 256, cpus: 2 });
    assert.ok(made.totalMb <= made.budgetMb && made.consumer!.poolMax >= 1);
    assert.deepEqual(plan({ kafka: "true", kafkaMemoryMb: 1000 }).kafka, { brokers: 3, memoryMb: 1000, heapMb: 616, cpus: 2 });
    assert.match(planTable(made, { cpus: 2, memoryMb: 8000 }), /^kafka +3 +640 MiB +2 +heap 256 MiB$/m);
    assert.match(
      refusal({ kafka: "true", kafkaMemoryMb: 4000 }, 2, 8000),
      /^kafkaMemoryMb is 4000 for each of 3 containers, .* Fix: pulumi/,
    );
    const tooMuch = refusal({ kafka: "true" }, 2, 5000);
    assert.match(
      tooMuch,
      /^kafka is true, with which all containers need at least \d+ MiB; allowed: false, .* Fix: pulumi config set kafka false$/,
    );
  });

  it("A13 the monitoring is in the plan: it takes from the app and not from the budget; without room it is what to switch off", () => {
    const [without, made] = [plan({}, 2, 8000), plan({ monitoring: "true" }, 2, 8000)];
    assert.deepEqual([without.prometheus, without.alertmanager, without.exporters], [undefined, undefined, undefined]);
    const watching = containersOf(made).filter(({ name }) => !containersOf(without).some((other) => other.name === name));
    assert.deepEqual(
      watching.map(({ name, count, limits }) => [name, count, limits.memoryMb, limits.cpus]),
      [
        ["prometheus", 1, 384, 1],
        ["alertmanager", 1, 64, 1],
        ["exporters", 4, 64, 1],
      ],
    );
    assert.ok(made.totalMb <= made.budgetMb);
    assert.match(planTable(made, { cpus: 2, memoryMb: 8000 }), /^exporters +4 +64 MiB +1/m);
    assert.match(
      refusal({ monitoring: "true" }, 2, 4000),
      /^monitoring is true, with which all containers need at least \d+ MiB; allowed: false, .* Fix: pulumi config set monitoring false$/,
    );
    assert.match(
      refusal({ monitoring: "true", kafka: "true" }, 2, 4000),
      /^monitoring is true, .* Fix: pulumi config set monitoring false$/,
    );
  });

  it("B9 Grafana is in the plan where there is an image of it", () => {
    const withGrafana = sizing({ ...configOf({ monitoring: "true" }), grafana: true }, { cpus: 2, memoryMb: 8000 });
    assert.deepEqual(withGrafana.grafana, { memoryMb: 512, cpus: 1 });
    assert.ok(withGrafana.totalMb <= withGrafana.budgetMb);
    assert.equal(plan({ monitoring: "true" }).grafana, undefined);
    assert.equal(sizing({ ...configOf({}), grafana: true }, { cpus: 2, memoryMb: 8000 }).grafana, undefined);
  });

  it("is told as a table: every container once, its limits, what it is set to", () => {
    const lines = planTable(plan({}, 2, 8000), { cpus: 2, memoryMb: 8000 }).split("\n");
    assert.match(lines[0]!, /^plan for this Docker host \(2 CPUs, 8000 MiB\): \d+ MiB at most of 6800 MiB$/);
    assert.match(lines[1]!, /^container +count +memory +CPUs +set to$/);
    assert.equal(lines.length, 4 + containersOf(plan({})).length);
    assert.match(
      lines.find((line) => line.startsWith("app "))!,
      /^app +3 +\d+ MiB +all +1 worker each, heap \d+ MiB, pool \d+ \+ \d+ a server$/,
    );
    assert.match(lines.at(-1)!, /^migrate +1 +256 MiB +all +migrates before the app starts, .* beside the sum$/);
    assert.doesNotMatch(planTable(plan({ image: "registry.example.com/shop:1" }), { cpus: 2, memoryMb: 8000 }), /migrate/);
    assert.match(lines.at(-2)!, /^data-move +1 +384 MiB +all +moves rows before the app starts, .* beside the sum$/);
    for (const without of [plan({ moveData: "false" }), plan({ image: "registry.example.com/shop:1" })])
      assert.doesNotMatch(planTable(without, { cpus: 2, memoryMb: 8000 }), /data-move/);
    assert.match(
      lines.find((line) => line.startsWith("postgres "))!,
      /^postgres +3 +\d+ MiB +all +shared_buffers \d+MB, work_mem \d+kB, max_/,
    );
    // Columns: all figures of one end at the same place.
    assert.equal(new Set(lines.slice(2).map((line) => line.indexOf(" MiB"))).size, 1);
  });
});

describe("shares of a budget", () => {
  const share = fc
    .record({
      count: fc.integer({ min: 1, max: 10 }),
      least: fc.nat(500),
      room: fc.nat(5000),
      weight: fc.nat(50),
    })
    .map(({ room, ...rest }): Share => ({ ...rest, most: rest.least + room }));

  it("everybody has the least, nobody more than the most, together no more than there is (property)", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ minLength: 1 }), share, { maxKeys: 6 }), fc.nat(60_000), (shares, more) => {
        const budget = leastTotal(shares) + more;
        const sizes = divide(budget, shares);
        let used = 0;
        for (const [name, { count, least, most, weight }] of Object.entries(shares)) {
          const size = sizes[name]!;
          assert.ok(Number.isInteger(size) && size >= least && size <= most, `${name}: ${size}`);
          if (weight === 0) assert.equal(size, least);
          used += count * size;
        }
        assert.ok(used <= budget);
        // What is left is rounding, or nobody has a use for it.
        const growing = Object.entries(shares).filter(([name, { most, weight }]) => weight > 0 && sizes[name]! < most);
        if (growing.length > 0) assert.ok(budget - used < growing.reduce((sum, [, { count }]) => sum + count, 0) + 1);
      }),
    );
  });

  it("refuses a budget below the least", () => {
    assert.throws(() => divide(9, { a: { count: 2, least: 5, most: 9, weight: 1 } }), /a budget of 9 is less than 10, which is needed/);
  });
});
