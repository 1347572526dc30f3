import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { openLoop, type Outcome, type RequestTimes } from "../../../toolchain/lib/load";
import { requester } from "../../../toolchain/lib/requester";
import type { Profile } from "../../../toolchain/load/profiles";
import { planOf } from "../../../toolchain/load/schedule";
import { Tally } from "../../../toolchain/load/tally";

const profile: Profile = {
  name: "test",
  title: "a test",
  stages: [
    { name: "warm-up", seconds: 1, measured: false, perSecond: 100 },
    { name: "load", seconds: 2, measured: true, perSecond: 100 },
  ],
  mix: { health: 0.5, dashboard: 0.5 },
  companies: 3,
  ownConnections: false,
  targets: [],
};

const near = (actual: number, expected: number, share = 0.01): void =>
  assert.ok(Math.abs(actual - expected) <= Math.max(0.01, expected * share), `${actual} is not about ${expected}`);

describe("what became of a load", () => {
  it("B11 counts only measured stages for the verdict, and each stage and operation by itself", () => {
    const plan = planOf(profile);
    const tally = new Tally(plan);
    for (const n of plan.due.keys()) {
      // All of the warm-up fails, and one in a hundred of what follows: half refused, half without an answer.
      const outcome: Outcome = n < 100 ? { status: 500 } : n === 150 ? { status: 429 } : n === 250 ? { error: "timeout" } : { status: 200 };
      tally.add(n, outcome, { latencyMs: n < 100 ? 900 : (n % 100) + 1, lateMs: 0.5 });
    }
    const measured = tally.measured();
    assert.deepEqual([measured.due, measured.ok, measured.failed, measured.unavailable], [200, 198, 2, 1]);
    near(measured.perSecond, 99);
    near(measured.p50, 50);
    near(measured.p95, 95);
    near(measured.max, 100);
    near(measured.mean, 50.5);
    assert.deepEqual(
      tally.stages().map(({ due, failed }) => [due, failed]),
      [
        [100, 100],
        [200, 2],
      ],
    );
    assert.equal(
      tally.operations().reduce((sum, { due }) => sum + due, 0),
      200,
    );
    assert.deepEqual(tally.failures(), { 500: 100, 429: 1, timeout: 1 });
    assert.deepEqual(
      tally.intervals().map(({ at, due, failed }) => [at, due, failed]),
      [
        [0.5, 100, 100],
        [1.5, 100, 1],
        [2.5, 100, 1],
      ],
    );
    near(tally.lateness().p99, 0.5);
  });

  it("of a run that was interrupted divides by the time until then", () => {
    const plan = planOf(profile);
    const tally = new Tally(plan);
    for (let n = 0; n <= 200; n += 1) tally.add(n, { status: 200 }, { latencyMs: 1, lateMs: 0 });
    const measured = tally.measured();
    assert.equal(measured.due, 101);
    near(measured.perSecond, 101);
  });

  it("says nothing of nothing", () => {
    const tally = new Tally(planOf(profile));
    assert.deepEqual([tally.measured().due, tally.measured().p99, tally.measured().perSecond], [0, 0, 0]);
    assert.deepEqual([tally.intervals(), tally.lateness()], [[], { p99: 0, max: 0 }]);
  });
});

describe("sending when requests are due", () => {
  let server: Server;
  let url: string;
  let stallUntil = 0;

  beforeEach(async () => {
    server = createServer((_request, response) => {
      setTimeout(() => response.end("{}"), Math.max(0, stallUntil - performance.now()));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it("B11 does not omit what a stall delays: every request due meanwhile waits for its end, and counts so", async () => {
    const target = requester(url, { maxSockets: 1 });
    const latencies: number[] = [];
    stallUntil = performance.now() + 500;
    // One connection, so that those due during the stall cannot even be sent: a sender that waits for answers would measure one slow one.
    const loop = openLoop({
      total: 50,
      dueAt: (n) => n * 10,
      next: () => ({ path: "/" }),
      over: () => target,
      onOutcome: (n, _outcome, { latencyMs }) => (latencies[n] = latencyMs),
    });
    assert.equal(await loop.done, 50);
    target.close();
    assert.ok((latencies[0] ?? 0) > 450, `the first waited ${latencies[0]} ms`);
    // Due in the middle of the stall: about half of it.
    assert.ok((latencies[25] ?? 0) > 200, `the 26th waited ${latencies[25]} ms`);
    assert.ok(latencies.filter((ms) => ms > 100).length >= 35);
  });

  it("has a bound of requests under way; what is due beyond it is not sent, fails, and counts as if it had waited in vain", async () => {
    const target = requester(url);
    const outcomes: [Outcome, RequestTimes][] = [];
    stallUntil = performance.now() + 300;
    const loop = openLoop({
      total: 20,
      dueAt: (n) => n,
      next: () => ({ path: "/" }),
      over: () => target,
      onOutcome: (_n, outcome, times) => void outcomes.push([outcome, times]),
      mostUnderWay: 5,
      timeoutMs: 2000,
    });
    await loop.done;
    target.close();
    assert.equal(outcomes.length, 20);
    assert.equal(outcomes.filter(([outcome]) => "status" in outcome && outcome.status === 200).length, 5);
    const unsent = outcomes.filter(([outcome]) => "error" in outcome && outcome.error === "not sent: 5 requests under way");
    assert.equal(unsent.length, 15);
    for (const [, { latencyMs, lateMs }] of unsent)
      assert.ok(latencyMs >= 2000 && lateMs < 2000, `${latencyMs} ms, sent ${lateMs} ms late`);
  });

  it("abandoned, ends at once and reports nothing more", async () => {
    const target = requester(url);
    let reported = 0;
    stallUntil = performance.now() + 200;
    const loop = openLoop({
      total: 1000,
      dueAt: (n) => n,
      next: () => ({ path: "/" }),
      over: () => target,
      onOutcome: () => void (reported += 1),
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    loop.abandon();
    const sent = await loop.done;
    assert.ok(sent > 0 && sent < 1000);
    await new Promise((resolve) => setTimeout(resolve, 250));
    target.close();
    assert.equal(reported, 0);
  });
});
