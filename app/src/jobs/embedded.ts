import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";
import { Attempt, type AttemptOutcome } from "./attempt";
import { DEFINITIONS, retryDelayMs } from "./definitions";
import { type ClaimedJob, EmbeddedStore, parse, WORKER_LOST } from "./embedded-store";
import type { JobOptions, JobQueue, JobRecord, JsonObject, Processors, QueueName, QueueStats, SettledJob, WorkOptions } from "./queue";

export interface EmbeddedOptions {
  /** A worker that does not renew for this long has lost its jobs, ms. @default 30000 */
  readonly leaseMs?: number;
  /** How often an idle worker looks for jobs that other processes added, ms. @default 250 */
  readonly pollMs?: number;
  /** Pause before the first retry, ms. @default RETRY_BASE_MS */
  readonly retryBaseMs?: number;
  /** Longest run of an attempt, ms; for tests. @default the queue's own */
  readonly timeoutMs?: number;
}

const defaults = { leaseMs: 30_000, pollMs: 250 } as const;

/** Leases are renewed, and cancellations noticed, at least this often, ms. */
const HEARTBEAT_MS = 1000;

/** Old jobs are deleted this often, ms. */
const PURGE_MS = 60_000;

/** After an error of the database the worker waits this long, ms. */
const ERROR_PAUSE_MS = 1000;

interface Running {
  readonly job: ClaimedJob;
  readonly attempt: Attempt;
  readonly done: Promise<void>;
}

/** The job queue where there is neither Redis nor Postgres: a table, leases, and a heartbeat. Safe with any number of processes on the file. */
export class EmbeddedJobQueue implements JobQueue {
  readonly kind = "sqlite";
  private readonly store: EmbeddedStore;
  private readonly running = new Set<Running>();
  private processors: Processors = {};
  private options: WorkOptions = {};
  private stopping = false;
  private taking: Promise<void> = Promise.resolve();
  private keeping: Promise<unknown> = Promise.resolve();
  private readonly stop = new AbortController();
  private wakeUp: () => void = () => undefined;
  private handedBack = 0;
  private taken = 0;

  constructor(
    database: Database,
    private readonly logger: Logger,
    private readonly settings: EmbeddedOptions = {},
  ) {
    this.store = new EmbeddedStore(database, settings.leaseMs ?? defaults.leaseMs);
  }

  async add(queue: QueueName, payload: JsonObject, options: JobOptions = {}): Promise<string> {
    const id = await this.store.add(queue, payload, options.attempts ?? DEFINITIONS[queue].attempts, options);
    this.wakeUp();
    return id;
  }

  get(id: string): Promise<JobRecord | undefined> {
    return this.store.get(id);
  }

  getAll(ids: readonly string[]): Promise<JobRecord[]> {
    return this.store.getAll(ids);
  }

  cancel(id: string): Promise<"removed" | "requested" | "finished" | "unknown"> {
    return this.store.cancel(id);
  }

  stats(): Promise<Record<QueueName, QueueStats>> {
    return this.store.stats();
  }

  backlog(): Promise<number> {
    return this.store.backlog();
  }

  pause(queue: QueueName): Promise<void> {
    return this.store.pause(queue);
  }

  async resume(queue: QueueName): Promise<void> {
    await this.store.resume(queue);
    this.wakeUp();
  }

  deadLetters(queue: QueueName, limit: number, offset = 0): Promise<JobRecord[]> {
    return this.store.deadLetters(queue, limit, offset);
  }

  async retry(id: string): Promise<boolean> {
    const found = await this.store.retry(id);
    this.wakeUp();
    return found;
  }

  discard(id: string): Promise<boolean> {
    return this.store.discard(id);
  }

  work(processors: Processors, options: WorkOptions = {}): Promise<void> {
    this.processors = processors;
    this.options = options;
    this.taking = this.take();
    this.keeping = Promise.all([this.heartbeat(), this.purge()]);
    return Promise.resolve();
  }

  async drain(deadlineMs: number): Promise<number> {
    this.stopping = true;
    this.wakeUp();
    // A job may just be being taken; from here on there are no new ones.
    await this.taking;
    const deadline = new AbortController();
    const all = this.ended();
    await Promise.race([all, delay(deadlineMs, undefined, { signal: deadline.signal }).catch(() => undefined)]);
    deadline.abort();
    for (const { attempt } of this.running) attempt.abort("drain");
    await this.ended();
    // The heartbeat kept the leases until here.
    this.stop.abort();
    await this.keeping;
    return this.handedBack;
  }

  async close(): Promise<void> {
    await this.drain(0);
  }

  private async ended(): Promise<void> {
    while (this.running.size > 0) await Promise.all([...this.running].map(({ done }) => done));
  }

