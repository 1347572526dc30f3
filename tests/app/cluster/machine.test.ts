import assert from "node:assert/strict";
import fc from "fast-check";
import { automaticWorkers, heapLimitMb, parseCfsQuota, parseCpuMax, residentLimitMb } from "../../../app/src/config/machine";

const limits = fc.record({
  parallelism: fc.integer({ min: 1, max: 512 }),
  cpuQuota: fc.option(fc.double({ min: 0.01, max: 512, noNaN: true }), { nil: undefined }),
  memoryLimitMb: fc.option(fc.integer({ min: 4, max: 1_000_000 }), { nil: undefined }),
});

describe("limits of the machine", () => {
  it("A2 reads the CPU quota of cgroup v2", () => {
    assert.equal(parseCpuMax("max 100000\n"), undefined);
    assert.equal(parseCpuMax("150000 100000\n"), 1.5);
    assert.equal(parseCpuMax("50000"), 0.5);
    assert.equal(parseCpuMax(""), undefined);
  });

  it("A2 reads the CPU quota of cgroup v1", () => {
    assert.equal(parseCfsQuota("-1\n", "100000\n"), undefined);
    assert.equal(parseCfsQuota("400000\n", "100000\n"), 4);
    assert.equal(parseCfsQuota("100000", "0"), undefined);
  });

  it("A2 both formats say the same of the same quota", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1000, max: 10_000_000 }), fc.integer({ min: 1000, max: 1_000_000 }), (quota, period) => {
        assert.equal(parseCpuMax(`${quota} ${period}\n`), parseCfsQuota(`${quota}\n`, `${period}\n`));
      }),
    );
  });

  it("A2 C2 auto is all cores without limits, and never more than the quota or the memory allow", () => {
    assert.equal(automaticWorkers({ parallelism: 8, cpuQuota: undefined, memoryLimitMb: undefined }), 8);
    assert.equal(automaticWorkers({ parallelism: 8, cpuQuota: 2.5, memoryLimitMb: undefined }), 2);
    assert.equal(automaticWorkers({ parallelism: 8, cpuQuota: 0.5, memoryLimitMb: undefined }), 1);
    assert.equal(automaticWorkers({ parallelism: 8, cpuQuota: undefined, memoryLimitMb: 368 }), 3);
    fc.assert(
      fc.property(limits, (machine) => {
        const workers = automaticWorkers(machine);
        assert.ok(Number.isInteger(workers) && workers >= 1 && workers <= machine.parallelism);
        if (machine.cpuQuota !== undefined) assert.ok(workers <= Math.max(1, machine.cpuQuota));
        if (machine.memoryLimitMb !== undefined && workers > 1) assert.ok((residentLimitMb(machine.memoryLimitMb, workers) ?? 0) >= 96);
      }),
    );
  });

  it("A3 A9 heaps of all workers and the primary fit the container", () => {
    assert.equal(residentLimitMb(undefined, 4), undefined);
    assert.equal(heapLimitMb(undefined, undefined), undefined);
    assert.equal(heapLimitMb(4096, 100), 4096);
    assert.equal(residentLimitMb(512, 2), 216);
    assert.equal(heapLimitMb(undefined, 216), 162);
    assert.equal(residentLimitMb(512, 1), 512, "a single process has it all");
    fc.assert(
      fc.property(fc.integer({ min: 256, max: 1_000_000 }), fc.integer({ min: 1, max: 64 }), (memory, workers) => {
        const resident = residentLimitMb(memory, workers) ?? NaN;
        const heap = heapLimitMb(undefined, resident) ?? NaN;
        assert.ok(resident >= 1 && resident * workers <= Math.max(memory, workers));
        assert.ok(heap >= 32);
        if (resident >= 43) assert.ok(heap < resident);
      }),
    );
  });
});
