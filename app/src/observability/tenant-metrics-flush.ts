import type { Database } from "../db/database";
import type { Logger } from "./logger";
import type { TenantMetrics } from "./tenant-metrics";
import { TenantMetricsStore } from "./tenant-metrics-store";

/** Deltas taken at a time; see {@link TenantMetrics.take}. */
const DELTAS_PER_ROUND = 500;

/** Rows past their retention are looked for with every eighth flush. */
const PURGE_EVERY_FLUSHES = 8;

/** Writes what a worker counted to the database at intervals, and once more at its end. */
export class TenantMetricsFlush {
  readonly #store: TenantMetricsStore;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #failing = false;
  #flushes = 0;

  constructor(
    private readonly metrics: TenantMetrics,
    database: Database,
    private readonly logger: Logger,
    private readonly intervalMs: number,
    private readonly now: () => number = Date.now,
  ) {
    this.#store = new TenantMetricsStore(database);
  }

  /** The first flush comes after a random part of the interval, so that workers take turns. */
  start(): void {
    this.#schedule(Math.random() * this.intervalMs);
  }

  /** Ends the timer and writes what is left. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // One under way leaves what was counted since it began to the next, which is the last.
    await this.#running;
    await this.flush();
  }

  /** Writes everything counted so far. Never rejects: figures that cannot be written wait for the next flush, as many as fit. */
  flush(): Promise<void> {
    this.#running ??= this.#flush().finally(() => (this.#running = undefined));
    return this.#running;
  }

  #schedule(afterMs: number): void {
    this.#timer = setTimeout(() => {
      void this.flush().then(() => {
        if (this.#timer !== undefined) this.#schedule(this.intervalMs);
      });
    }, afterMs);
    this.#timer.unref();
  }

  async #flush(): Promise<void> {
    // Requests keep coming in meanwhile; what they add waits for the next flush.
    const { active, pending } = this.metrics.stats();
    for (let left = active + pending; left > 0; left -= DELTAS_PER_ROUND) {
      const { failed, error } = await this.#store.add(this.metrics.take(Math.min(left, DELTAS_PER_ROUND)));
      if (failed.length > 0) {
        this.metrics.restore(failed);
        this.#report(error);
        return;
      }
    }
    this.#report(undefined);
    if (this.#flushes++ % PURGE_EVERY_FLUSHES === 0) await this.#purge();
  }

  async #purge(): Promise<void> {
    try {
      await this.#store.purge(this.now());
    } catch (error) {
      this.#report(error);
    }
  }

  /** Once when it begins, once when it is over. */
  #report(error: unknown): void {
    if (error !== undefined && !this.#failing) this.logger.warn({ err: error }, "company figures cannot be written; they are kept for now");
    if (error === undefined && this.#failing) this.logger.info({ ...this.metrics.stats() }, "company figures are written again");
    this.#failing = error !== undefined;
  }
}
