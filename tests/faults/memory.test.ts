import assert from "node:assert/strict";
import type { WorkerMemory } from "../../app/src/cluster/types";
import { destroyInstances, startInstance } from "./support/instance";
import { get, Load, pinned } from "./support/load";
import { programs } from "./support/programs";

const SETTINGS = { WORKER_HEAP_MB: "128", MEMORY_INTERVAL_MS: "100" };

describe("faults: memory of a worker grows", function () {
  this.timeout(40_000);
  before(() => void programs());
  afterEach(destroyInstances);

  it("A3 A9 at 85 %: one proactive collection a minute, the worker stays", async () => {
    const instance = await startInstance("fixture", SETTINGS);
    const agent = pinned();
    const seen = instance.lines.length;
    const filled = JSON.parse((await get(`${instance.url}/leak?n=0.865`, agent)).body) as WorkerMemory;
    assert.equal(filled.heapLimitBytes, 128 * 1024 ** 2);
    const high = await instance.message("worker memory is high", seen);
    assert.equal(high["action"], "collect");
    const samplesBefore = instance.lines.length;
    // Ten more samples at this level: none of them may lead to another collection within the minute.
    for (let count = 0; count < 10; count++) await get(`${instance.url}/slow?n=100`, agent);
    assert.deepEqual(
      instance.lines.slice(samplesBefore).filter((line) => line.msg === "worker memory is high"),
      [],
    );
    assert.ok((await instance.status()).workers.some((worker) => worker.state === "ready" && (worker.memory?.pressure ?? 0) >= 0.85));
    agent.destroy();
  });

  it("A3 at 90 %: caches are dropped and the memory is collected; when that helps the worker stays", async () => {
    const instance = await startInstance("fixture", SETTINGS);
    const agent = pinned();
    const before = (await instance.status()).workers.map((worker) => worker.pid);
    const seen = instance.lines.length;
    await get(`${instance.url}/cache?n=0.92`, agent);
    await instance.line((line) => line.msg === "worker memory is high" && line["action"] === "cleanup", seen);
    // The next sample comes right after the cleanup.
    for (let count = 0; count < 3; count++) await get(`${instance.url}/slow?n=100`, agent);
    const { workers } = await instance.status();
    assert.deepEqual(
      workers.map((worker) => worker.pid),
      before,
    );
    assert.ok(
      workers.every((worker) => (worker.memory?.pressure ?? 1) < 0.5),
      JSON.stringify(workers),
    );
    agent.destroy();
  });

  it("A3 a leak: cleanup does not help, a replacement takes over first, no request is dropped", async () => {
    const instance = await startInstance("fixture", SETTINGS);
    const agent = pinned();
    const victim = (JSON.parse((await get(`${instance.url}/`, agent)).body) as { pid: number }).pid;
    const load = new Load(`${instance.url}/`, 100, 8);
    const seen = instance.lines.length;
    await get(`${instance.url}/leak?n=0.92`, agent);
    const replaced = await instance.message("worker replaced", seen);
    const left = await instance.message("worker left", seen);
    await load.answered(50);
    await load.stop();
    const actions = instance.lines.filter((line) => line.msg === "worker memory is high").map((line) => line["action"]);
    // On its way up it may pass a sample between 85 and 90 %.
    assert.deepEqual(
      actions.filter((action) => action === "cleanup" || action === "replace"),
      ["cleanup", "replace"],
    );
    assert.equal(replaced["why"], "memory");
    assert.equal(left["workerPid"], victim);
    assert.equal(left["how"], "exited with code 0");
    assert.deepEqual(load.failures, []);
    assert.ok(instance.lines.findIndex((line) => line === replaced) < instance.lines.findIndex((line) => line === left));
    assert.equal((await instance.status()).workers.filter((worker) => worker.state === "ready").length, 2);
    agent.destroy();
  });

  it("A3 A9 B13 a single process has the heap it is told to have, keeps its id, and its memory is high before V8 ends it", async () => {
    const instance = await startInstance("fixture", { ...SETTINGS, WORKERS: "1" });
    const agent = pinned();
    const heap = JSON.parse((await get(`${instance.url}/heap`, agent)).body) as { pid: number; limitBytes: number; options: string[] };
    assert.equal(heap.pid, instance.pid, "tini and the shell know it by that");
    assert.deepEqual(heap.options, ["--max-old-space-size=128"]);
    // The young generation is on top, three times a semi-space of 64 MiB; Node's own choice is gigabytes.
    assert.ok(heap.limitBytes >= 128 * 1024 ** 2 && heap.limitBytes <= 320 * 1024 ** 2, String(heap.limitBytes));
    assert.equal(instance.lines.filter((line) => line.msg === "starting").length, 1, "it began once, as far as anybody can see");
    const seen = instance.lines.length;
    await get(`${instance.url}/leak?n=0.92`, agent);
    await instance.line((line) => line.msg === "memory is high" && line["action"] === "cleanup", seen);
    await instance.line((line) => line.msg.startsWith("memory stays high after cleanup"), seen);
    assert.equal((JSON.parse((await get(`${instance.url}/`, agent)).body) as { pid: number }).pid, instance.pid);
    agent.destroy();
  });
});
