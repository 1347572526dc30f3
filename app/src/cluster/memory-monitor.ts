import v8 from "node:v8";
import vm from "node:vm";
import type { ClusterConfig } from "../config";
import { allowedMb } from "./memory-allowance";
import type { WorkerMemory } from "./types";

/** From this share of its limit on a worker collects garbage ahead of need (feature A3). */
export const PROACTIVE_SHARE = 0.85;

/** From this share on it also drops its caches, and is replaced when that does not help (feature A3). */
export const CRITICAL_SHARE = 0.9;

/**
 * What to do about a worker's memory. `collect`: an ordinary full collection; `compact`: a thorough one that also gives fragmented pages
 * back; `cleanup`: drop caches, then compact; `replace`: surge replacement.
 */
export type MemoryAction = "none" | "collect" | "compact" | "cleanup" | "replace";

/** What a worker can do about it itself. */
export type Relief = Exclude<MemoryAction, "none" | "replace">;

/**
 * Decides on one worker's samples. At 85 %: a collection, at most one an interval. At 90 %: caches dropped and a forced collection;
 * within the interval after that a collection only. Just a sample taken right after a forced collection tells live memory from garbage
 * that V8 had not got round to: when that one is at 90 % as well, the worker is to be replaced.
 */
export class MemoryPolicy {
  private collectedAt = -Infinity;
  private cleanedAt = -Infinity;

  constructor(
    private readonly intervalMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** @param relieved whether the sample was taken right after a `compact` or `cleanup`. */
  decide(pressure: number, relieved: boolean): MemoryAction {
    const now = this.now();
    if (pressure >= CRITICAL_SHARE) {
      this.collectedAt = now;
      if (now - this.cleanedAt < this.intervalMs) return relieved ? "replace" : "compact";
      this.cleanedAt = now;
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
  usage: { readonly oldGenerationBytes: number; readonly rssBytes: number },
  limits: { readonly heapBytes: number; readonly residentBytes: number | undefined },
): number {
  const heap = usage.oldGenerationBytes / limits.heapBytes;
  return limits.residentBytes === undefined ? heap : Math.max(heap, usage.rssBytes / limits.residentBytes);
}

/** Spaces that `--max-old-space-size` does not limit. */
const OUTSIDE_OLD_GENERATION = /^(new_|read_only_)/;

/**
 * What V8 holds against `--max-old-space-size`: whole pages, whether full of objects or of holes between them. `heapUsed` would miss
 * the holes: a program with objects of 64 KiB ran out of a heap of 128 MiB when 100 MiB were used.
 */
export function oldGenerationBytes(spaces: readonly v8.HeapSpaceInfo[] = v8.getHeapSpaceStatistics()): number {
  return spaces
    .filter((space) => !OUTSIDE_OLD_GENERATION.test(space.space_name))
    .reduce((sum, space) => sum + (space.space_name.includes("large_object") ? space.space_used_size : space.space_size), 0);
}

const BYTES_PER_MB = 1024 ** 2;

/** Memory of this process now. */
export function sampleMemory(config: Pick<ClusterConfig, "heapMb" | "residentLimitMb">): WorkerMemory {
  const { rss, heapUsed } = process.memoryUsage();
  // V8's own figure has the young generation in it, so that the configured one is the smaller, unless the process never got it.
  const heapLimitBytes = Math.min(v8.getHeapStatistics().heap_size_limit, (config.heapMb ?? Infinity) * BYTES_PER_MB);
  const residentBytes = config.residentLimitMb === undefined ? undefined : (config.residentLimitMb + allowedMb()) * BYTES_PER_MB;
  const pressure = memoryPressure(
    { oldGenerationBytes: oldGenerationBytes(), rssBytes: rss },
    { heapBytes: heapLimitBytes, residentBytes },
  );
  return { rssBytes: rss, heapUsedBytes: heapUsed, heapLimitBytes, pressure: Math.round(pressure * 10_000) / 10_000 };
}

type Collect = (options?: { readonly type: "major"; readonly flavor: "last-resort" }) => void;
let collect: Collect | undefined;

/**
 * A full, synchronous garbage collection; needs no flag on the command line.
 * @param thorough collect again until nothing more comes free, and give pages back. Takes several times as long.
 */
export function collectGarbage(thorough = false): void {
  if (collect === undefined) {
    v8.setFlagsFromString("--expose-gc");
    collect = vm.runInNewContext("gc") as Collect;
  }
  if (thorough) collect({ type: "major", flavor: "last-resort" });
  else collect();
}
