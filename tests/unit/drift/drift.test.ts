import assert from "node:assert/strict";
import { readDrift, type Drift } from "../../../toolchain/drift/read";
import { driftText } from "../../../toolchain/drift/report";
import { removedContainers, resourceName } from "../../../toolchain/lib/update-recovery";

const CONTAINER = "docker:index/container:Container";
const urn = (name: string, type = CONTAINER): string => `urn:pulumi:shop::phased-stack::phased-stack:local:App$${type}::${name}`;

interface Step {
  readonly name: string;
  readonly op: string;
  readonly type?: string;
  readonly old?: object | null;
  readonly new?: object | null;
  readonly detailedDiff?: object;
}

const metadata = ({ name, op, type = CONTAINER, old, new: now, detailedDiff }: Step): object => ({
  ...{ op, type, urn: urn(name, type), detailedDiff: detailedDiff ?? null },
  old: old ? { outputs: old } : null,
  new: now ? { outputs: now } : null,
});

/** Lines as `pulumi preview --refresh --event-log` of CLI 3.259 writes them, with what is read of them. */
const refreshed = (step: Omit<Step, "op">): string =>
  JSON.stringify({ resOutputsEvent: { metadata: metadata({ ...step, op: "refresh" }) } });
const planned = (step: Step): string => JSON.stringify({ resourcePreEvent: { metadata: metadata(step) } });
const END = JSON.stringify({ summaryEvent: { result: "succeeded" } });
const changed = (...properties: string[]): object => Object.fromEntries(properties.map((property) => [property, { diffKind: "update" }]));

const read = (...lines: string[]): Drift => readDrift(`${[...lines, END].join("\n")}\n`);
const text = ({ drift, pending }: Drift): string =>
  driftText({ stack: "shop", state: drift.length + pending.length === 0 ? "none" : "drift", drift, pending }, (name, ...args) =>
    ["npm run", name, ...args].join(" "),
  );

