import type { Phase } from "../config/phase";

/**
 * - `starting`: forked, does not accept connections yet.
 * - `ready`: serves.
 * - `draining`: finishes what it has, then exits.
 * - `unresponsive`: missed its health pings, is being killed; its replacement is on the way.
 */
export type WorkerState = "starting" | "ready" | "draining" | "unresponsive";

/** Memory of one worker, as it last reported it. Bytes. */
export interface WorkerMemory {
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** Upper limit of the old generation (`--max-old-space-size`). */
  readonly heapLimitBytes: number;
  /** Share of the tighter of the two limits in use, 0–1: old generation ÷ heap limit, resident size ÷ its part of the cgroup limit. */
  readonly pressure: number;
}

/** One worker process. */
export interface WorkerStatus {
  /** Number of the process, unique during the life of the primary. */
  readonly id: number;
  /** Place it fills, 1 to `workersWanted`; a replacement takes over the slot of the one it replaces. */
  readonly slot: number;
  readonly pid: number;
  readonly state: WorkerState;
  readonly uptimeSeconds: number;
  /** How often this slot was filled again after a process was lost (crash, kill, hang); planned replacements do not count. */
  readonly restarts: number;
  /** Seconds since the worker last answered a health ping, `null` before the first answer. */
  readonly lastPingSeconds: number | null;
  /** Health pings in a row that stayed without an answer. */
  readonly missedPings: number;
  /** `null` until the worker reported it for the first time. */
  readonly memory: WorkerMemory | null;
}

/** Outcome of one rolling reload. */
export interface ReloadResult {
  /** `true` when every worker was replaced. */
  readonly ok: boolean;
  /** Workers replaced by new ones. */
  readonly replaced: number;
  /** Workers that still run what they ran before. */
  readonly kept: number;
  readonly durationMs: number;
  /** Why it stopped, one sentence; absent when `ok`. */
  readonly reason?: string;
}

/** What `/health` and `/api/health/*` report about the processes of this instance. */
export interface ClusterStatus {
  readonly phase: Phase;
  /** `false` in single-process mode. */
  readonly clustering: boolean;
  /** The process that answers. */
  readonly worker: { readonly id: number; readonly pid: number; readonly uptimeSeconds: number };
  readonly primary: { readonly pid: number; readonly uptimeSeconds: number };
  readonly workersWanted: number;
  /** Every live worker process, ordered by slot, then by id. */
  readonly workers: readonly WorkerStatus[];
  /** Unplanned starts within the last minute against their limit, and since start. */
  readonly respawns: { readonly limitPerMinute: number; readonly usedLastMinute: number; readonly total: number };
  readonly reloads: {
    readonly completed: number;
    readonly failed: number;
    readonly running: boolean;
    readonly last: (ReloadResult & { /** ISO 8601 */ readonly finishedAt: string }) | null;
  };
  /** The whole instance is shutting down. */
  readonly stopping: boolean;
}
