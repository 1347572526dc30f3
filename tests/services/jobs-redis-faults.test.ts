import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import pino from "pino";
import { redisBackend } from "../../app/src/jobs/backends";
import { BullJobQueue } from "../../app/src/jobs/bullmq";
import { type JobQueue, QueueUnavailableError } from "../../app/src/jobs/queue";
import { RedisConnection } from "../../app/src/redis/client";
import { TestApp } from "../app/http/support";
import { describeKilledWorkers } from "../faults/support/job-faults";
import { eventually } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";

const logger = pino({ level: "silent" });
const QUEUE = "tax-computation";
const QUEUE_PROCESS = path.resolve(__dirname, "../support/services/queue-process.ts");

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

  async function open(leaseMs = 3000): Promise<JobQueue> {
    const connection = new RedisConnection({ url: server.url, name: "limits", commandTimeoutMs: 500, logger });
    opened.push(connection);
    await connection.started();
    const queue = new BullJobQueue(redisBackend(connection), logger, { leaseMs, retryBaseMs: 20 });
    opened.push(queue);
    return queue;
  }

  describe("job workers are killed", () => {
    describeKilledWorkers(() => server.url);
  });

  for (const [how, end] of [
    ["restarted", () => server.stop()],
    ["killed and started again", () => server.kill()],
  ] as const) {
    it(`D5 Redis is ${how} with jobs waiting, delayed and running: none is lost, each completes`, async () => {
      const [producer, worker] = [await open(), await open()];
      await producer.pause(QUEUE);
      const ids = await Promise.all(Array.from({ length: 50 }, (_, n) => producer.add(QUEUE, { n }, { delayMs: n % 5 === 0 ? 500 : 0 })));
      const running = await producer.add("ocr-processing", {});
      const runs = new Map<string, number>();
      let finish: (() => void) | undefined;
      await worker.work({
        [QUEUE]: (job) => {
          runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
          return Promise.resolve({});
        },
        "ocr-processing": () => new Promise((resolve) => (finish = () => resolve({ done: true }))),
      });
      await eventually("one runs", () => finish !== undefined);
      // What AOF with an fsync every second promises: what is older than a second survives also a kill.
      const client = server.client();
      await eventually("all is on disk", async () => /aof_pending_bio_fsync:0/.test(await client.info("persistence")), 5000, 1100);
      client.disconnect();
      await end();
      await assert.rejects(producer.add(QUEUE, {}), QueueUnavailableError);
      await server.start();
      await eventually("the queue answers", async () => (await producer.stats())[QUEUE].paused);
      assert.equal(runs.size, 0, "the queue is still paused");
      await producer.resume(QUEUE);
      finish?.();
      const states = async (): Promise<string[]> =>
        Promise.all([...ids, running].map(async (id) => (await producer.get(id))?.state ?? "lost"));
      await eventually("all completed", async () => (await states()).every((state) => state === "completed"));
      assert.equal(runs.size, ids.length);
    });
  }

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

  it("D5 D12 a process that closes its queue while Redis is away ends by itself", async () => {
    const child = spawn(process.execPath, ["--import", "tsx", QUEUE_PROCESS, server.url], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    try {
      await eventually("it works", () => output.includes("working"), 30_000);
      await server.stop();
      const exited = once(child, "exit");
      await eventually("it has closed its queue", () => output.includes("closed"), 30_000);
      await eventually("it has ended", () => child.exitCode !== null, 10_000);
      assert.deepEqual(await exited, [0, null]);
    } finally {
      child.kill("SIGKILL");
      await server.start();
    }
  });
});
