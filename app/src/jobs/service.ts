import { setTimeout as delay } from "node:timers/promises";
import type { AppConfig } from "../config";
import { runs } from "../config/role";
import type { Database } from "../db/database";
import { purgeKeys } from "../db/once";
import { ReplicaPulse } from "../db/replica-pulse";
import { shardsOf } from "../db/shards/reach";
import { type PostgresAddress, postgresAddress } from "../db/tls";
import { followDocumentJobs } from "../documents/documents";
import { openDocumentStorage } from "../documents/open-storage";
import type { DocumentStorage } from "../documents/storage";
import type { WorkerLifecycle } from "../lifecycle/types";
import type { Logger } from "../observability/logger";
import { ocrSettings } from "../ocr/settings";
import type { RedisConnections } from "../redis";
import { BacklogReport } from "./backlog-report";
import { CompanyJobs } from "./company-jobs";
import { errorText } from "./definitions";
import { EmbeddedJobQueue } from "./embedded";
import { countSettled, observeQueue, timed } from "./metrics";
import type { JobQueue } from "./queue";
import { ASK_EVERY_MS, askToRun, stopRunning } from "./runner-election";

/** Open jobs are compared with the queue this often, ms. */
const RECONCILE_MS = 5000;

/** A drain waits so long for a comparison under way, ms: the database it asks may be away, and the process has to end. */
const KEEPING_MS = 3000;

/** Old jobs are deleted every so many comparisons: about once an hour. */
const PURGE_EVERY = 720;

export interface JobServiceOptions {
  readonly config: AppConfig;
  readonly lifecycle: WorkerLifecycle;
  readonly database: Database;
  readonly redis: RedisConnections;
  readonly logger: Logger;
}

/** Background jobs of one worker process: the queue, the jobs of companies, and running them where this process is to. */
export class JobService {
  private readonly stopping = new AbortController();
  private loops: Promise<unknown> = Promise.resolve();
  private keeping: Promise<void> = Promise.resolve();
  private kept: Promise<void> | undefined;
  private readonly report: BacklogReport | undefined;
  private readonly pulse: ReplicaPulse | undefined;
  private closeThreads: () => Promise<void> = () => Promise.resolve();
  /** Whether this process takes jobs. */
  running = false;

  private constructor(
    private readonly options: JobServiceOptions,
    readonly queue: JobQueue,
    readonly company: CompanyJobs,
    readonly storage: DocumentStorage,
  ) {
    const { config, database, logger } = options;
    const { metricsNamespace: namespace } = config;
    if (namespace === undefined) return;
    this.report = new BacklogReport({ queue, database, logger, namespace });
    this.pulse = new ReplicaPulse({ databases: shardsOf(database).filter(({ kind }) => kind === "postgres"), logger });
  }

  /** Opens the queue that the configuration has: on Redis, else on Postgres, else in the embedded database. */
  static async open(options: JobServiceOptions): Promise<JobService> {
    const { database, logger, config } = options;
    const queue = await openQueue(options);
    const company = new CompanyJobs(database, queue, logger, followDocumentJobs);
    return new JobService(options, queue, company, await openDocumentStorage(config.documents));
  }

  /**
   * Begins to take jobs, if the role of the instance is to, and to do what figures of CloudWatch need. In an instance that also serves, one worker
   * takes them; another takes over when it is gone.
   */
  start(): void {
    const { config, lifecycle, logger } = this.options;
    this.report?.start();
    this.pulse?.start();
    if (!runs(config.role, "jobs")) {
      // Nobody else would tell of a queue that all runners are gone from.
      observeQueue(this.queue, logger);
      return;
    }
    const elected = config.role === "all" && lifecycle.clustered;
    this.loops = this.guarded(() => (elected ? this.whenElected() : this.run()));
  }

  /** Takes no more jobs, waits for those that run up to the deadline, and hands back the rest. */
  async drain(deadlineMs: number): Promise<void> {
    this.stopping.abort();
    // Once for all drains: closing is another one. What takes longer ends with its database.
    this.kept ??= Promise.race([this.keeping, delay(KEEPING_MS, undefined, { ref: false })]);
    const handedBack = await this.queue.drain(deadlineMs);
    if (this.running) this.options.logger.info({ handedBack }, "job runner drained");
    await this.loops;
    await this.kept;
    await this.closeThreads();
    this.running = false;
  }

