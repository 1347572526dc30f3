import assert from "node:assert/strict";
import type Docker from "dockerode";
import { watch } from "../../../toolchain/commands/status";
import { type StackStatus, stackStatus } from "../../../toolchain/lib/docker-status";
import { InterruptedError } from "../../../toolchain/lib/errors";
import { refusalOf } from "../../../toolchain/lib/kafka-restart";
import { kafkaStatus } from "../../../toolchain/lib/kafka-status";
import type { ExportedResource, ExportedStack } from "../../../toolchain/lib/update-recovery";
import { fakeContainer } from "../../support/verify-context";

const NETWORK = "shop-net-1";
const CONTAINER = "docker:index/container:Container";

/** A container of the fake stack, as its state and as Docker have it. */
interface Made {
  readonly name: string;
  readonly service: string;
  readonly node?: string;
}

const app = (index: number): Made => ({ name: `app-${index}`, service: "app" });
const BALANCER: Made = { name: "load-balancer-haproxy", service: "load-balancer" };
const STACK: readonly Made[] = [app(0), app(1), app(2), BALANCER];

const labelsOf = ({ service, node }: Made): Record<string, string> => ({
  "phased-stack.stack": "shop",
  "phased-stack.service": service,
  ...(node === undefined ? {} : { "phased-stack.node": node }),
});

const resource = (made: Made, more: Partial<ExportedResource> = {}): ExportedResource => ({
  urn: `urn:pulumi:shop::phased-stack::${CONTAINER}::${made.name}`,
  type: CONTAINER,
  id: `id-${made.name}`,
  outputs: {
    name: `${made.name}-0abc123`,
    labels: Object.entries(labelsOf(made)).map(([label, value]) => ({ label, value })),
    networksAdvanced: [{ name: NETWORK }],
  },
  ...more,
});

const NETWORK_RESOURCE = {
  urn: "urn:pulumi:shop::p::docker:index/network:Network::net",
  type: "docker:index/network:Network",
  id: "net-id",
};
const exportedOf = (...resources: readonly ExportedResource[]): ExportedStack => ({
  deployment: { resources: [{ ...NETWORK_RESOURCE, outputs: { name: NETWORK } }, ...resources] },
});
const stateOf = (...all: readonly Made[]): ExportedStack => exportedOf(...all.map((made) => resource(made)));

/** How a container of the fake engine differs from one that is well. */
interface Odd {
  readonly health?: string;
  readonly networks?: Readonly<Record<string, { NetworkID: string }>>;
  readonly id?: string;
  readonly stats?: () => Promise<unknown>;
  readonly inspect?: () => Promise<unknown>;
}

const STATS = {
  cpu_stats: { cpu_usage: { total_usage: 0 } },
  precpu_stats: { cpu_usage: { total_usage: 0 } },
  memory_stats: {},
};
const REPORT = JSON.stringify({
  full: {
    status: "ok",
    components: {
      cluster: {
        ...{ clustering: false, primary: { pid: 1, uptimeSeconds: 1 }, workersWanted: 1, respawns: { total: 0 } },
        workers: [{ id: 1, slot: 1, pid: 1, state: "ready", uptimeSeconds: 1, restarts: 0, memory: null }],
        reloads: { completed: 0, failed: 0, running: false, last: null },
      },
    },
  },
  scaling: { eventLoop: { utilization: 0, delayP99Ms: 1 }, recommendation: { action: "none", reason: "fine" } },
});
const BROKER_STATE = JSON.stringify({
  ...{ broker: 2, brokers: [2, 3] },
  partitions: [{ topic: "company-events", partition: 0, leader: 2, replicas: [1, 2, 3], inSync: [2, 3] }],
});

