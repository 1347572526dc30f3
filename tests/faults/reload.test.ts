import assert from "node:assert/strict";
import type { ReloadResult } from "../../app/src/cluster/types";
import { destroyInstances, startInstance } from "./support/instance";
import { get, Load } from "./support/load";
import { programs } from "./support/programs";

describe("faults: rolling reload", function () {
  this.timeout(90_000);
  before(() => void programs());
  afterEach(destroyInstances);

  it("C7 A2 ten reloads of the app at 200 requests a second, on kept-alive and on new connections: 0 errors", async () => {
    const instance = await startInstance("app");
    const kept = new Load(`${instance.url}/api/health/queue`, 100, 8);
    const fresh = new Load(`${instance.url}/api/health/queue`, 100, 0);
    await Promise.all([kept.answered(20), fresh.answered(20)]);
    const generations = new Set<unknown>();
    for (let count = 0; count < 10; count++) {
      const seen = instance.lines.length;
      instance.signal("SIGHUP");
      const { reload } = (await instance.message("rolling reload finished", seen)) as unknown as { reload: ReloadResult };
      assert.deepEqual({ ok: reload.ok, replaced: reload.replaced, kept: reload.kept }, { ok: true, replaced: 2, kept: 0 });
    }
    await Promise.all([kept.answered(20), fresh.answered(20)]);
    await Promise.all([kept.stop(), fresh.stop()]);
    for (const line of instance.lines) if (line.msg === "worker replaced") generations.add(line["worker"]);
    assert.equal(generations.size, 20, "every reload replaced both workers");
    assert.deepEqual(
      instance.lines.filter((line) => line.msg === "worker lost"),
      [],
    );
    assert.deepEqual(kept.failures, []);
    assert.deepEqual(fresh.failures, []);
    assert.ok(kept.outcomes.length > 500 && fresh.outcomes.length > 500, "the load really ran");
  });

  it("C7 A2 no connection is lost between primary and a leaving worker: 20 quick reloads at 400 new connections a second", async () => {
    const instance = await startInstance("fixture", { DRAIN_DELAY_MS: "20" });
    const load = new Load(`${instance.url}/`, 400, 0);
    for (let count = 0; count < 20; count++) {
      const seen = instance.lines.length;
      instance.signal("SIGHUP");
      await instance.message("rolling reload finished", seen);
    }
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.ok(load.outcomes.length > 1000, "the load really ran");
  });

  it("A2 concurrent requests share one reload, and the workers that asked get the result before they leave", async () => {
    const instance = await startInstance("fixture");
    const before = (await instance.status()).workers.map((worker) => worker.pid);
    const answers = await Promise.all(Array.from({ length: 10 }, () => get(`${instance.url}/reload`)));
    const results = new Set(answers.map((answer) => answer.body));
    assert.equal(results.size, 1);
    assert.equal((JSON.parse([...results][0]!) as ReloadResult).replaced, 2);
    const status = await instance.status();
    assert.equal(status.reloads.completed, 1);
    assert.equal(status.respawns.total, 0, "planned replacements cost no budget");
    const ready = status.workers.filter((worker) => worker.state === "ready").map((worker) => worker.pid);
    assert.equal(ready.length, 2);
    assert.deepEqual(
      ready.filter((pid) => before.includes(pid)),
      [],
    );
  });

  it("A2 one worker is drained at 200 new connections a second: 0 errors, the other stays, nobody is drained twice", async () => {
    const instance = await startInstance("fixture");
    const drain = async (id: number): Promise<unknown> => JSON.parse((await get(`${instance.url}/drain?n=${id}`)).body);
    const [first, second] = (await instance.status()).workers;
    assert.ok(first !== undefined && second !== undefined);
    const load = new Load(`${instance.url}/`, 200, 0);
    await load.answered(20);
    const seen = instance.lines.length;
    assert.deepEqual(await Promise.all([drain(first.id), drain(first.id)]), ["accepted", "accepted"]);
    await instance.message("worker left", seen);
    await load.answered(load.outcomes.length + 20);
    await load.stop();
    assert.deepEqual(load.failures, []);
    const { workers, respawns } = await instance.status();
    assert.equal(workers.filter(({ state }) => state === "ready").length, 2);
    assert.ok(workers.some(({ pid }) => pid === second.pid) && !workers.some(({ pid }) => pid === first.pid));
    assert.equal(instance.lines.filter(({ msg }) => msg === "worker replaced").length, 1, "asked twice, replaced once");
    assert.equal(respawns.total, 0, "planned replacements cost no budget");
    assert.equal(await drain(first.id), "unknown");
  });

  for (const [behaviour, reason] of [
    ["fail", "the new worker could not start: boom on boot"],
    ["hang", "the new worker did not accept connections within 700 ms"],
  ] as const) {
    it(`A2 new code that cannot boot (${behaviour}): the old workers keep serving and the result says why`, async () => {
      const instance = await startInstance("fixture", { BOOT_TIMEOUT_MS: "700" });
      const before = (await instance.status()).workers.map((worker) => worker.pid);
      const load = new Load(`${instance.url}/`, 100, 4);
      instance.setBoot(behaviour);
      const result = JSON.parse((await get(`${instance.url}/reload`)).body) as ReloadResult;
      await load.answered(20);
      await load.stop();
      assert.deepEqual({ ...result, durationMs: 0 }, { ok: false, replaced: 0, kept: 2, durationMs: 0, reason });
      assert.deepEqual(load.failures, []);
      const status = await instance.status();
      assert.deepEqual(
        status.workers.filter((worker) => worker.state === "ready").map((worker) => worker.pid),
        before,
      );
      assert.equal(status.reloads.failed, 1);
      // Repaired code goes in with the next reload.
      instance.setBoot("ok");
      assert.equal((JSON.parse((await get(`${instance.url}/reload`)).body) as ReloadResult).ok, true);
    });
  }
});
