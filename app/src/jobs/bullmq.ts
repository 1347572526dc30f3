import { setTimeout as delay } from "node:timers/promises";
import { type BackendFactory, type IQueueBackend, Queue, UnrecoverableError, WaitingError, type WorkerOptions } from "bullmq";
import type { Logger } from "../observability/logger";
import { Attempt } from "./attempt";
import { BullWorker, closeWorkers } from "./bull-worker";
import { type AnyQueue, countBacklog, countJobs } from "./bullmq-counts";
import { type AnyBullJob, bullOptions, countedAttempts, type Outcome, toRecord } from "./bullmq-record";
import { DEFINITIONS, jobId, retryDelayMs } from "./definitions";
import { WORKER_LOST } from "./embedded-store";
import type { JobOptions, JobQueue, JobRecord, JsonObject, Processor, Processors, QueueName, QueueStats, WorkOptions } from "./queue";
import { QueueUnavailableError, QUEUES } from "./queue";

/** Where BullMQ keeps its jobs. */
export interface BullBackend {
  readonly kind: "redis" | "postgres";
  /** Builds the storage of one BullMQ object; `undefined` is BullMQ's own for Redis. */
  readonly factory?: BackendFactory<IQueueBackend, unknown>;
  /** Whether asking the server makes sense now; while it does not, requests about jobs fail at once. */
  available(): boolean;
  /** Connection of the queues. Like BullMQ itself it waits for a server that is away; deadlines are kept here. */
  readonly producer: unknown;
  /** Connection of the workers: waits for the server as long as it takes. Made when work begins. */
  readonly consumer: () => unknown;
  /** Ends what the two opened. */
  close(): Promise<void>;
}

export interface BullOptions {
  /** @default 30000 */
  readonly leaseMs?: number;
  /** @default RETRY_BASE_MS */
  readonly retryBaseMs?: number;
  /** @default the queue's own */
  readonly timeoutMs?: number;
}

/** BullMQ would give up on a job after this many losses of its worker by itself; attempts are counted here, and are fewer. */
const MOST_STALLS = 1000;

/** A request about jobs waits this long for the server, ms: its job is accepted already, by its row in the database. */
const ASK_TIMEOUT_MS = 2000;

/** A running job looks this often whether it was cancelled, ms. */
const CANCEL_POLL_MS = 1000;