/** An engine with these containers. @param states of the load balancer's servers */
function engineWith(containers: readonly Made[], states: readonly string[], odd: Readonly<Record<string, Odd>> = {}): Docker {
  const csv = ["# pxname,svname,scur,status,bck,", ...states.map((state, index) => `app,app${index + 1},0,${state},0,`), ""].join("\n");
  const infos = containers.map((made) => ({
    Id: odd[made.name]?.id ?? `id-${made.name}`,
    Names: [`/${made.name}-0abc123`],
    State: "running",
    Status: "Up 3 minutes (healthy)",
    Labels: labelsOf(made),
    Mounts: [],
    NetworkSettings: { Networks: odd[made.name]?.networks ?? { [NETWORK]: { NetworkID: "net-id" } } },
  }));
  const answer = ([program]: readonly string[]): string | Error => {
    if (program === "node") return REPORT;
    if (program === "bash") return csv;
    return program === "broker-state" ? BROKER_STATE : new Error(`${program ?? ""} is not there`);
  };
  const getContainer = (id: string): object => {
    const made = containers.find(({ name }) => id === (odd[name]?.id ?? `id-${name}`));
    const { health = "healthy", stats, inspect } = odd[made?.name ?? ""] ?? {};
    const inspected = {
      State: { StartedAt: "2026-11-22T08:00:00Z", Health: { Status: health } },
      ...{ Config: { Image: "app:1" }, HostConfig: { Memory: 0 }, RestartCount: 0 },
    };
    return Object.assign(fakeContainer(answer), {
      stats: stats ?? (() => Promise.resolve(STATS)),
      inspect: inspect ?? (() => Promise.resolve(inspected)),
    });
  };
  return { listContainers: () => Promise.resolve(infos), getContainer } as unknown as Docker;
}

const UP = ["UP", "UP", "UP"];
const statusOf = (docker: Docker, exported: ExportedStack): Promise<StackStatus> =>
  stackStatus(docker, { name: "shop", exported }, { phase: "cluster", url: null });
const found = ({ state, findings }: StackStatus): string[] => [
  state,
  ...findings.map(({ severity, what, runbook }) => `${severity} ${runbook}: ${what}`),
];

describe("status of a stack of which something is not there", () => {
  it("is up when everything of its state is there", async () => {
    assert.deepEqual(found(await statusOf(engineWith(STACK, UP), stateOf(...STACK))), ["up"]);
  });

  it("names each container that was removed, with the page for its service", async () => {
    const others: readonly Made[] = [
      ...[{ name: "jobs-0", service: "jobs" } as const, { name: "consumer-0", service: "consumer" } as const],
      { name: "exporters-node", service: "node-exporter" },
    ];
    const status = await statusOf(engineWith([app(0), app(2)], []), stateOf(...STACK, ...others));
    assert.deepEqual(found(status), [
      "degraded",
      "critical app-instance-down: app-1 was removed",
      "critical load-balancer-down: load-balancer-haproxy was removed",
      "critical jobs-waiting: jobs-0 was removed",
      "critical kafka-lagging: consumer-0 was removed",
      "critical monitoring-down: exporters-node was removed",
    ]);
    assert.equal(status.balancer, null);
  });

  it("misses nothing that is not meant to be there: carriers of files, what is done, what was replaced or is being made anew", async () => {
    const done = ["secrets-writer", "migrate", "data-move", "postgres-restore"].map((service) => ({ name: service, service }));
    const exported = exportedOf(...[...STACK, ...done].map((made) => resource(made)), resource(app(9), { delete: true }));
    assert.deepEqual(found(await statusOf(engineWith(STACK, UP), exported)), ["up"]);
    const anew = { "load-balancer-haproxy": { id: "in-no-state-yet", health: "starting" } };
    assert.deepEqual(found(await statusOf(engineWith(STACK, [], anew), exported)), [
      "degraded",
      "critical load-balancer-down: load-balancer-haproxy-0abc123 is starting",
    ]);
  });

  it("a stack whose update never made a load balancer is not up", async () => {
    assert.deepEqual(found(await statusOf(engineWith([app(0)], []), stateOf(app(0)))), [
      "degraded",
      "critical failed-update: there is no load balancer: the last update did not get as far as that",
    ]);
  });

  it("a healthy instance outside of its network is named, once; another network beside it, or its id instead of its name, is none", async () => {
    const out = { "app-1": { networks: {} } };
    assert.deepEqual(found(await statusOf(engineWith(STACK, ["UP", "UP"], out), stateOf(...STACK))), [
      "degraded",
      `critical app-instance-down: app-1-0abc123 is not in its network ${NETWORK}`,
    ]);
    const byId = resource(app(0), { outputs: { ...resource(app(0)).outputs, networksAdvanced: [{ name: "net-id" }] } });
    const more = { "app-0": { networks: { other: { NetworkID: "other-id" }, [NETWORK]: { NetworkID: "net-id" } } } };
    const exported = exportedOf(byId, ...STACK.slice(1).map((made) => resource(made)));
    assert.deepEqual(found(await statusOf(engineWith(STACK, UP, more), exported)), ["up"]);
  });

  it("the load balancer leads to fewer than are healthy: found where nothing else explains it", async () => {
    assert.deepEqual(found(await statusOf(engineWith(STACK, ["UP", "DOWN", "UP 1/2"]), stateOf(...STACK))), [
      "degraded",
      "critical app-instance-down: the load balancer leads to 2 of 3 instances that are healthy",
    ]);
    const unwell = { "app-1": { health: "unhealthy" } };
    assert.deepEqual(found(await statusOf(engineWith(STACK, ["UP", "DOWN", "UP"], unwell), stateOf(...STACK))), [
      "degraded",
      "critical app-instance-down: app-1-0abc123 is unhealthy",
    ]);
    const leaving = exportedOf(...STACK.map((made) => resource(made)), resource(app(3), { delete: true }));
    assert.deepEqual(found(await statusOf(engineWith([...STACK, app(3)], ["UP", "UP", "UP", "DOWN"]), leaving)), ["up"]);
  });

  it("B5 a broker that was removed is the one that is away, and the others keep their names", async () => {
    const broker = (id: number): Made => ({ name: `kafka-${id}`, service: "kafka", node: `kafka-${id}` });
    const postgres: Made = { name: "postgres-pg-1", service: "postgres", node: "pg-1" };
    const exported = stateOf(...STACK, broker(1), broker(2), broker(3), postgres);
    const status = await statusOf(engineWith([...STACK, broker(2), broker(3)], UP), exported);
    assert.deepEqual(
      status.data?.kafka?.value?.brokers.map(({ name, present }) => [name, present]),
      [
        ["kafka-1", false],
        ["kafka-2", true],
        ["kafka-3", true],
      ],
    );
    assert.deepEqual(
      found(status).filter((line) => /kafka|pg-1/.test(line)),
      [
        "critical kafka-broker-down: kafka-1 left the cluster of Kafka",
        "critical kafka-broker-down: kafka-1 was removed",
        "critical postgres-node-down: postgres-pg-1 was removed",
      ],
    );
  });

  it("B5 a broker that only the cluster knows is away, too: no other one is restarted", () => {
    const partition = (inSync: number[]) => ({ topic: "company-events", partition: 0, leader: 3, replicas: [1, 2, 3], inSync });
    const state = { broker: 2, brokers: [2, 3], partitions: [partition([2, 3]), partition([3])] };
    const status = kafkaStatus(state, ["kafka-3", "kafka-2"], null);
    assert.deepEqual(
      status.brokers.map(({ name, present, leads, behind }) => [name, present, leads, behind]),
      [
        ["kafka-1", false, 0, 2],
        ["kafka-2", true, 0, 1],
        ["kafka-3", true, 2, 0],
      ],
    );
    assert.match(refusalOf(status) ?? "", /^kafka-1 is away; /);
    assert.throws(() => kafkaStatus(state, ["broker"], null), /"broker" is not the name of a broker/);
  });
});

