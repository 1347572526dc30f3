import v8 from "node:v8";
import vm from "node:vm";
import type { ClusterConfig } from "../config";
import type { WorkerMemory } from "./types";

/** From this share of its limit on a worker collects garbage ahead of need (feature A3). */
export const PROACTIVE_SHARE = 0.85;

/** From this share on it also drops its caches, and is replaced when that does not help (feature A3). */
export const CRITICAL_SHARE = 0.9;

/** What to do about a worker's memory. */
export type MemoryAction = "none" | "collect" | "cleanup" | "replace";

/**
 * Decides on one worker's samples. At 85 %: a collection, at most one an interval. At 90 %: caches dropped and a forced collection;
 * when a sample is at 90 % again within the interval, that did not help, and the worker is to be replaced.
 */
export class MemoryPolicy {
  private collectedAt = -Infinity;
  private cleanedAt = -Infinity;

  constructor(
    private readonly intervalMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  decide(pressure: number): MemoryAction {
    const now = this.now();
    if (pressure >= CRITICAL_SHARE) {
      if (now - this.cleanedAt < this.intervalMs) return "replace";
      this.cleanedAt = now;
      this.collectedAt = now;
      return "cleanup";
    }
    if (pressure >= PROACTIVE_SHARE && now - this.collectedAt >= this.intervalMs) {
      this.collectedAt = now;
      return "collect";
    }
    return "none";
  }
}

/** Shares of both limits, whichever is tighter: the heap against the old generation's, resident memory against the cgroup's. 0–1. */
export function memoryPressure(
  usage: { readonly heapUsedBytes: number; readonly rssBytes: number },
  limits: { readonly heapBytes: number; readonly residentBytes: number | undefined },
): number {
  const heap = usage.heapUsedBytes / limits.heapBytes;
  return limits.residentBytes === undefined ? heap : Math.max(heap, usage.rssBytes / limits.residentBytes);
}

const BYTES_PER_MB = 1024 ** 2;

/** Memory of this process now. */
export function sampleMemory(config: Pick<ClusterConfig, "heapMb" | "residentLimitMb">): WorkerMemory {
  const { rss, heapUsed } = process.memoryUsage();
  const heapLimitBytes = config.heapMb === undefined ? v8.getHeapStatistics().heap_size_limit : config.heapMb * BYTES_PER_MB;
  const residentBytes = config.residentLimitMb === undefined ? undefined : config.residentLimitMb * BYTES_PER_MB;
  const pressure = memoryPressure({ heapUsedBytes: heapUsed, rssBytes: rss }, { heapBytes: heapLimitBytes, residentBytes });
  return { rssBytes: rss, heapUsedBytes: heapUsed, heapLimitBytes, pressure: Math.round(pressure * 10_000) / 10_000 };
}

let collect: (() => void) | undefined;

/** A full, synchronous garbage collection; needs no flag on the command line. */
export function collectGarbage(): void {
  if (collect === undefined) {
    v8.setFlagsFromString("--expose-gc");
    collect = vm.runInNewContext("gc") as () => void;
  }
  collect();
}