describe("F9 drift: what a preview with refresh tells", () => {
  it("F9 nothing, where the refresh found no difference: outputs alone, as an address, are none", () => {
    const found = read(
      refreshed({ name: "app-0", old: { networkDatas: [1] }, new: { networkDatas: [2] }, detailedDiff: {} }),
      planned({ name: "app-0", op: "same" }),
    );
    assert.deepEqual([found.drift, found.pending, found.errors, found.finished], [[], [], [], true]);
    assert.match(text(found), /is as it was deployed/);
  });

  it("F9 a container changed by hand: the value that was deployed and the one now", () => {
    const detailedDiff = changed("memory");
    const found = read(
      refreshed({ name: "app-1", old: { name: "app-1-15", memory: 1024 }, new: { name: "app-1-15", memory: 400 }, detailedDiff }),
      planned({ name: "app-1", op: "update", detailedDiff }),
    );
    assert.deepEqual(
      found.drift.map(({ name, kind, properties }) => ({ name, kind, properties })),
      [{ name: "app-1", kind: "changed", properties: [{ property: "memory", deployed: 1024, now: 400 }] }],
    );
    assert.deepEqual(found.pending, []);
    assert.match(text(found), /app-1, container \(app-1-15\): changed\n +memory: deployed 1024 MiB, now 400 MiB/);
    assert.match(text(found), /Put it back with: npm run up --refresh$/);
  });

  it("F9 a removed one is told once, not as something to create as well; a stopped one in words", () => {
    const found = read(
      refreshed({ name: "load-balancer", old: { name: "load-balancer-1" }, new: null }),
      refreshed({ name: "app-0", old: { mustRun: true }, new: { mustRun: false }, detailedDiff: changed("mustRun") }),
      planned({ name: "load-balancer", op: "create" }),
      planned({ name: "app-0", op: "update", detailedDiff: changed("mustRun") }),
    );
    assert.deepEqual([found.drift.map(({ kind }) => kind), found.pending.length], [["removed", "changed"], 0]);
    assert.match(text(found), /load-balancer, container \(load-balancer-1\): removed/);
    assert.match(text(found), /app-0, container: changed\n +does not run/);
  });

  it("F9 a container that left its network, which the Docker provider never compares", () => {
    const outputs = (networks: readonly string[]): object => ({
      mustRun: true,
      networksAdvanced: [{ name: "net-1" }],
      networkDatas: networks.map((networkName) => ({ networkName })),
    });
    const found = read(
      refreshed({ name: "app-0", old: outputs(["net-1"]), new: outputs([]), detailedDiff: {} }),
      refreshed({ name: "app-1", old: outputs(["net-1"]), new: outputs(["net-1"]), detailedDiff: {} }),
      planned({ name: "app-0", op: "same" }),
    );
    assert.deepEqual(
      found.drift.map(({ name, kind }) => [name, kind]),
      [["app-0", "disconnected"]],
    );
    assert.match(text(found), /not in its network net-1/);
    assert.ok(text(found).includes(`npm run up --refresh -- --replace '${urn("app-0")}'`), text(found));
  });

  it("F9 what moved the rows has ended after a reboot, and the next update begins another: that is no difference", () => {
    const detailedDiff = changed("mustRun");
    const copy = urn("data-move-copy").replace("local:App$", "local:DataMove$");
    const lines = [
      refreshed({ name: "data-move-copy", old: { mustRun: true }, new: { mustRun: false }, detailedDiff }),
      planned({ name: "data-move-copy", op: "replace", detailedDiff: changed("labels", "mustRun") }),
    ].map((line) => line.replace(urn("data-move-copy"), copy));
    const found = read(...lines);
    assert.deepEqual([found.drift, found.pending, found.leftOut], [[], [], ["data-move-copy"]]);
    const planOnly = read(lines[1] ?? "");
    assert.deepEqual([planOnly.drift, planOnly.pending, planOnly.leftOut], [[], [], ["data-move-copy"]]);
    assert.deepEqual(read(planned({ name: "app-0", op: "replace" })).leftOut, []);
    const migrate = urn("migrate-run").replace("local:App$", "local:Migrate$");
    const again = planned({ name: "migrate-run", op: "replace", detailedDiff: changed("labels") }).replace(urn("migrate-run"), migrate);
    assert.deepEqual(read(again).leftOut, ["migrate-run"], "nor a migration that failed, which the next update runs again");
  });

  it("F9 what only the program changes is no drift; nor what it ignores on purpose", () => {
    const service = "aws:ecs/service:Service";
    const found = read(
      refreshed({ name: "app-0", old: { image: "app:1" }, new: { image: "app:1" }, detailedDiff: {} }),
      refreshed({ name: "web", type: service, old: { desiredCount: 2 }, new: { desiredCount: 5 }, detailedDiff: changed("desiredCount") }),
      planned({ name: "app-0", op: "replace", detailedDiff: changed("image") }),
      planned({ name: "app-0", op: "create-replacement", detailedDiff: changed("image") }),
      planned({ name: "web", op: "same", type: service }),
    );
    assert.deepEqual(found.drift, []);
    assert.deepEqual(
      found.pending.map(({ name, operation, properties }) => [name, operation, properties]),
      [["app-0", "replace", ["image"]]],
    );
    assert.match(text(found), /Nothing of stack shop was changed by hand/);
    assert.match(text(found), /replace app-0, container \(image\)/);
  });

  it("F9 values inside lists and maps are found by their path", () => {
    const detailedDiff = changed("ports[0].external", 'tags["a.b"]');
    const found = read(
      refreshed({
        name: "lb",
        old: { ports: [{ external: 80 }], tags: { "a.b": "x" } },
        new: { ports: [{ external: 81 }], tags: {} },
        detailedDiff,
      }),
      planned({ name: "lb", op: "update", detailedDiff }),
    );
    assert.deepEqual(
      found.drift[0]?.properties.map(({ deployed, now }) => [deployed, now]),
      [
        [80, 81],
        ["x", undefined],
      ],
    );
    assert.match(text(found), /tags\["a.b"\]: deployed "x", now nothing/);
  });

  it("F9 a preview that failed or was cut off proves nothing", () => {
    const error = JSON.stringify({ diagnosticEvent: { severity: "error", message: "Docker cannot be reached\n" } });
    assert.deepEqual(readDrift(`${error}\n`).errors, ["Docker cannot be reached"]);
    assert.equal(readDrift('{"summaryEvent":{"result":"failed"}}\n').finished, false);
    assert.equal(readDrift(refreshed({ name: "a", old: {}, new: {} }).slice(0, -2)).finished, false);
  });
});

describe("F9 up looks closer where a container of the state is gone", () => {
  it("F9 names it, and not one that Docker removes by itself", () => {
    const resource = (name: string, outputs = {}): object => ({ urn: urn(name), type: CONTAINER, id: `id-${name}`, outputs });
    const exported = { deployment: { resources: [resource("app-0"), resource("app-1"), resource("once", { rm: true })] } };
    const removed = removedContainers(exported as Parameters<typeof removedContainers>[0], new Set(["id-app-0"]));
    assert.deepEqual(
      removed.map(({ urn: of }) => resourceName(of)),
      ["app-1"],
    );
  });
});