describe("status while containers go away", () => {
  const gone = (): Promise<never> => Promise.reject(Object.assign(new Error("no such container"), { statusCode: 404 }));

  it("one that is removed during the look is left out, also where Docker ends its figures without a word", async () => {
    const without = await statusOf(engineWith(STACK, UP, { "app-2": { inspect: gone } }), stateOf(...STACK));
    assert.deepEqual([without.containers.length, without.instances.length, ...found(without)], [3, 2, "up"]);
    const silent = await statusOf(engineWith(STACK, UP, { "app-2": { stats: () => Promise.resolve(Buffer.alloc(0)) } }), stateOf(...STACK));
    assert.deepEqual(
      silent.containers.map(({ cpu, memoryBytes }) => [cpu, memoryBytes]),
      [
        [0, 0],
        [0, 0],
        [null, null],
        [0, 0],
      ],
    );
    const refused = engineWith(STACK, UP, { "app-2": { stats: () => Promise.reject(new Error("the engine stops")) } });
    await assert.rejects(statusOf(refused, stateOf(...STACK)), /the engine stops/);
  });

  it("a watch tells of a look that fails and goes on, until Ctrl-C", async () => {
    const told: unknown[] = [];
    let looks = 0;
    const lookAgain = (): Promise<number> => {
      looks += 1;
      if (looks === 2) return Promise.reject(new Error("Docker does not answer"));
      return looks === 4 ? Promise.reject(new InterruptedError()) : Promise.resolve(looks);
    };
    const ended = watch(
      lookAgain,
      (status) => told.push(status),
      (error) => told.push(String(error)),
      () => Promise.resolve(true),
    );
    await assert.rejects(ended, InterruptedError);
    assert.deepEqual(told, [1, "Error: Docker does not answer", 3]);
    await watch(
      () => assert.fail("nobody is to look"),
      () => undefined,
      () => undefined,
      () => Promise.resolve(false),
    );
  });
});
