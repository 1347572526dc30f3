import assert from "node:assert/strict";
import { destroyInstances, type Instance, startInstance } from "./support/instance";
import { get } from "./support/load";
import { programs } from "./support/programs";

/** Longest a scrape may take with a worker that does not answer: the pull's deadline of 1 s, and the way there and back. */
const LONGEST_SCRAPE_MS = 1400;

/** Sum over all label sets of one metric. */
async function total(instance: Instance, metric: string): Promise<number> {
  const { body } = await get(`${instance.url}/metrics`);
  const values = body.split("\n").filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `));
  assert.ok(values.length > 0, `${metric} is missing:\n${body}`);
  return values.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

async function requests(instance: Instance, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) await get(`${instance.url}/`);
}

describe("faults: metrics of all workers", function () {
  this.timeout(30_000);
  before(() => void programs());
  afterEach(destroyInstances);

  it("A6 A13 sums are exact over workers, and stay when a worker is killed, reloaded, or hangs", async () => {
    const instance = await startInstance("fixture");
    const victim = (await instance.message("worker ready"))["workerPid"] as number;
    await requests(instance, 30);
    assert.equal(await total(instance, "http_requests_total"), 30);
    assert.equal(await total(instance, "http_request_duration_seconds_count"), 30);

    // Scraped, then killed: what was shown stays.
    let seen = instance.lines.length;
    instance.signal("SIGKILL", victim);
    await instance.message("worker lost", seen);
    await instance.message("worker ready", seen);
    const afterKill = await total(instance, "http_requests_total");
    assert.equal(afterKill, 30);
    assert.equal(await total(instance, "cluster_respawns_total"), 1);

    // Leaving in order loses nothing, scraped or not.
    await requests(instance, 10);
    seen = instance.lines.length;
    instance.signal("SIGHUP");
    await instance.message("rolling reload finished", seen);
    const afterReload = await total(instance, "http_requests_total");
    assert.equal(afterReload, 40);
    assert.equal(await total(instance, "http_request_duration_seconds_count"), 40);

    const stopped = (await instance.status()).workers.find((worker) => worker.state === "ready")!.pid;
    const before = await total(instance, "http_requests_total");
    instance.signal("SIGSTOP", stopped);
    // New connections go to whoever answers; the stopped worker takes at most one, so the second scrape certainly gets through.
    const scrapes = [1, 2].map(async () => {
      const startedAt = performance.now();
      return { sum: await total(instance, "http_requests_total"), tookMs: performance.now() - startedAt };
    });
    const first = await Promise.any(scrapes);
    assert.ok(first.tookMs < LONGEST_SCRAPE_MS, `took ${first.tookMs} ms`);
    assert.equal(first.sum, before);
    instance.signal("SIGCONT", stopped);
    await Promise.all(scrapes);
  });
});
