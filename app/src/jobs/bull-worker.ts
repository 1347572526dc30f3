import { setTimeout as delay } from "node:timers/promises";
import { type BackendFactory, type IQueueBackend, Worker, type WorkerOptions } from "bullmq";
import type { AnyBullJob, Envelope, Outcome } from "./bullmq-record";

/** Leaving waits this long for the server, ms; what could not be handed back is taken over when its lease has run out. */
const LEAVE_TIMEOUT_MS = 3000;

/**
 * BullMQ's worker, which can be left. Its own `close()` waits for the connection on which it waits for jobs to say that it ended; ioredis
 * says so of no connection that is between two attempts to connect, as after a restart of the server. Then `close()` never comes to its
 * end, the timer that renews the leases goes on, and the process does not end by itself.
 */
export class BullWorker extends Worker<Envelope, Outcome> {
  constructor(
    queue: string,
    run: (job: AnyBullJob, token: string | undefined) => Promise<Outcome>,
    options: WorkerOptions,
    factory: BackendFactory<IQueueBackend, unknown> | undefined,
  ) {
    super(queue, run, options, factory as never);
  }

  /** Ends its timer and connections, whatever `close()` waits for. */
  async leave(): Promise<void> {
    await this.lockManager.close();
    await this.backend.close(true);
  }
}

/** Closes workers that have finished, within 3 s also while their server is away. */
export async function closeWorkers(workers: readonly BullWorker[]): Promise<void> {
  const closed = Promise.all(workers.map((worker) => worker.close())).then(() => true);
  const late = delay(LEAVE_TIMEOUT_MS, false, { ref: false });
  if (!(await Promise.race([closed, late]))) await Promise.all(workers.map((worker) => worker.leave()));
}
