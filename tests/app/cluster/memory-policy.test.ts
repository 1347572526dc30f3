import assert from "node:assert/strict";
import fc from "fast-check";
import { memoryPressure, MemoryPolicy, type MemoryAction } from "../../../app/src/cluster/memory-monitor";

describe("memory policy", () => {
  it("A3 collects at 85 % at most once a minute", () => {
    let now = 0;
    const policy = new MemoryPolicy(60_000, () => now);
    assert.equal(policy.decide(0.849), "none");
    assert.equal(policy.decide(0.85), "collect");
    now = 59_999;
    assert.equal(policy.decide(0.89), "none");
    now = 60_000;
    assert.equal(policy.decide(0.89), "collect");
  });

  it("A3 cleans up at 90 %, and replaces when that did not help", () => {
    let now = 0;
    const policy = new MemoryPolicy(60_000, () => now);
    assert.equal(policy.decide(0.9), "cleanup");
    assert.equal(policy.decide(0.88), "none", "it helped, and a collection has just been");
    now = 50;
    assert.equal(policy.decide(0.95), "replace");
    now = 61_000;
    assert.equal(policy.decide(0.95), "cleanup");
  });

  it("A3 replaces only after a cleanup within the interval, and does nothing below 85 %", () => {
    const samples = fc.array(fc.tuple(fc.double({ min: 0, max: 1.2, noNaN: true }), fc.integer({ min: 1, max: 30_000 })), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(samples, (sequence) => {
        let now = 0;
        const policy = new MemoryPolicy(60_000, () => now);
        const last: Partial<Record<MemoryAction, number>> = {};
        for (const [pressure, step] of sequence) {
          now += step;
          const action = policy.decide(pressure);
          if (pressure < 0.85) assert.equal(action, "none");
          if (pressure >= 0.9) assert.notEqual(action, "none");
          if (action === "replace") assert.ok(now - (last.cleanup ?? -Infinity) < 60_000);
          if (action === "collect") assert.ok(now - (last.collect ?? -Infinity) >= 60_000);
          last[action] = now;
        }
      }),
    );
  });

  it("A3 A9 pressure is the share of whichever limit is tighter", () => {
    const usage = { heapUsedBytes: 50, rssBytes: 90 };
    assert.equal(memoryPressure(usage, { heapBytes: 100, residentBytes: undefined }), 0.5);
    assert.equal(memoryPressure(usage, { heapBytes: 100, residentBytes: 100 }), 0.9);
    assert.equal(memoryPressure(usage, { heapBytes: 52, residentBytes: 1000 }), 50 / 52);
  });
});
