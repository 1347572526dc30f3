import { Counter, Gauge, Histogram } from "prom-client";
import { registry } from "../observability/metrics";
import type { Logger } from "../observability/logger";
import { errorText } from "./definitions";
import { type JobQueue, type Processor, type Processors, QUEUES, type SettledJob } from "./queue";

const STATES = ["waiting", "active", "delayed", "completed", "failed"] as const;

/** The queue is asked once for scrapes that come within this time, ms. */
const STATS_AGE_MS = 1000;

let observed: { readonly queue: JobQueue; readonly logger: Logger } | undefined;
let collectedAt = -Infinity;
let failing = false;

const jobs: Gauge<"queue" | "state"> = new Gauge({
  name: "jobs",
  help: "Jobs by queue and state, as the queue counts them for all instances; failed ones are dead letters.",
  labelNames: ["queue", "state"],
  registers: [registry],
  // Every process sees the same queue.
  aggregator: "max",
  collect: () => collect(),
});

const finished = new Counter({
  name: "jobs_finished_total",
  help: "Jobs that ended for good, by queue and outcome.",
  labelNames: ["queue", "outcome"],
  registers: [registry],
});

const seconds = new Histogram({
  name: "job_attempt_duration_seconds",
  help: "Duration of one attempt at a job, in seconds.",
  labelNames: ["queue"],
  // The timeouts of the queues are 10, 60 and 120 s.
  buckets: [0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120],
  registers: [registry],
});

/** From now on this process reports the depth of the queue; `undefined` stops it. */
export function observeQueue(queue: JobQueue | undefined, logger: Logger): void {
  observed = queue === undefined ? undefined : { queue, logger };
  if (observed === undefined) jobs.reset();
}

async function collect(): Promise<void> {
  if (observed === undefined || performance.now() - collectedAt < STATS_AGE_MS) return;
  collectedAt = performance.now();
  try {
    const stats = await observed.queue.stats();
    for (const queue of QUEUES) for (const state of STATES) jobs.set({ queue, state }, stats[queue][state]);
    failing = false;
  } catch (error) {
    // Old numbers would look like a queue that stands still.
    jobs.reset();
    // Said once: a queue may be away for hours.
    observed.logger[failing ? "debug" : "warn"]({ reason: errorText(error) }, "the job queue could not be counted");
    failing = true;
  }
}

export function countSettled({ queue, state }: SettledJob): void {
  finished.inc({ queue, outcome: state });
}

/** The processors, with the time of every attempt taken. */
export function timed(processors: Processors): Processors {
  const entries = Object.entries(processors).map(([queue, processor]): [string, Processor] => [
    queue,
    async (job, context) => {
      const end = seconds.startTimer({ queue });
      try {
        return await processor(job, context);
      } finally {
        end();
      }
    },
  ]);
  return Object.fromEntries(entries);
}