  async close(): Promise<void> {
    this.pulse?.close();
    await this.report?.close();
    await this.drain(0);
    observeQueue(undefined, this.options.logger);
    await this.queue.close();
    this.storage.close();
  }

  private async whenElected(): Promise<void> {
    const { logger } = this.options;
    const { signal } = this.stopping;
    let elected = false;
    while (!signal.aborted) {
      try {
        const granted = await askToRun();
        // Once begun it goes on: what two do for a moment is kept apart by leases.
        if (granted && !elected) {
          elected = true;
          await this.run();
        }
      } catch (error) {
        logger.warn({ reason: errorText(error) }, "the primary was not asked who runs background jobs");
      }
      await pause(ASK_EVERY_MS, signal);
    }
    if (elected) await stopRunning().catch((error: unknown) => logger.debug({ reason: errorText(error) }, "the primary is gone already"));
  }

  private async run(): Promise<void> {
    const { config, database, logger } = this.options;
    // Loaded by the process that runs jobs only.
    const [{ Threads }, { createProcessors }] = await Promise.all([import("./threads.js"), import("./processors/index.js")]);
    if (this.stopping.signal.aborted) return;
    const threads = new Threads();
    this.closeThreads = () => threads.close();
    const processors = createProcessors({ database, storage: this.storage, threads, ocr: ocrSettings(config) });
    await this.queue.work(timed(processors), {
      settled: async (job) => {
        countSettled(job);
        await this.company.settle(job);
      },
    });
    this.running = true;
    observeQueue(this.queue, logger);
    logger.info({ driver: this.queue.kind, leaseMs: config.jobs.leaseMs }, "job runner takes jobs");
    this.keeping = this.keepInStep();
  }

  private async keepInStep(): Promise<void> {
    const { signal } = this.stopping;
    for (let round = 0; !signal.aborted; round++) {
      await this.guarded(() => this.company.reconcile(undefined, signal));
      if (round % PURGE_EVERY === 0 && !this.stopping.signal.aborted) {
        await this.guarded(() => this.company.purge());
        await this.guarded(() => purgeKeys(this.options.database));
        await this.guarded(() => this.storage.sweep());
      }
      await pause(RECONCILE_MS, signal);
    }
  }

  /** The queue or the database may be away for a while; what was not done now is done the next time. */
  private async guarded(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.options.logger.warn({ reason: errorText(error) }, "background jobs are not in step with their queue yet");
    }
  }
}

async function openQueue({ config, database, redis, logger }: JobServiceOptions): Promise<JobQueue> {
  const settings = { leaseMs: config.jobs.leaseMs, retryBaseMs: config.jobs.retryBaseMs };
  if (redis.limits === undefined && config.postgres === undefined) return new EmbeddedJobQueue(database, logger, settings);
  // BullMQ is several megabytes of code that the smallest phase does without.
  const [{ BullJobQueue }, { postgresBackend, redisBackend }] = await Promise.all([import("./bullmq.js"), import("./backends.js")]);
  if (redis.limits !== undefined) return new BullJobQueue(redisBackend(redis.limits), logger, settings);
  const address = await postgresAddress(config.postgres?.directUrl ?? "", config.postgres?.authorities);
  return new BullJobQueue(postgresBackend(address), logger, settings);
}

/** Makes the tables of BullMQ, or brings them up to date, where jobs are kept in Postgres. */
export async function prepareQueues(config: AppConfig): Promise<void> {
  const address = await queueAddress(config);
  if (address !== undefined) await (await import("./backends.js")).migratePostgresQueues(address);
}

/** Makes sure that they are there. @throws MigrationError */
export async function verifyQueues(config: AppConfig): Promise<void> {
  const address = await queueAddress(config);
  if (address !== undefined) await (await import("./backends.js")).verifyPostgresQueues(address);
}

/** The server of the queues, where that is Postgres. */
async function queueAddress({ redis, postgres }: AppConfig): Promise<PostgresAddress | undefined> {
  if (redis.limitsUrl !== undefined || postgres === undefined) return undefined;
  return postgresAddress(postgres.directUrl, postgres.authorities);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
