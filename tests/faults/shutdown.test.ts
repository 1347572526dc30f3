import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { destroyInstances, processGone, startInstance } from "./support/instance";
import { attempt, get, Load, pinned } from "./support/load";
import { programs } from "./support/programs";

/** Asks for readiness on a new connection, as a load balancer does, until it fails. */
async function readinessFails(url: string): Promise<void> {
  while ((await attempt(`${url}/ready`)).status === 200) await delay(20);
}

describe("faults: shutdown", function () {
  this.timeout(30_000);
  before(() => void programs());
  afterEach(destroyInstances);

  for (const [program, path, workers] of [
    ["app", "/api/health/queue", "2"],
    ["app", "/api/health/queue", "1"],
    ["fixture", "/slow?n=300", "2"],
  ] as const) {
    it(`C7 A2 SIGTERM under load (${program}, ${workers} workers, ${path}): readiness fails first, 0 requests fail, exit 0`, async () => {
      const instance = await startInstance(program, { WORKERS: workers, DRAIN_DELAY_MS: "1000" });
      const kept = new Load(`${instance.url}${path}`, 100, 40);
      const fresh = new Load(`${instance.url}${path}`, 100, 0);
      await Promise.all([kept.answered(20), fresh.answered(20)]);
      instance.signal("SIGTERM");
      await readinessFails(instance.url);
      await Promise.all([kept.stop(), fresh.stop()]);
      assert.deepEqual(kept.failures, []);
      assert.deepEqual(fresh.failures, []);
      assert.deepEqual(await instance.exited, { code: 0, signal: null });
      assert.equal(instance.lines.at(-1)?.msg, "shut down");
    });
  }

  it("C7 requests in flight when the listeners close are answered", async () => {
    const instance = await startInstance("fixture");
    const agent = pinned();
    await get(`${instance.url}/`, agent);
    const slow = [attempt(`${instance.url}/slow?n=1500`, agent), attempt(`${instance.url}/slow?n=1500`)];
    const probe = attempt(`${instance.url}/`);
    await probe;
    instance.signal("SIGTERM");
    for (const outcome of await Promise.all(slow)) assert.equal(outcome.status, 200, outcome.error);
    assert.equal((await instance.exited).code, 0);
  });

  it("A2 a request that outlasts the shutdown timeout is cut, the process still ends", async () => {
    const instance = await startInstance("fixture", { SHUTDOWN_TIMEOUT_MS: "300" });
    const endless = attempt(`${instance.url}/slow?n=60000`);
    await get(`${instance.url}/`);
    const askedAt = performance.now();
    instance.signal("SIGTERM");
    assert.equal((await endless).status, undefined);
    assert.equal((await instance.exited).code, 0);
    assert.ok(performance.now() - askedAt < 5000);
  });

  it("A2 a second signal ends everything at once", async () => {
    const instance = await startInstance("fixture", { DRAIN_DELAY_MS: "20000" });
    const workers = (await instance.status()).workers.map((worker) => worker.pid);
    const cut = attempt(`${instance.url}/slow?n=60000`);
    instance.signal("SIGTERM");
    await instance.message("shutting down");
    const askedAt = performance.now();
    instance.signal("SIGTERM");
    assert.deepEqual(await instance.exited, { code: 143, signal: null });
    assert.ok(performance.now() - askedAt < 2000);
    await Promise.all(workers.map(processGone));
    assert.equal((await cut).status, undefined);
  });

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`A2 ${signal} to the whole process group (Ctrl-C, tini -g) still drains in order`, async () => {
      const instance = await startInstance("fixture");
      const slow = attempt(`${instance.url}/slow?n=800`);
      await get(`${instance.url}/`);
      process.kill(-instance.pid, signal);
      assert.equal((await slow).status, 200);
      assert.deepEqual(await instance.exited, { code: 0, signal: null });
      assert.deepEqual(
        instance.lines.filter((line) => line.msg === "worker lost"),
        [],
      );
    });
  }

  it("A2 SIGTERM to one worker under load: it is replaced, then drained, 0 requests fail", async () => {
    const instance = await startInstance("app");
    const kept = new Load(`${instance.url}/api/health/queue`, 100, 8);
    const fresh = new Load(`${instance.url}/api/health/queue`, 100, 0);
    await kept.answered(20);
    const seen = instance.lines.length;
    const victim = (await instance.message("worker ready"))["workerPid"] as number;
    instance.signal("SIGTERM", victim);
    const left = await instance.message("worker left", seen);
    await Promise.all([kept.answered(20), fresh.answered(20)]);
    await Promise.all([kept.stop(), fresh.stop()]);
    assert.equal(left["workerPid"], victim);
    assert.equal(left["how"], "exited with code 0");
    const replaced = instance.lines.find((line) => line.msg === "worker replaced");
    assert.equal(replaced?.["why"], "signal");
    assert.deepEqual([...kept.failures, ...fresh.failures], []);
  });

  it("A2 a stopped worker cannot hold up the shutdown beyond its deadline", async () => {
    const instance = await startInstance("fixture", { SHUTDOWN_TIMEOUT_MS: "300", KILL_GRACE_MS: "200" });
    instance.signal("SIGSTOP", (await instance.message("worker ready"))["workerPid"] as number);
    instance.signal("SIGTERM");
    assert.equal((await instance.exited).code, 1);
    assert.equal((await instance.message("workers did not end in time and were killed"))["killed"], 1);
  });

  it("C2 a single process survives SIGHUP and says that it cannot reload", async () => {
    const instance = await startInstance("fixture", { WORKERS: "1" });
    instance.signal("SIGHUP");
    await instance.line((line) => /a single process cannot be reloaded/.test(line.msg));
    const status = await instance.status();
    assert.equal(status.clustering, false);
    assert.equal(status.worker.pid, instance.pid);
  });
});
