import type { ComponentStatus } from "../health/thresholds";
import { judge, type Threshold, worst } from "../health/thresholds";
import { errorText } from "./definitions";
import { type JobQueue, QUEUES, type QueueStats } from "./queue";

/** Jobs that may start but wait: one runner does about a hundred a second, so a thousand are ten seconds. */
export const QUEUE_DEPTH: Threshold = { warning: 1000, critical: 10_000 };

/** Dead letters are for a person to look at; they never make an instance unhealthy by themselves. */
const DEAD_WARNING = 1;

/** A queue that was counted within this time is not counted again, ms: anyone may ask for health. */
const AGE_MS = 1000;

/** What `/api/health/queue` and `/api/health/full` tell of the job queue. */
export interface QueueReport {
  readonly enabled: true;
  readonly status: ComponentStatus;
  readonly driver: JobQueue["kind"];
  /** Jobs that may start now. */
  readonly depth: number;
  readonly active: number;
  readonly delayed: number;
  /** Dead letters. */
  readonly failed: number;
  readonly queues: Readonly<Record<string, QueueStats>>;
  /** Why it is not `ok`. */
  readonly reason?: string;
}

const recent = new WeakMap<JobQueue, { readonly at: number; readonly report: Promise<QueueReport> }>();

/** Never throws: a queue whose server is away is the finding. Jobs are accepted meanwhile, so that is a warning. */
export function queueReport(queue: JobQueue): Promise<QueueReport> {
  const known = recent.get(queue);
  if (known !== undefined && performance.now() - known.at < AGE_MS) return known.report;
  const report = ask(queue);
  recent.set(queue, { at: performance.now(), report });
  return report;
}

async function ask(queue: JobQueue): Promise<QueueReport> {
  try {
    return judgeStats(queue.kind, await queue.stats());
  } catch (error) {
    const reason = `The queue cannot be asked: ${errorText(error)} Jobs are accepted and wait.`;
    return { enabled: true, status: "warning", driver: queue.kind, depth: 0, active: 0, delayed: 0, failed: 0, queues: {}, reason };
  }
}

function judgeStats(driver: JobQueue["kind"], queues: Readonly<Record<string, QueueStats>>): QueueReport {
  const sum = (state: "waiting" | "active" | "delayed" | "failed"): number =>
    QUEUES.reduce((total, name) => total + (queues[name]?.[state] ?? 0), 0);
  const depth = sum("waiting");
  const failed = sum("failed");
  const paused = QUEUES.filter((name) => queues[name]?.paused === true);
  const findings: [ComponentStatus, string][] = [[judge(depth, QUEUE_DEPTH), `${depth} jobs wait.`]];
  if (failed >= DEAD_WARNING) findings.push(["warning", `${failed} dead letters are to be looked at.`]);
  if (paused.length > 0) findings.push(["warning", `Paused: ${paused.join(", ")}.`]);
  const reason = findings.flatMap(([status, text]) => (status === "ok" ? [] : [text])).join(" ");
  const status = worst(findings.map(([each]) => each));
  const counts = { depth, active: sum("active"), delayed: sum("delayed"), failed };
  return { enabled: true, status, driver, ...counts, queues, ...(reason !== "" && { reason }) };
}
