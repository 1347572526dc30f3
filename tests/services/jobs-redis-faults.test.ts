import assert from "node:assert/strict";
import { TestApp } from "../app/http/support";
import { describeKilledWorkers } from "../faults/support/job-faults";
import { eventually } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";

describe("faults: job queue on Redis", function () {
  this.timeout(120_000);
  let server: RedisService;
  const opened: { close(): Promise<void> }[] = [];

  before(async () => (server = await startRedis({ role: "limits" })));
  after(() => server.remove());
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
    const client = server.client();
    for await (const keys of client.scanStream({ match: "bull:*", count: 500 })) {
      if ((keys as string[]).length > 0) await client.unlink(...(keys as string[]));
    }
    client.disconnect();
  });

  describe("job workers are killed", () => {
    describeKilledWorkers(() => server.url);
  });

  it("D5 A19 while Redis is away the app accepts jobs, says so, and runs them when it is back", async () => {
    const app = await TestApp.start({ REDIS_LIMITS_URL: server.url });
    opened.push({ close: () => app.remove() });
    const { token } = await app.signUp();
    app.container.jobs.start();
    const compute = () =>
      app.request<{ id: string; status: string }>("POST", "/api/jobs/tax-computations", {
        token,
        json: { taxYear: 2025, filingStatus: "single", grossIncomeCents: 10_000_000 },
      });
    const status = async (id: string): Promise<string> =>
      (await app.request<{ status: string }>("GET", `/api/jobs/${id}`, { token })).body.status;
    const before = await compute();
    assert.equal(before.status, 202, before.text);
    await eventually("it runs with Redis", async () => (await status(before.body.id)) === "completed");
    await server.stop();
    const meanwhile = await compute();
    assert.equal(meanwhile.status, 202, meanwhile.text);
    assert.equal(await status(meanwhile.body.id), "waiting");
    const health = await app.request("GET", "/api/health/queue");
    assert.deepEqual([health.status, health.body["driver"], health.body["enabled"]], [200, "redis", true]);
    await server.start();
    await eventually("it runs after all", async () => (await status(meanwhile.body.id)) === "completed");
  });

  it("D5 an app that starts while Redis is away runs jobs as soon as it comes", async () => {
    await server.stop();
    const app = await TestApp.start({ REDIS_LIMITS_URL: server.url });
    opened.push({ close: () => app.remove() });
    const { token } = await app.signUp();
    app.container.jobs.start();
    const accepted = await app.request<{ id: string }>("POST", "/api/jobs/tax-computations", {
      token,
      json: { taxYear: 2025, filingStatus: "single", grossIncomeCents: 10_000_000 },
    });
    assert.equal(accepted.status, 202, accepted.text);
    await server.start();
    await eventually(
      "it runs",
      async () => (await app.request<{ status: string }>("GET", `/api/jobs/${accepted.body.id}`, { token })).body.status === "completed",
    );
  });
});
