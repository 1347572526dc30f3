import type { Queue } from "bullmq";
import type { Envelope, Outcome } from "./bullmq-record";
import type { QueueStats } from "./queue";

export type AnyQueue = Queue<Envelope, Outcome>;

/** Jobs of one queue by state. */
export async function countJobs(queue: AnyQueue): Promise<QueueStats> {
  const [counts, paused] = await Promise.all([
    queue.getJobCounts("waiting", "prioritized", "active", "delayed", "completed", "failed"),
    queue.isPaused(),
  ]);
  const of = (state: string): number => counts[state] ?? 0;
  const waiting = of("waiting") + of("prioritized");
  return { waiting, active: of("active"), delayed: of("delayed"), completed: of("completed"), failed: of("failed"), paused };
}

/** Jobs that could be taken now. Workers move delayed jobs whose time has come; where none is left, they stay delayed. */
export async function countBacklog(queue: AnyQueue): Promise<number> {
  const [{ waiting, paused }, due] = await Promise.all([countJobs(queue), queue.getDelayedCount(Date.now())]);
  return paused ? 0 : waiting + due;
}
