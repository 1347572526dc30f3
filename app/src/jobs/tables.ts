import type { TableDefinition } from "../db/tables";
import type { Priority, QueueName } from "./queue";

export const JOB_OUTCOMES = ["open", "completed", "failed", "cancelled"] as const;
export type JobOutcome = (typeof JOB_OUTCOMES)[number];

/** A job of a company. Accepted is what is in this table; the queue only carries it out. */
export interface CompanyJobRow {
  readonly id: string;
  readonly queue: QueueName;
  /** `open` until it is over. */
  readonly outcome: JobOutcome;
  readonly priority: Priority;
  /** JSON. */
  readonly payload: string;
  /** JSON. */
  readonly result: string | null;
  readonly error: string | null;
  /** Id of the document or computation it is about. */
  readonly subjectId: string;
  readonly idempotencyKey: string | null;
  readonly createdBy: string;
  /** Not to be started before. */
  readonly notBefore: string | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
}

export const companyJobs: TableDefinition<CompanyJobRow> = {
  table: "company_jobs",
  tenantColumn: "company_id",
  columns: {
    id: "id",
    queue: "queue",
    outcome: "outcome",
    priority: "priority",
    payload: "payload",
    result: "result",
    error: "error",
    subjectId: "subject_id",
    idempotencyKey: "idempotency_key",
    createdBy: "created_by",
    notBefore: "not_before",
    createdAt: "created_at",
    finishedAt: "finished_at",
  },
};
