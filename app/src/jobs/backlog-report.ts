import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Database } from "../db/database";
import { Lease } from "../events/lease";
import { type Metric, writeMetrics } from "../observability/cloudwatch";
import type { Logger } from "../observability/logger";
import { errorText } from "./definitions";
import type { JobQueue } from "./queue";

export interface BacklogReportOptions {
  readonly queue: JobQueue;
  readonly database: Database;
  readonly logger: Logger;
  /** CloudWatch's name for where the figure belongs. */
  readonly namespace: string;
  /** Between two figures, ms: CloudWatch keeps them by the minute. @default 60000 */
  readonly everyMs?: number;
}

/** A process asks this often in each period whether it is its turn: a reporter that died is missed for less than another period. */
const LOOKS = 3;

/**
 * How many jobs wait, every minute, for autoscaling (feature A15). The queue is one for all instances, so one process of all tells it, of
 * whatever role: nobody would hear of a backlog that all runners are gone from. Who it is, is a lease in the database. When two do for a
 * moment, they tell the same: CloudWatch's `Maximum` is right, `Sum` would not be.
 *
 * A queue or a database that is away gives no figure; zero would shrink the runners when they are needed.
 */
export class BacklogReport {
  readonly #options: BacklogReportOptions;
  readonly #everyMs: number;
  readonly #lease: Lease;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #reportedAt = -Infinity;
  #failing = false;

  constructor(options: BacklogReportOptions) {
    this.#options = options;
    this.#everyMs = options.everyMs ?? 60_000;
    this.#lease = new Lease(options.database, "backlog-report", randomUUID(), this.#everyMs);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Lets another process go on at once. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    // The database may be gone by now; then the lease ends by itself.
    await this.#lease.release().catch((error: unknown) => {
      this.#options.logger.debug({ reason: errorText(error) }, "a lease was not given back");
    });
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#look();
        this.#failing = false;
      } catch (error) {
        // Said once: a queue may be away for hours.
        this.#options.logger[this.#failing ? "debug" : "warn"]({ reason: errorText(error) }, "the waiting jobs could not be counted");
        this.#failing = true;
      }
      await delay(this.#everyMs / LOOKS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { queue, logger, namespace } = this.#options;
    if (!(await this.#lease.acquire())) return;
    // Timers are late rather than early; without this each minute would be a little longer than one.
    if (performance.now() - this.#reportedAt < this.#everyMs - this.#everyMs / LOOKS / 2) return;
    const waiting: Metric = { name: "JobsWaiting", unit: "Count", value: await queue.backlog() };
    this.#reportedAt = performance.now();
    writeMetrics(logger, namespace, [waiting]);
  }
}
