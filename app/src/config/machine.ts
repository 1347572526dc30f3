import { readFileSync } from "node:fs";
import os from "node:os";
import type { Phase } from "./phase";

/** What the machine, or the container's cgroup, lets this instance use. */
export interface MachineLimits {
  /** CPUs this process may be scheduled on. */
  readonly parallelism: number;
  /** CPU time per wall-clock time granted by the cgroup (1.5 = one and a half CPUs); `undefined` without a quota. */
  readonly cpuQuota: number | undefined;
  /** Memory limit of the cgroup in MiB; `undefined` without a limit below the machine's own memory. */
  readonly memoryLimitMb: number | undefined;
}

/** Resident size of the primary process, set aside before the rest is shared among workers. MiB; measured 76 with Node 24.21. */
const PRIMARY_RESERVE_MB = 80;

/**
 * Least each of several workers needs, MiB; `auto` starts no more than can have it. An idle one has up to 87 in phase `cluster`, and with the
 * clients of Postgres, Redis and queues up to 104: below 85 % of this, where its memory counts as high (cluster/memory-monitor.ts).
 */
const LEAST_WORKER_MB: Readonly<Record<Phase, number>> = { cluster: 112, database: 128, cloud: 128 };

/** Part of a worker's resident limit given to its old generation; the rest is new generation, code, stacks and buffers. */
const HEAP_SHARE = 0.75;

/** Below this V8 spends its time collecting, MiB. */
const LEAST_HEAP_MB = 32;

/** Reads `cpu.max` of cgroup v2: `"150000 100000"` is 1.5 CPUs, `"max 100000"` is no quota. */
export function parseCpuMax(text: string): number | undefined {
  const [quota, period = "100000"] = text.trim().split(/\s+/);
  return quotient(quota, period);
}

/** Reads `cpu.cfs_quota_us` and `cpu.cfs_period_us` of cgroup v1; a quota of -1 is none. */
export function parseCfsQuota(quota: string, period: string): number | undefined {
  return quotient(quota.trim(), period.trim());
}

function quotient(quota: string | undefined, period: string): number | undefined {
  const ratio = Number(quota) / Number(period);
  return Number.isFinite(ratio) && ratio > 0 ? ratio : undefined;
}

/** Workers for `WORKERS=auto`: usable CPUs, bounded by the CPU quota (rounded down) and by memory for each; at least 1. */
export function automaticWorkers(limits: MachineLimits, phase: Phase): number {
  const byQuota = limits.cpuQuota === undefined ? Infinity : Math.floor(limits.cpuQuota);
  const byMemory =
    limits.memoryLimitMb === undefined ? Infinity : Math.floor((limits.memoryLimitMb - PRIMARY_RESERVE_MB) / LEAST_WORKER_MB[phase]);
  return Math.max(1, Math.min(limits.parallelism, byQuota, byMemory));
}

/**
 * Memory of an instance in which so many workers, each with that heap, are below their limits when idle, in MiB; the stack plans and checks by
 * it. A single worker is the instance's only process.
 */
export function neededMemoryMb(phase: Phase, workers: number, heapMb: number | undefined): number {
  const worker = Math.max(LEAST_WORKER_MB[phase], Math.ceil((heapMb ?? 0) / HEAP_SHARE));
  return (workers === 1 ? 0 : PRIMARY_RESERVE_MB) + workers * worker;
}

/**
 * What one worker may keep resident, in MiB: the cgroup limit, less the primary's part, divided by the workers. A single process
 * has it all. `undefined` without a limit.
 */
export function residentLimitMb(memoryLimitMb: number, workers: number): number;
export function residentLimitMb(memoryLimitMb: number | undefined, workers: number): number | undefined;
export function residentLimitMb(memoryLimitMb: number | undefined, workers: number): number | undefined {
  if (memoryLimitMb === undefined) return undefined;
  if (workers === 1) return memoryLimitMb;
  return Math.max(1, Math.floor((memoryLimitMb - PRIMARY_RESERVE_MB) / workers));
}

/** Old-generation limit of one worker in MiB: what was configured, else its part of the resident limit, else `undefined` (Node decides). */
export function heapLimitMb(configured: number | undefined, residentMb: number): number;
export function heapLimitMb(configured: number | undefined, residentMb: number | undefined): number | undefined;
export function heapLimitMb(configured: number | undefined, residentMb: number | undefined): number | undefined {
  if (configured !== undefined) return configured;
  return residentMb === undefined ? undefined : Math.max(LEAST_HEAP_MB, Math.floor(residentMb * HEAP_SHARE));
}

/** Reads the limits of this process. A file that does not exist means the limit does not. */
export function readMachineLimits(): MachineLimits {
  const constrained = process.constrainedMemory();
  const limited = constrained > 0 && constrained < os.totalmem();
  return {
    parallelism: os.availableParallelism(),
    cpuQuota: readCpuQuota(),
    memoryLimitMb: limited ? Math.floor(constrained / 1024 ** 2) : undefined,
  };
}

function readCpuQuota(root = "/sys/fs/cgroup"): number | undefined {
  const unified = readIfPresent(`${root}/cpu.max`);
  if (unified !== undefined) return parseCpuMax(unified);
  const quota = readIfPresent(`${root}/cpu/cpu.cfs_quota_us`);
  const period = readIfPresent(`${root}/cpu/cpu.cfs_period_us`);
  return quota === undefined || period === undefined ? undefined : parseCfsQuota(quota, period);
}

function readIfPresent(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    // Other systems have no cgroups, and a container may hide them: then there is no quota to respect.
    if (["ENOENT", "ENOTDIR", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
