import assert from "node:assert/strict";
import { getHeapStatistics } from "node:v8";
import fc from "fast-check";
import { allowedMb, allowMemory } from "../../../app/src/cluster/memory-allowance";
import { memoryPressure, MemoryPolicy, oldGenerationBytes, sampleMemory, type MemoryAction } from "../../../app/src/cluster/memory-monitor";

describe("memory policy", () => {
  it("A3 what was allowed for a while on top of a worker's share counts as no pressure, and does again once it is given back", () => {
    const config = { heapMb: 100_000, residentLimitMb: 1 };
    const before = sampleMemory(config).pressure;
    assert.ok(before > 1);
    const [one, two] = [allowMemory(100_000), allowMemory(50_000)];
    assert.equal(allowedMb(), 150_000);
    assert.ok(sampleMemory(config).pressure < 0.5);
    for (const giveBack of [one, one, two]) giveBack();
    assert.equal(allowedMb(), 0);
    assert.ok(sampleMemory(config).pressure > 1);
  });

  it("A9 a heap that the process never got is not what its pressure is reckoned by", () => {
    const real = getHeapStatistics().heap_size_limit;
    assert.equal(sampleMemory({ heapMb: 1_000_000, residentLimitMb: undefined }).heapLimitBytes, real);
    assert.equal(sampleMemory({ heapMb: 64, residentLimitMb: undefined }).heapLimitBytes, 64 * 1024 ** 2);
    assert.equal(sampleMemory({ heapMb: undefined, residentLimitMb: undefined }).heapLimitBytes, real);
  });

  it("A3 collects at 85 % at most once a minute", () => {
    let now = 0;
    const policy = new MemoryPolicy(60_000, () => now);
    assert.equal(policy.decide(0.849, false), "none");
    assert.equal(policy.decide(0.85, false), "collect");
    now = 59_999;
    assert.equal(policy.decide(0.89, false), "none");
    now = 60_000;
    assert.equal(policy.decide(0.89, false), "collect");
  });

  it("A3 cleans up at 90 %, and replaces only when live memory stays there", () => {
    let now = 0;
    const policy = new MemoryPolicy(60_000, () => now);
    assert.equal(policy.decide(0.9, false), "cleanup");
    assert.equal(policy.decide(0.88, true), "none", "it helped");
    now = 5000;
    assert.equal(policy.decide(0.95, false), "compact", "may be garbage; caches were dropped a moment ago");
    assert.equal(policy.decide(0.6, true), "none", "it was garbage");
    now = 10_000;
    assert.equal(policy.decide(0.95, false), "compact");
    assert.equal(policy.decide(0.93, true), "replace");
    now = 61_000;
    assert.equal(policy.decide(0.95, false), "cleanup");
  });

  it("A3 replaces only after a cleanup within the interval, and does nothing below 85 %", () => {
    const samples = fc.array(fc.tuple(fc.double({ min: 0, max: 1.2, noNaN: true }), fc.integer({ min: 1, max: 30_000 }), fc.boolean()), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(samples, (sequence) => {
        let now = 0;
        const policy = new MemoryPolicy(60_000, () => now);
        const last: Partial<Record<MemoryAction, number>> = {};
        for (const [pressure, step, relieved] of sequence) {
          now += step;
          const action = policy.decide(pressure, relieved);
          if (pressure < 0.85) assert.equal(action, "none");
          if (pressure >= 0.9) assert.notEqual(action, "none");
          if (action === "replace") assert.ok(relieved);
          if (action === "replace") assert.ok(now - (last.cleanup ?? -Infinity) < 60_000);
          if (action === "collect") assert.ok(now - (last.collect ?? -Infinity) >= 60_000);
          last[action] = now;
        }
      }),
    );
  });

  it("A3 A9 pressure is the share of whichever limit is tighter", () => {
    const usage = { oldGenerationBytes: 50, rssBytes: 90 };
    assert.equal(memoryPressure(usage, { heapBytes: 100, residentBytes: undefined }), 0.5);
    assert.equal(memoryPressure(usage, { heapBytes: 100, residentBytes: 100 }), 0.9);
    assert.equal(memoryPressure(usage, { heapBytes: 52, residentBytes: 1000 }), 50 / 52);
  });

  it("A3 counts pages, not objects, and leaves the young generation out", () => {
    const space = (space_name: string, space_size: number, space_used_size: number) => ({
      space_name,
      space_size,
      space_used_size,
      space_available_size: 0,
      physical_space_size: space_size,
    });
    const spaces = [
      space("new_space", 64, 1),
      space("read_only_space", 9, 9),
      space("old_space", 100, 70),
      space("large_object_space", 40, 20),
    ];
    assert.equal(oldGenerationBytes(spaces), 120);
  });
});