  /** Takes jobs as long as there are free places, then waits for a place, for a job of this process, or for the next look. */
  private async take(): Promise<void> {
    while (!this.stopping) {
      const woken = new Promise<void>((resolve) => (this.wakeUp = resolve));
      const before = this.taken;
      await this.guarded(() => this.fillPlaces());
      if (this.taken === before) await this.pauseFor(this.settings.pollMs ?? defaults.pollMs, woken);
    }
  }

  private async fillPlaces(): Promise<void> {
    for (const queue of await this.store.ready()) {
      while (this.free(queue) > 0) {
        const job = await this.store.claim(queue);
        if (job === undefined) break;
        this.taken += 1;
        this.start(job);
      }
    }
  }

  private free(queue: QueueName): number {
    if (this.stopping || this.processors[queue] === undefined) return 0;
    const most = this.options.concurrency?.[queue] ?? DEFINITIONS[queue].concurrency;
    return most - [...this.running].filter(({ job }) => job.queue === queue).length;
  }

  private start(job: ClaimedJob): void {
    const payload = parse(job.payload);
    const attempt = new Attempt(
      { id: job.id, queue: job.queue, payload: payload ?? {}, attempt: job.attempt, maxAttempts: job.maxAttempts },
      this.processors[job.queue] ?? (() => Promise.reject(new Error("no processor"))),
      this.settings.timeoutMs ?? DEFINITIONS[job.queue].timeoutMs,
    );
    const damaged: AttemptOutcome = { kind: "failed", error: "Its payload is damaged.", permanent: true };
    const outcome = payload === undefined ? Promise.resolve(damaged) : attempt.run((percent) => this.store.progress(job, percent));
    const running: Running = {
      job,
      attempt,
      done: outcome
        .then((how) => this.guarded(() => this.end(job, how)))
        .then(() => {
          this.running.delete(running);
          this.wakeUp();
        }),
    };
    this.running.add(running);
  }

  private async end(job: ClaimedJob, outcome: AttemptOutcome): Promise<void> {
    switch (outcome.kind) {
      case "lease-lost":
        this.logger.warn({ job: job.id, queue: job.queue }, "another worker took over this job");
        return;
      case "drain":
        if (await this.store.handBack(job)) this.handedBack += 1;
        return;
      case "completed":
        if (await this.store.finish(job, "completed", outcome.result, null)) await this.settle(job, "completed", outcome.result, null);
        return;
      case "cancelled":
        if (await this.store.finish(job, "cancelled", null, null)) await this.settle(job, "cancelled", null, null);
        return;
      case "failed": {
        const { error, permanent } = outcome;
        if (!permanent && job.attempt < job.maxAttempts) {
          await this.store.retryLater(job, retryDelayMs(job.attempt, this.settings.retryBaseMs), error);
        } else if (await this.store.finish(job, "failed", null, error)) await this.settle(job, "failed", null, error);
      }
    }
  }

  private async settle(job: Pick<ClaimedJob, "id" | "queue">, state: SettledJob["state"], result: JsonObject | null, error: string | null) {
    await this.options.settled?.({ id: job.id, queue: job.queue, state, result, error });
  }

  /** Keeps what this process has, and takes back what others lost. */
  private async heartbeat(): Promise<void> {
    const everyMs = Math.min(HEARTBEAT_MS, (this.settings.leaseMs ?? defaults.leaseMs) / 3);
    while (!this.stop.signal.aborted) {
      await this.guarded(async () => {
        const held = [...this.running];
        if (held.length > 0) {
          const found = await this.store.renew(held.map(({ job }) => job));
          for (const { job, attempt } of held) {
            const state = found.get(job.owner);
            // A job that ended meanwhile has no lease either; aborting what is over does nothing.
            if (state === "lost") attempt.abort("lease-lost");
            if (state === "cancel") attempt.abort("cancelled");
          }
        }
        for (const { id, queue, state } of await this.store.recover()) {
          this.logger.warn({ job: id, queue, state }, "the worker of a job was lost");
          if (state !== "waiting") await this.settle({ id, queue }, state, null, WORKER_LOST);
          this.wakeUp();
        }
      });
      await this.pauseFor(everyMs);
    }
  }

  private async purge(): Promise<void> {
    while (!this.stop.signal.aborted) {
      await this.pauseFor(PURGE_MS);
      await this.guarded(() => this.store.purge());
    }
  }

  /** The database may be locked or gone for a while; the leases see to it that nothing is lost. */
  private async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.error({ err: error }, "the job queue could not reach its table");
      await this.pauseFor(ERROR_PAUSE_MS);
    }
  }

  private async pauseFor(ms: number, woken?: Promise<void>): Promise<void> {
    const timer = new AbortController();
    const stopped = (): void => timer.abort();
    this.stop.signal.addEventListener("abort", stopped, { once: true });
    const waited = delay(this.stop.signal.aborted ? 0 : ms, undefined, { signal: timer.signal, ref: true }).catch(() => undefined);
    await (woken === undefined ? waited : Promise.race([waited, woken]));
    timer.abort();
    this.stop.signal.removeEventListener("abort", stopped);
  }
}
