import assert from "node:assert/strict";
import { destroyInstances, launch, processGone, startInstance } from "./support/instance";
import { attempt, get, Load, pinned } from "./support/load";
import { programs } from "./support/programs";

/** Feature A2: a lost worker is back within this time. */
const REPLACED_WITHIN_MS = 2000;
const CONNECTIONS = 8;

describe("faults: a worker dies", function () {
  this.timeout(30_000);
  before(() => void programs());
  afterEach(destroyInstances);

  it("A2 kill -9 under load: only requests in flight fail, the replacement is ready in less than 2 s", async () => {
    const instance = await startInstance("app");
    const load = new Load(`${instance.url}/api/health/queue`, 200, CONNECTIONS);
    await load.answered(100);
    const victim = (await instance.message("worker ready"))["workerPid"] as number;
    const seen = instance.lines.length;
    const killedAt = performance.now();
    instance.signal("SIGKILL", victim);
    const lost = await instance.message("worker lost", seen);
    const ready = await instance.message("worker ready", seen);
    const readyAfter = performance.now() - killedAt;
    await load.answered(100);
    await load.stop();
    assert.equal(lost["workerPid"], victim);
    assert.equal(lost["how"], "was ended by SIGKILL");
    assert.ok(readyAfter < REPLACED_WITHIN_MS, `took ${readyAfter} ms`);
    assert.equal(ready["slot"], lost["slot"]);
    assert.ok(load.failures.length <= CONNECTIONS, JSON.stringify(load.failures));
    const late = load.failures.filter((failure) => failure.startedAt > killedAt + 100);
    assert.deepEqual(late, [], "requests sent after the death must not fail");
  });

  it("A2 an unhandled error ends the worker that threw it, with the error in the log, and no other", async () => {
    const instance = await startInstance("fixture");
    const seen = instance.lines.length;
    await attempt(`${instance.url}/throw`);
    const fatal = await instance.message("unhandled error", seen);
    assert.match(JSON.stringify(fatal["err"]), /thrown on demand/);
    assert.equal((await instance.message("worker lost", seen))["how"], "exited with code 1");
    await instance.message("worker ready", seen);
    const status = await instance.status();
    assert.equal(status.workers.filter((worker) => worker.state === "ready").length, 2);
    assert.deepEqual(status.workers.map((worker) => worker.restarts).sort(), [0, 1]);
    assert.equal(status.respawns.total, 1);
  });

  it("A2 workers do not outlive a killed primary", async () => {
    const instance = await startInstance("fixture");
    const workers = (await instance.status()).workers.map((worker) => worker.pid);
    instance.signal("SIGKILL");
    await Promise.all(workers.map(processGone));
    assert.equal((await attempt(`${instance.url}/`)).status, undefined);
  });

  it("A2 budget spent while another worker serves: the slot stays empty, the instance serves on", async () => {
    const instance = await startInstance("fixture", { RESPAWN_LIMIT: "1" });
    instance.setBoot("fail");
    const victim = (await instance.message("worker ready"))["workerPid"] as number;
    instance.signal("SIGKILL", victim);
    const empty = await instance.message("restart budget is used up; the slot stays empty for now");
    assert.match(String(empty["reason"]), /boom on boot/);
    const status = await instance.status();
    assert.deepEqual(
      status.workers.map((worker) => worker.state),
      ["ready"],
    );
    assert.equal(status.respawns.usedLastMinute, 1);
    await get(`${instance.url}/`);
  });
});

describe("faults: a worker hangs", function () {
  this.timeout(30_000);
  before(() => void programs());
  afterEach(destroyInstances);

  const QUICK = { HEALTH_INTERVAL_MS: "150", HEALTH_MISSES: "3", KILL_GRACE_MS: "300" };

  it("A2 SIGSTOP: pings stay unanswered, the worker is killed and replaced, the others serve meanwhile", async () => {
    const instance = await startInstance("fixture", QUICK);
    const seen = instance.lines.length;
    const victim = (await instance.message("worker ready"))["workerPid"] as number;
    instance.signal("SIGSTOP", victim);
    const noticed = await instance.message("worker did not answer 3 health pings", seen);
    assert.equal(noticed["workerPid"], victim);
    await instance.message("worker ready", seen);
    const lost = await instance.message("worker lost", seen);
    assert.equal(lost["workerPid"], victim);
    assert.equal(lost["how"], "was ended by SIGKILL");
    for (let count = 0; count < 10; count++)
      assert.notEqual((JSON.parse((await get(`${instance.url}/`)).body) as { pid: number }).pid, victim);
  });

  it("A2 busy loop: the worker cannot hear SIGTERM and gets SIGKILL", async () => {
    const instance = await startInstance("fixture", QUICK);
    const seen = instance.lines.length;
    const agent = pinned();
    const victim = (JSON.parse((await get(`${instance.url}/`, agent)).body) as { pid: number }).pid;
    const stuck = attempt(`${instance.url}/busy?n=60000`, agent);
    assert.equal((await instance.message("worker did not answer 3 health pings", seen))["workerPid"], victim);
    await instance.message("worker ready", seen);
    assert.equal((await instance.message("worker lost", seen))["how"], "was ended by SIGKILL");
    assert.equal((await stuck).status, undefined);
    assert.equal((await instance.status()).workers.filter((worker) => worker.state === "ready").length, 2);
    agent.destroy();
  });

  it("A2 a worker that is busy for less than the misses allow keeps running", async () => {
    const instance = await startInstance("fixture", { HEALTH_INTERVAL_MS: "500" });
    const agent = pinned();
    await get(`${instance.url}/busy?n=700`, agent);
    const before = await instance.status();
    await get(`${instance.url}/`, agent);
    assert.equal(before.respawns.total, 0);
    assert.ok(before.workers.every((worker) => worker.state === "ready"));
    agent.destroy();
  });
});

describe("faults: workers cannot boot", function () {
  this.timeout(30_000);
  before(() => void programs());
  afterEach(destroyInstances);

  it("A2 every boot fails: the budget is spent, the primary exits non-zero and says why", async () => {
    const instance = launch("fixture", { RESPAWN_LIMIT: "3" });
    instance.setBoot("fail");
    assert.deepEqual(await instance.exited, { code: 1, signal: null });
    const fatal = await instance.message("giving up");
    assert.equal(fatal["reason"], "3 restarts within a minute are used up and no worker runs; the last one could not start: boom on boot");
    assert.equal(instance.lines.filter((line) => line.msg === "worker lost").length, 5, "2 workers and 3 restarts");
  });

  it("A2 a worker that does not boot in time counts as failed", async () => {
    const instance = launch("fixture", { RESPAWN_LIMIT: "1", BOOT_TIMEOUT_MS: "700" });
    instance.setBoot("hang");
    assert.equal((await instance.exited).code, 1);
    assert.match(String((await instance.message("giving up"))["reason"]), /the last one did not accept connections within 700 ms$/);
  });

  it("A2 port taken: one sentence with the port, no stack", async () => {
    const holder = await startInstance("fixture");
    const instance = launch("app", { PORT: String(holder.port), RESPAWN_LIMIT: "0" });
    assert.equal((await instance.exited).code, 1);
    const fatal = await instance.message("giving up");
    assert.match(String(fatal["reason"]), new RegExp(`port ${holder.port} is already in use; set PORT to a free one`));
    assert.doesNotMatch(instance.transcript(), /\n? {4}at |"stack"/);
  });
});
