import assert from "node:assert/strict";
import { Agent } from "node:http";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { destroyInstances, type Instance, startInstance } from "./support/instance";
import { attempt, get, Load, type Outcome } from "./support/load";
import { programs } from "./support/programs";

const ADMIN_TOKEN = "an-admin-token-for-tests";

/** Limits per address would refuse the load long before the server is overloaded. */
const ENVIRONMENT = { RATE_LIMITS: "off", ADMIN_TOKEN, OVERLOAD_DELAY_MS: "100", WORKERS: "1" };

/** `/work` takes 10 ms of CPU, so a worker serves 100 a second at most, and this is five times as many. */
const FLOOD_PER_SECOND = 500;

/** Longest wait until everything is served again. */
const LONGEST_RECOVERY_MS = 30_000;

async function start(environment: Readonly<Record<string, string>> = {}): Promise<Instance> {
  return startInstance("laborious", { ...ENVIRONMENT, ...environment });
}

function count(outcomes: readonly Outcome[], status: number): number {
  return outcomes.filter((outcome) => outcome.status === status).length;
}

describe("faults: overload", function () {
  this.timeout(120_000);
  before(() => {
    assert.ok(programs().laborious);
  });
  afterEach(destroyInstances);

  for (const [how, connections] of [
    ["kept-alive connections", 200],
    ["a new connection for every request", 0],
  ] as const) {
    it(`overload at 5 × capacity by ${how}: some are served, the others refused with 503, none fails, and it ends with the load`, async () => {
      const instance = await start();
      const load = new Load(`${instance.url}/work`, FLOOD_PER_SECOND, connections);
      await load.answered(600);
      // Health checks and operators get through meanwhile.
      const ready = await get(`${instance.url}/ready`);
      const metrics = await get(`${instance.url}/metrics`);
      const outcomes = await load.stop();
      assert.equal(ready.status, 200);
      const served = count(outcomes, 200);
      const refused = count(outcomes, 503);
      assert.equal(served + refused, outcomes.length, JSON.stringify(outcomes.find(({ status }) => status !== 200 && status !== 503)));
      assert.ok(served >= 5, `${served} of ${outcomes.length} served`);
      assert.ok(refused >= 5, `${refused} of ${outcomes.length} refused`);
      const problem = JSON.parse(outcomes.find(({ status }) => status === 503)?.body ?? "{}") as Record<string, unknown>;
      assert.equal(problem["type"], "urn:phased-stack:problem:overloaded");
      assert.ok(Number.isInteger(problem["retryAfterSeconds"]) && Number(problem["retryAfterSeconds"]) >= 1);
      assert.match(metrics.body, /^http_refused_total\{reason="overload"\} [1-9]/m);
      // It recovers without help: soon everything is served again, request after request.
      const deadline = performance.now() + LONGEST_RECOVERY_MS;
      for (let inARow = 0; inARow < 20;) {
        assert.ok(performance.now() < deadline, "it does not recover");
        inARow = (await attempt(`${instance.url}/work`)).status === 200 ? inARow + 1 : 0;
      }
    });
  }

  it("overload refuses the anonymous first: an operator's requests are answered while theirs are refused", async () => {
    const instance = await start({ OVERLOAD_DELAY_MS: "20" });
    const load = new Load(`${instance.url}/work`, FLOOD_PER_SECOND, 100);
    await load.answered(300);
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => attempt(`${instance.url}/api/health/full`)));
    await load.stop();
    assert.ok(count(load.outcomes, 503) > 0);
    for (const { status, error } of outcomes) assert.ok(status === 200 || status === 503, error);
    // 503 only ever because the report itself says critical, never as a refusal.
    for (const { body } of outcomes) assert.ok("components" in (JSON.parse(body) as object), body);
  });

  it("connections beyond the cap are closed, those within it are served", async () => {
    const instance = await start({ MAX_CONNECTIONS: "5" });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await get(`${instance.url}/ready`, agent);
    const sockets: Socket[] = [];
    let closed = 0;
    const gone = new Promise<void>((resolve) => {
      for (let index = 0; index < 10; index++) {
        const socket = connect(instance.port, "127.0.0.1");
        socket.on("error", () => socket.destroy());
        socket.once("close", () => {
          closed += 1;
          if (closed === 6) resolve();
        });
        sockets.push(socket);
      }
    });
    await gone;
    await get(`${instance.url}/ready`, agent);
    for (const socket of sockets) socket.destroy();
    agent.destroy();
  });

  it("slowloris: clients that never finish their headers or their body are ended, and others are served meanwhile", async () => {
    const instance = await start({ OVERLOAD_DELAY_MS: "0" });
    const slow = Array.from({ length: 50 }, (_, index) => {
      const socket = connect(instance.port, "127.0.0.1");
      socket.on("error", () => socket.destroy());
      const body = index % 2 === 0;
      socket.write(body ? "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{" : "GET /work HTTP/1.1\r\nHost: x\r\nX-Slow: ");
      return socket;
    });
    const ended = Promise.all(slow.map((socket) => once(socket.resume(), "close")));
    for (let request = 0; request < 20; request++) await get(`${instance.url}/work`);
    // Headers have 15 s, looked at every 5 s; a body that nobody reads ends with its answer.
    await ended;
    await get(`${instance.url}/work`);
  });
});
