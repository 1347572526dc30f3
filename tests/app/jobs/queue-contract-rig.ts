import type { Job, JobContext, JobQueue, JobState, JsonObject, Processors, SettledJob } from "../../../app/src/jobs/queue";
import { eventually } from "../../support/services/container";

/** One backend: a storage, and any number of queue objects on it, as several processes would have. */
export interface QueueBackend {
  /** Retries after 20 ms, leases of `leaseMs` (default 2000), attempts end after `timeoutMs`. */
  open(options?: { readonly leaseMs?: number; readonly timeoutMs?: number }): Promise<JobQueue>;
  /** Forgets every job and closes what was opened. */
  reset(): Promise<void>;
}

export const QUEUE = "tax-computation";
export const OTHER = "ocr-processing";

/** A processor whose runs the test ends one by one. */
export function gate() {
  const waiting: { readonly job: Job; readonly context: JobContext; readonly end: (result: JsonObject) => void }[] = [];
  const started: string[] = [];
  const processor = (job: Job, context: JobContext): Promise<JsonObject> => {
    started.push(job.id);
    return new Promise((resolve) => waiting.push({ job, context, end: resolve }));
  };
  return { waiting, started, processor };
}

export const state = async (queue: JobQueue, id: string): Promise<JobState | undefined> => (await queue.get(id))?.state;

export const reaches = (queue: JobQueue, id: string, wanted: JobState): Promise<void> =>
  eventually(`job ${id} is ${wanted}`, async () => (await state(queue, id)) === wanted, 20_000, 10);

/** Starts taking jobs. @returns the ends of jobs as they are told. */
export const works = async (queue: JobQueue, processors: Processors, concurrency = 1): Promise<SettledJob[]> => {
  const settled: SettledJob[] = [];
  await queue.work(processors, {
    concurrency: { [QUEUE]: concurrency, [OTHER]: concurrency },
    settled: (job) => {
      settled.push(job);
      return Promise.resolve();
    },
  });
  return settled;
};
