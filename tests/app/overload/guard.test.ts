import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import { OverloadGuard, PRIORITIES, type Priority } from "../../../app/src/lifecycle/overload";
import { PriorityClassifier } from "../../../app/src/lifecycle/priority";

const LATE = 300;
const CALM = 10;

/** Requests at a time from which on a crowd is one. */
const CROWD = 8;

/** Shares of refused requests by priority, over enough requests to see them. */
function shares(guard: OverloadGuard): number[] {
  return PRIORITIES.map((priority) => {
    let refused = 0;
    for (let request = 0; request < 1000; request++) if (guard.engaged && guard.refuses(priority)) refused += 1;
    return refused / 1000;
  });
}

function crowd(guard: OverloadGuard, requests: number): void {
  for (let request = 0; request < requests; request++) guard.begin();
  for (let request = 0; request < requests; request++) guard.end();
}

function observe(guard: OverloadGuard, ticks: number, delayMs: number, utilization = 1): void {
  for (let tick = 0; tick < ticks; tick++) {
    crowd(guard, CROWD);
    guard.observe(delayMs, utilization);
  }
}

describe("overload: what is refused, and when", () => {
  it("refuses nothing while it is not late, after one late look, and when something else makes it late", () => {
    const guard = new OverloadGuard();
    assert.equal(guard.engaged, false);
    observe(guard, 1, 5000);
    assert.equal(guard.engaged, false, "one long garbage collection is not overload");
    observe(guard, 1, CALM);
    observe(guard, 50, 5000, 0.3);
    assert.equal(guard.engaged, false, "a machine that was suspended is not overloaded");
    assert.deepEqual(shares(guard), [0, 0, 0, 0, 0, 0]);
  });

  it("refuses the least important first, and more the longer it lasts", () => {
    const guard = new OverloadGuard();
    observe(guard, 3, LATE);
    const mild = shares(guard);
    assert.ok(mild[0]! > 0.2 && mild[0]! < 0.9, String(mild));
    assert.deepEqual(mild.slice(1), [0, 0, 0, 0, 0]);
    observe(guard, 5, LATE);
    const more = shares(guard);
    assert.equal(more[0], 1);
    assert.ok(more[1]! > 0 && more[1]! < 1 && more[5] === 0, String(more));
    observe(guard, 200, 10_000);
    assert.deepEqual(shares(guard), [1, 1, 1, 1, 1, 1]);
  });

  it("keeps its decision between the two thresholds, and lets everything in again once it is calm", () => {
    const guard = new OverloadGuard();
    observe(guard, 6, LATE);
    const { level } = guard.stats();
    assert.ok(level > 0.5);
    observe(guard, 100, 150);
    assert.equal(guard.stats().level, level, "in the gap nothing changes: no flapping");
    observe(guard, 100, CALM);
    assert.equal(guard.engaged, false);
    assert.equal(guard.stats().level, 0);
  });

  it("whatever it saw, a more important request is never refused before a less important one (property)", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0.2, 1)), { maxLength: 80 }), (looks) => {
        const guard = new OverloadGuard();
        for (const [delay, utilization] of looks) observe(guard, 1, delay, utilization);
        const found = shares(guard);
        for (let rank = 1; rank < found.length; rank++) {
          assert.ok(found[rank]! === 0 || found[rank - 1]! > 0.99, String(found));
        }
        assert.ok(guard.stats().level <= PRIORITIES.length);
      }),
    );
  });

  it("has a bound for what is answered at a time, whatever the event loop says", () => {
    const guard = new OverloadGuard({ mostInFlight: 3 });
    for (let request = 0; request < 3; request++) guard.begin();
    assert.ok(guard.engaged && guard.refuses("paying-write"));
    guard.end();
    assert.equal(guard.engaged, false);
    assert.equal(guard.stats().refused["paying-write"], 1);
  });

  it("spreads Retry-After over whole seconds, and further the worse it is", () => {
    const guard = new OverloadGuard();
    assert.equal(guard.retryAfterSeconds(), 1);
    observe(guard, 500, 10_000);
    const seen = new Set(Array.from({ length: 2000 }, () => guard.retryAfterSeconds()));
    assert.ok(seen.size > 5 && [...seen].every((seconds) => Number.isInteger(seconds) && seconds >= 1 && seconds <= 11), String([...seen]));
  });

  it("does not refuse a few clients because the machine is busy with something else", () => {
    const guard = new OverloadGuard();
    for (let tick = 0; tick < 50; tick++) {
      crowd(guard, CROWD - 1);
      guard.observe(2000, 1);
    }
    assert.equal(guard.engaged, false);
  });

  it("refuses within a turn that already lasts too long, from the least important on, and no more in the next", () => {
    let now = 0;
    const guard = new OverloadGuard({ delayMs: 100 }, () => now);
    assert.equal(guard.engaged, false);
    for (let request = 0; request < CROWD; request++) guard.begin();
    now = 200;
    assert.equal(guard.engaged, false);
    now = 280;
    const [first, second, ...others] = shares(guard);
    assert.ok(first === 1 && second! > 0.55 && second! < 0.65);
    assert.deepEqual(others, [0, 0, 0, 0]);
    now = 500;
    assert.deepEqual(shares(guard), [1, 1, 1, 1, 1, 1]);
    guard.observe(CALM, 1);
    assert.equal(guard.engaged, false);
  });

  it("can be switched off", () => {
    const guard = new OverloadGuard({ delayMs: 0 });
    guard.start();
    guard.stop();
    assert.equal(guard.engaged, false);
  });
});

describe("overload: how important a request is", () => {
  const token = (letter: string): string => `${letter.repeat(43)}.${"s".repeat(43)}`;
  const request = (method: string, url: string, headers: Record<string, string> = {}): IncomingMessage =>
    ({ method, url, headers }) as unknown as IncomingMessage;

  it("health and operators are never refused; known plans count, unknown credentials do not", () => {
    const classifier = new PriorityClassifier();
    const free = { authorization: `Bearer ${token("f")}` };
    const paying = { cookie: `other=1; sid=${token("p")}` };
    classifier.remember(request("GET", "/api/orders", free), {}, false);
    classifier.remember(request("GET", "/api/orders", paying), {}, true);
    const cases: [Priority | undefined, IncomingMessage][] = [
      [undefined, request("GET", "/api/health/full")],
      [undefined, request("GET", "/metrics")],
      [undefined, request("POST", "/api/admin/reload")],
      ["anonymous-read", request("GET", "/api/healthy")],
      ["anonymous-read", request("GET", "/")],
      ["anonymous-read", request("GET", "/api/orders", { authorization: `Bearer ${token("x")}` })],
      ["anonymous-write", request("POST", "/api/auth/login")],
      ["read", request("GET", "/api/orders", free)],
      ["write", request("DELETE", "/api/orders/1", free)],
      ["paying-read", request("HEAD", "/api/orders", paying)],
      ["paying-write", request("PATCH", "/api/orders/1", paying)],
    ];
    for (const [expected, asked] of cases) assert.equal(classifier.classify(asked), expected, asked.url);
  });

  it("headers of any shape are told apart in linear time and never throw (property)", () => {
    const classifier = new PriorityClassifier();
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.string({ maxLength: 200 }), (authorization, cookie) => {
        assert.equal(classifier.classify(request("GET", "/", { authorization, cookie })), "anonymous-read");
      }),
    );
    const long = request("GET", "/", { authorization: `Bearer ${" ".repeat(16_000)}`, cookie: "; sid".repeat(3000) });
    assert.equal(classifier.classify(long), "anonymous-read");
  });
});
