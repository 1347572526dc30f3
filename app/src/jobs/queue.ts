/** The queues of the app (feature D5). */
export const QUEUES = ["tax-computation", "ocr-processing", "document-processing"] as const;
export type QueueName = (typeof QUEUES)[number];

/** Jobs of a higher priority are taken first; within one, the oldest. */
export const PRIORITIES = ["high", "normal", "low"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** What travels through a queue: JSON, an object at the top. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * - `waiting`: may be taken now. `delayed`: not yet, by its delay or by the pause before a retry.
 * - `active`: a worker runs it.
 * - `completed`, `cancelled`: over. `failed`: over without success; the dead letters.
 */
export type JobState = "waiting" | "delayed" | "active" | "completed" | "failed" | "cancelled";

/** How a job is put into a queue. */
export interface JobOptions {
  /** @default a new id, or one made from `idempotencyKey` */
  readonly id?: string;
  /** @default "normal" */
  readonly priority?: Priority;
  /** Not before this many milliseconds. @default 0 */
  readonly delayMs?: number;
  /** How often it is started at most, crashes of its worker included. @default the queue's own, see `definitions.ts` */
  readonly attempts?: number;
  /** Adding again with the same key gives the same job, as long as the queue remembers it. */
  readonly idempotencyKey?: string;
}

/** A job as the queue knows it. Times are ISO 8601. */
export interface JobRecord {
  readonly id: string;
  readonly queue: QueueName;
  readonly state: JobState;
  readonly payload: JsonObject;
  /** Percent, 0–100. */
  readonly progress: number;
  readonly attemptsStarted: number;
  readonly maxAttempts: number;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly result: JsonObject | null;
  /** Of the last attempt that failed. */
  readonly error: string | null;
}

/** One attempt at a job, as its processor sees it. */
export interface Job {
  readonly id: string;
  readonly queue: QueueName;
  readonly payload: JsonObject;
  /** 1 for the first. */
  readonly attempt: number;
  readonly maxAttempts: number;
}

export interface JobContext {
  /** Aborts when the job is cancelled, takes too long, or has to be handed back. */
  readonly signal: AbortSignal;
  /** @param percent 0–100 */
  readonly progress: (percent: number) => Promise<void>;
}

/** Does the work. A job may run twice (its worker died, or lost its lease), so doing it again must do no harm. */
export type Processor = (job: Job, context: JobContext) => Promise<JsonObject>;
export type Processors = Readonly<Partial<Record<QueueName, Processor>>>;

export interface QueueStats {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  /** Of those the queue still remembers. */
  readonly completed: number;
  /** Dead letters. */
  readonly failed: number;
  readonly paused: boolean;
}

/** How a job ended for good. */
export interface SettledJob {
  readonly id: string;
  readonly queue: QueueName;
  readonly state: "completed" | "failed" | "cancelled";
  readonly result: JsonObject | null;
  readonly error: string | null;
}

export interface WorkOptions {
  /** Called after the queue has stored the end of a job; lost when the process dies at that moment. */
  readonly settled?: (job: SettledJob) => Promise<void>;
  /** Jobs of a queue that run at the same time. @default the queue's own, see `definitions.ts` */
  readonly concurrency?: Readonly<Partial<Record<QueueName, number>>>;
}

/**
 * A job queue. One contract test suite runs against every driver: `embedded.ts` (SQLite) and `bullmq.ts` (Redis, Postgres).
 *
 * A started job is always an attempt, whether it ended by an error, by the death of its worker or by its timeout; one that was started
 * as often as it may and did not complete is a dead letter. Handing back at a drain is no attempt.
 */
export interface JobQueue {
  readonly kind: "sqlite" | "redis" | "postgres";
  /** Adds a job. @returns its id. */
  add(queue: QueueName, payload: JsonObject, options?: JobOptions): Promise<string>;
  get(id: string): Promise<JobRecord | undefined>;
  /** Those of these jobs that it knows, at most 100, by one query. Absent where each has to be asked for by itself. */
  getAll?(ids: readonly string[]): Promise<JobRecord[]>;
  /**
   * - `removed`: it had not started and never will.
   * - `requested`: it runs; its worker is told within about a second.
   * - `finished`: too late. `unknown`: there is no such job.
   */
  cancel(id: string): Promise<"removed" | "requested" | "finished" | "unknown">;
  stats(): Promise<Record<QueueName, QueueStats>>;
  /**
   * Jobs of all queues that another worker could take now: those that wait, and delayed ones whose time has come although nobody has noticed.
   * Those of a paused queue are left out: nobody may take them.
   */
  backlog(): Promise<number>;
  /** Nobody takes jobs of this queue until {@link resume}; adding goes on, and jobs that run end. Holds for every process, also after a restart. */
  pause(queue: QueueName): Promise<void>;
  resume(queue: QueueName): Promise<void>;
  /** Dead letters of a queue, the newest first. */
  deadLetters(queue: QueueName, limit: number, offset?: number): Promise<JobRecord[]>;
  /** Puts a dead letter back with all its attempts. @returns `false` when it is none. */
  retry(id: string): Promise<boolean>;
  /** Forgets a dead letter. @returns `false` when it is none. */
  discard(id: string): Promise<boolean>;
  /** Starts taking jobs of the queues that have a processor. Once a queue object. */
  work(processors: Processors, options?: WorkOptions): Promise<void>;
  /**
   * Takes no more jobs, waits for those that run, and hands back what is left at the deadline: another worker takes it at once.
   * @returns how many were handed back.
   */
  drain(deadlineMs: number): Promise<number>;
  /** Drains without waiting and ends every connection of its own. */
  close(): Promise<void>;
}

/** Trying again is of no use: the job becomes a dead letter at once. */
export class PermanentJobError extends Error {
  override readonly name = "PermanentJobError";
}

/** The server that keeps the queue is away. */
export class QueueUnavailableError extends Error {
  override readonly name = "QueueUnavailableError";
}