/** The job queue on BullMQ. Its failed set is the list of dead letters: a job gets there in the same step as it fails for good. */
export class BullJobQueue implements JobQueue {
  readonly kind: "redis" | "postgres";
  private readonly queues: Readonly<Record<QueueName, AnyQueue>>;
  private workers: BullWorker[] = [];
  private readonly running = new Set<Attempt>();
  private options: WorkOptions = {};
  private handedBack = 0;
  /** Nothing is begun any more. */
  private draining = false;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly backend: BullBackend,
    private readonly logger: Logger,
    private readonly settings: BullOptions = {},
  ) {
    this.kind = backend.kind;
    const open = (name: QueueName): AnyQueue => {
      const options = { connection: backend.producer, streams: { events: { maxLen: 1000 } } };
      const queue = new Queue(name, options as never, backend.factory as never) as unknown as AnyQueue;
      queue.on("error", (error) => this.note(error));
      return queue;
    };
    this.queues = Object.fromEntries(QUEUES.map((name) => [name, open(name)])) as Record<QueueName, AnyQueue>;
  }

  async add(queue: QueueName, payload: JsonObject, options: JobOptions = {}): Promise<string> {
    const id = jobId(queue, options);
    await this.ask(() => this.queues[queue].add(queue, { payload }, bullOptions(queue, id, options)));
    return id;
  }

  get(id: string): Promise<JobRecord | undefined> {
    return this.ask(async () => {
      const found = await this.find(id);
      return found === undefined ? undefined : toRecord(found.queue, found.job, await found.job.getState());
    });
  }

  cancel(id: string): Promise<"removed" | "requested" | "finished" | "unknown"> {
    return this.ask(() => this.cancelNow(id));
  }

  private async cancelNow(id: string): Promise<"removed" | "requested" | "finished" | "unknown"> {
    const found = await this.find(id);
    if (found === undefined) return "unknown";
    const { job } = found;
    const state = await job.getState();
    if (state === "completed" || state === "failed") return "finished";
    if (state !== "active") {
      try {
        await job.remove();
        return "removed";
      } catch (error) {
        // A worker was faster; then it is told.
        if ((await job.getState()) !== "active") throw error;
      }
    }
    await job.updateData({ ...job.data, cancelled: true });
    return "requested";
  }

  async stats(): Promise<Record<QueueName, QueueStats>> {
    const all = await this.ask(() => Promise.all(QUEUES.map((name) => countJobs(this.queues[name]))));
    return Object.fromEntries(all.map((stats, index) => [QUEUES[index], stats])) as Record<QueueName, QueueStats>;
  }

  async backlog(): Promise<number> {
    const all = await this.ask(() => Promise.all(QUEUES.map((name) => countBacklog(this.queues[name]))));
    return all.reduce((sum, count) => sum + count, 0);
  }

  pause(queue: QueueName): Promise<void> {
    return this.ask(() => this.queues[queue].pause());
  }

  resume(queue: QueueName): Promise<void> {
    return this.ask(() => this.queues[queue].resume());
  }

  async deadLetters(queue: QueueName, limit: number, offset = 0): Promise<JobRecord[]> {
    const jobs = (await this.ask(() => this.queues[queue].getFailed(offset, offset + limit - 1))) as unknown as (AnyBullJob | undefined)[];
    return jobs.flatMap((job) => (job === undefined ? [] : (toRecord(queue, job, "failed") ?? [])));
  }

  retry(id: string): Promise<boolean> {
    return this.ask(async () => {
      const job = await this.deadLetter(id);
      if (job === undefined) return false;
      if ((job.data.handedBack ?? 0) > 0) await job.updateData({ ...job.data, handedBack: 0 });
      await job.retry("failed", { resetAttemptsMade: true, resetAttemptsStarted: true });
      return true;
    });
  }

  discard(id: string): Promise<boolean> {
    return this.ask(async () => {
      const job = await this.deadLetter(id);
      await job?.remove();
      return job !== undefined;
    });
  }

  async work(processors: Processors, options: WorkOptions = {}): Promise<void> {
    this.options = options;
    const connection = this.backend.consumer();
    this.workers = QUEUES.flatMap((name) => {
      const processor = processors[name];
      return processor === undefined ? [] : [this.worker(name, processor, connection)];
    });
    await Promise.resolve();
  }

  async drain(deadlineMs: number): Promise<number> {
    this.draining = true;
    // Without waiting for active ones: that has a deadline here.
    await Promise.all(this.workers.map((worker) => worker.pause(true)));
    const deadline = new AbortController();
    const idle = (async (): Promise<void> => {
      while (this.running.size > 0 && !deadline.signal.aborted) await delay(20);
    })();
    await Promise.race([idle, delay(deadlineMs, undefined, { signal: deadline.signal }).catch(() => undefined)]);
    deadline.abort();
    for (const attempt of this.running) attempt.abort("drain");
    const workers = this.workers;
    this.workers = [];
    await closeWorkers(workers);
    return this.handedBack;
  }

  close(): Promise<void> {
    this.closing ??= (async () => {
      await this.drain(0);
      await Promise.all(Object.values(this.queues).map((queue) => queue.close()));
      await this.backend.close();
    })();
    return this.closing;
  }

  private worker(name: QueueName, processor: Processor, connection: unknown): BullWorker {
    const leaseMs = this.settings.leaseMs ?? 30_000;
    const options: WorkerOptions = {
      connection: connection as never,
      concurrency: this.options.concurrency?.[name] ?? DEFINITIONS[name].concurrency,
      lockDuration: leaseMs,
      stalledInterval: leaseMs,
      maxStalledCount: MOST_STALLS,
      // Errors of storage are tried again by BullMQ; 15 s would be most of a lease.
      runRetryDelay: 1000,
      settings: { backoffStrategy: (failed: number) => retryDelayMs(failed, this.settings.retryBaseMs) },
    };
    const run = (job: AnyBullJob, token: string | undefined): Promise<Outcome> => this.run(name, processor, job, token);
    const worker = new BullWorker(name, run, options, this.backend.factory);
    worker.on("error", (error) => this.note(error));
    worker.on("lockRenewalFailed", (ids) => {
      for (const attempt of this.running) if (ids.includes(attempt.job.id)) attempt.abort("lease-lost");
    });
    worker.on("completed", (job, { cancelled, result }) => {
      this.settle(name, job.id ?? "", cancelled === true ? "cancelled" : "completed", result ?? null, null);
    });
    worker.on("failed", (job, error) => {
      // Also comes for attempts after which there is another.
      if (job?.finishedOn !== undefined && job.id !== undefined) this.settle(name, job.id, "failed", null, error.message);
    });
    return worker;
  }

  private async run(name: QueueName, processor: Processor, job: AnyBullJob, token: string | undefined): Promise<Outcome> {
    const id = job.id ?? "";
    // BullMQ was waiting for a job when it was paused, and still takes the one that came.
    if (this.draining) {
      await this.handBack(name, job, token);
      throw new WaitingError();
    }
    if (job.data.cancelled === true) return { cancelled: true };
    const attemptNumber = countedAttempts(job);
    const maxAttempts = job.opts.attempts ?? 1;
    // BullMQ does not count starts whose worker died.
    if (attemptNumber > maxAttempts) throw new UnrecoverableError(WORKER_LOST);
    const payload: unknown = job.data.payload;
    if (typeof payload !== "object" || payload === null) throw new UnrecoverableError("Its payload is damaged.");
    const attempt = new Attempt(
      { id, queue: name, payload: job.data.payload, attempt: attemptNumber, maxAttempts },
      processor,
      this.settings.timeoutMs ?? DEFINITIONS[name].timeoutMs,
    );
    this.running.add(attempt);
    const watch = setInterval(() => void this.lookForCancellation(name, attempt), CANCEL_POLL_MS);
    try {
      const outcome = await attempt.run((percent) => job.updateProgress(percent));
      switch (outcome.kind) {
        case "completed":
          return { result: outcome.result };
        case "cancelled":
          return { cancelled: true };
        case "drain":
          await this.handBack(name, job, token);
          throw new WaitingError();
        case "lease-lost":
          throw new Error("Another worker took over this job.");
        case "failed":
          if (outcome.permanent || attemptNumber >= maxAttempts) throw new UnrecoverableError(outcome.error);
          throw new Error(outcome.error);
      }
    } finally {
      clearInterval(watch);
      this.running.delete(attempt);
    }
  }

  private async handBack(name: QueueName, job: AnyBullJob, token: string | undefined): Promise<void> {
    const data = (await this.queues[name].getJob(job.id ?? ""))?.data ?? job.data;
    await job.updateData({ ...data, handedBack: (data.handedBack ?? 0) + 1 });
    await job.moveToWait(token);
    this.handedBack += 1;
  }

  private async lookForCancellation(name: QueueName, attempt: Attempt): Promise<void> {
    try {
      const job = await this.queues[name].getJob(attempt.job.id);
      if (job?.data.cancelled === true) attempt.abort("cancelled");
    } catch (error) {
      // The server is away; the next look is in a moment.
      this.note(error as Error);
    }
  }

  private settle(
    queue: QueueName,
    id: string,
    state: "completed" | "failed" | "cancelled",
    result: JsonObject | null,
    error: string | null,
  ): void {
    this.options.settled?.({ id, queue, state, result, error }).catch((reason: unknown) => {
      this.logger.error({ err: reason, job: id, queue }, "the end of a job could not be noted yet");
    });
  }

  private async find(id: string): Promise<{ readonly queue: QueueName; readonly job: AnyBullJob } | undefined> {
    const found = await Promise.all(QUEUES.map(async (queue) => ({ queue, job: await this.queues[queue].getJob(id) })));
    const hit = found.find(({ job }) => job !== undefined);
    return hit?.job === undefined ? undefined : { queue: hit.queue, job: hit.job };
  }

  private async deadLetter(id: string): Promise<AnyBullJob | undefined> {
    const found = await this.find(id);
    return found !== undefined && (await found.job.getState()) === "failed" ? found.job : undefined;
  }

  /** A question to the server that never takes longer than its deadline. */
  private async ask<T>(work: () => Promise<T>): Promise<T> {
    if (!this.backend.available()) throw new QueueUnavailableError("The server of the job queue is away.");
    const deadline = new AbortController();
    const late = delay(ASK_TIMEOUT_MS, undefined, { signal: deadline.signal }).then(() => {
      throw new QueueUnavailableError(`The server of the job queue did not answer within ${ASK_TIMEOUT_MS} ms.`);
    });
    // Rejects when the timer is taken back as well; by then the race is decided.
    late.catch(() => undefined);
    const asked = work();
    asked.catch(() => undefined);
    try {
      return await Promise.race([asked, late]);
    } finally {
      deadline.abort();
    }
  }

  /** Connections come and go; what that means for a job is told by its command. */
  private note(error: Error): void {
    this.logger.debug({ reason: error.message }, "job queue storage");
  }
}
