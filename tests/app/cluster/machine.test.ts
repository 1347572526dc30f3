import assert from "node:assert/strict";
import fc from "fast-check";
import { PROACTIVE_SHARE } from "../../../app/src/cluster/memory-monitor";
import {
  automaticWorkers,
  heapLimitMb,
  neededMemoryMb,
  parseCfsQuota,
  parseCpuMax,
  residentLimitMb,
} from "../../../app/src/config/machine";
import type { Phase } from "../../../app/src/config/phase";

/** What an idle worker was seen to hold at most, MiB: BENCHMARKS.md for phase cluster, toolchain/verify/checks/processes.ts for the others. */
const IDLE_MB: Readonly<Record<Phase, number>> = { cluster: 87, database: 104, cloud: 104 };
const phases = fc.constantFrom<Phase>("cluster", "database", "cloud");

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
    assert.equal(automaticWorkers({ parallelism: 8, cpuQuota: undefined, memoryLimitMb: undefined }, "cluster"), 8);
    assert.equal(automaticWorkers({ parallelism: 8, cpuQuota: 2.5, memoryLimitMb: undefined }, "cluster"), 2);
    assert.equal(automaticWorkers({ parallelism: 8, cpuQuota: 0.5, memoryLimitMb: undefined }, "cluster"), 1);
    const carried = (memoryLimitMb: number, phase: Phase): number =>
      automaticWorkers({ parallelism: 8, cpuQuota: undefined, memoryLimitMb }, phase);
    assert.deepEqual([carried(416, "cluster"), carried(415, "cluster"), carried(416, "database")], [3, 2, 2]);
    fc.assert(
      fc.property(limits, phases, (machine, phase) => {
        const workers = automaticWorkers(machine, phase);
        assert.ok(Number.isInteger(workers) && workers >= 1 && workers <= machine.parallelism);
        if (machine.cpuQuota !== undefined) assert.ok(workers <= Math.max(1, machine.cpuQuota));
        if (machine.memoryLimitMb !== undefined && workers > 1)
          assert.ok(machine.memoryLimitMb >= neededMemoryMb(phase, workers, undefined));
      }),
    );
  });

  it("A3 with the memory that is needed an idle worker is below the share from which on its memory counts as high (property)", () => {
    fc.assert(
      fc.property(
        phases,
        fc.integer({ min: 1, max: 64 }),
        fc.option(fc.integer({ min: 32, max: 4096 }), { nil: undefined }),
        (phase, workers, heap) => {
          const resident = residentLimitMb(neededMemoryMb(phase, workers, heap), workers);
          assert.ok(IDLE_MB[phase] < PROACTIVE_SHARE * resident, `${resident} MiB for ${workers} in ${phase}`);
          assert.ok((heap ?? 0) <= 0.75 * resident, "room beside the heap");
        },
      ),
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
