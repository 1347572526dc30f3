import type { ListDefinition } from "../http/pagination";
import { parse } from "./embedded-store";
import { type JobRecord, type JobState, type JsonObject, type Priority, QUEUES, type QueueName } from "./queue";
import { type CompanyJobRow, JOB_OUTCOMES } from "./tables";

export const JOB_LIST: ListDefinition<CompanyJobRow> = {
  size: "medium",
  sorts: ["createdAt"],
  defaultSort: "-createdAt",
  filters: { outcome: JOB_OUTCOMES, queue: QUEUES },
};

export interface NewCompanyJob {
  readonly queue: QueueName;
  readonly subjectId: string;
  readonly createdBy: string;
  readonly input: JsonObject;
  readonly priority?: Priority;
  readonly delayMs?: number;
  /** The company's own; the same key in the same queue is the same job. */
  readonly idempotencyKey?: string;
}

/** What a processor gets as its payload. */
export interface CompanyPayload {
  readonly companyId: string;
  readonly createdBy: string;
  readonly subjectId: string;
  readonly input: JsonObject;
}

/** A job as the API shows it. Times are ISO 8601. */
export interface CompanyJobView {
  readonly id: string;
  readonly queue: QueueName;
  readonly status: JobState;
  readonly priority: Priority;
  readonly subjectId: string;
  /** Percent. */
  readonly progress: number;
  readonly attempts: number | null;
  readonly maxAttempts: number | null;
  readonly result: JsonObject | null;
  readonly error: string | null;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly finishedAt: string | null;
}

/** Whether the same user asked for the same: a job of somebody else, or of other figures, is no answer to this request. */
export function isSame(known: CompanyJobRow, job: NewCompanyJob): boolean {
  const { createdBy, priority, payload } = known;
  const sameInput = JSON.stringify(parse(payload)?.["input"]) === JSON.stringify(job.input);
  return sameInput && createdBy === job.createdBy && priority === (job.priority ?? "normal");
}

/** A job as the API shows it: its row, and while it is open what the queue knows of it. */
export function present(row: CompanyJobRow, record: JobRecord | undefined): CompanyJobView {
  const isOpen = row.outcome === "open";
  return {
    id: row.id,
    queue: row.queue,
    status: row.outcome === "open" ? (record?.state ?? (row.notBefore === null ? "waiting" : "delayed")) : row.outcome,
    priority: row.priority,
    subjectId: row.subjectId,
    progress: row.outcome === "completed" ? 100 : (record?.progress ?? 0),
    attempts: record?.attemptsStarted ?? null,
    maxAttempts: record?.maxAttempts ?? null,
    result: row.result === null ? (isOpen ? (record?.result ?? null) : null) : (parse(row.result) ?? null),
    error: row.error ?? (isOpen ? (record?.error ?? null) : null),
    createdBy: row.createdBy,
    createdAt: row.createdAt,
    finishedAt: row.finishedAt,
  };
}
