import type { Job as BullJob, JobsOptions } from "bullmq";
import { DEFINITIONS, KEEP_DEAD_MS, KEEP_FINISHED_MS, MOST_DEAD, PRIORITY_NUMBERS } from "./definitions";
import type { JobOptions, JobRecord, JobState, JsonObject, QueueName } from "./queue";

/** What is stored as a job's data: the payload, and what BullMQ has no place for. */
export interface Envelope {
  readonly payload: JsonObject;
  readonly cancelled?: boolean;
  /** Starts that do not count, because the worker left. */
  readonly handedBack?: number;
}

/** What a processor's result becomes; a job that was cancelled while it ran is one that ended without. */
export interface Outcome {
  readonly cancelled?: boolean;
  readonly result?: JsonObject;
}

export type AnyBullJob = BullJob<Envelope, Outcome>;

/** Finished jobs go after an hour, and there are never more of them than this; the latter is what bounds the memory of Redis. */
const MOST_FINISHED = 1000;

export function bullOptions(queue: QueueName, id: string, options: JobOptions): JobsOptions {
  return {
    jobId: id,
    priority: PRIORITY_NUMBERS[options.priority ?? "normal"],
    delay: options.delayMs ?? 0,
    attempts: options.attempts ?? DEFINITIONS[queue].attempts,
    backoff: { type: "custom" },
    removeOnComplete: { age: KEEP_FINISHED_MS / 1000, count: MOST_FINISHED },
    removeOnFail: { age: KEEP_DEAD_MS / 1000, count: MOST_DEAD },
  };
}

const STATES: Readonly<Record<string, JobState>> = {
  waiting: "waiting",
  prioritized: "waiting",
  "waiting-children": "waiting",
  paused: "waiting",
  delayed: "delayed",
  active: "active",
  completed: "completed",
  failed: "failed",
};

/** Starts of a job that count as attempts. */
export function countedAttempts(job: Pick<AnyBullJob, "attemptsStarted" | "data">): number {
  return job.attemptsStarted - (job.data.handedBack ?? 0);
}

export function toRecord(queue: QueueName, job: AnyBullJob, bullState: string): JobRecord | undefined {
  // Removed between the two looks.
  const state = STATES[bullState];
  if (state === undefined || job.id === undefined) return undefined;
  const returned = state === "completed" ? (job.returnvalue as Outcome | null) : null;
  return {
    id: job.id,
    queue,
    state: returned?.cancelled === true ? "cancelled" : state,
    payload: job.data.payload,
    progress: state === "completed" && returned?.cancelled !== true ? 100 : typeof job.progress === "number" ? job.progress : 0,
    attemptsStarted: Math.max(0, countedAttempts(job)),
    maxAttempts: job.opts.attempts ?? 1,
    createdAt: new Date(job.timestamp).toISOString(),
    finishedAt: job.finishedOn === undefined ? null : new Date(job.finishedOn).toISOString(),
    result: returned?.result ?? null,
    // The declared type leaves out that it may be absent.
    error: failureOf(job),
  };
}

/** BullMQ declares the reason as always there. */
function failureOf({ failedReason }: { readonly failedReason?: string }): string | null {
  return failedReason ?? null;
}
