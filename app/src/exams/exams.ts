import { releaseQuota, takeQuota } from "../billing/quotas";
import { EXAM_STATUSES, exams, patients, type ExamRow, type ExamStatus } from "../db/domain-tables";
import { createId } from "../db/id";
import type { TenantScope } from "../db/tenant";
import { changeVersioned, type Changes } from "../db/versioned";
import type { ListDefinition } from "../http/pagination";
import { HttpProblem } from "../http/problem";
import { requireNext } from "../http/transitions";

/** An exam as the API shows it: the whole row. */
export type Exam = ExamRow;

export const EXAM_LIST: ListDefinition<ExamRow> = {
  size: "medium",
  sorts: ["scheduledAt"],
  defaultSort: "-scheduledAt",
  filters: { patientId: "id", status: EXAM_STATUSES },
};

/** Where an exam may go from each status. */
export const NEXT_EXAM_STATUSES: Readonly<Record<ExamStatus, readonly ExamStatus[]>> = {
  scheduled: ["completed", "cancelled"],
  completed: [],
  cancelled: [],
};

export type NewExam = Pick<ExamRow, "patientId" | "kind" | "scheduledAt" | "findings">;
export type ExamChanges = Changes<Pick<ExamRow, "scheduledAt" | "findings" | "status">>;

/** @throws HttpProblem when the company has no such patient, or the plan allows no more exams. */
export function createExam(scope: TenantScope, createdBy: string, exam: NewExam): Promise<Exam> {
  return scope.transaction(async (inside) => {
    if ((await inside.table(patients).find(exam.patientId)) === undefined) {
      throw new HttpProblem("validation", "The request body is not valid: there is no such patient.", {
        errors: [{ field: "patientId", value: exam.patientId, allowed: "the id of a patient of the company" }],
      });
    }
    await takeQuota(inside, "exams");
    const now = new Date().toISOString();
    const row: ExamRow = { id: createId(), ...exam, status: "scheduled", version: 1, createdBy, createdAt: now, updatedAt: now };
    await inside.table(exams).insert(row);
    return row;
  });
}

/** @throws HttpProblem when the company has no such exam. */
export async function getExam(scope: TenantScope, id: string): Promise<Exam> {
  const row = await scope.table(exams).find(id);
  if (row === undefined) throw noSuchExam();
  return row;
}

/**
 * @param expected see {@link changeVersioned}, which also says what is thrown.
 * @throws HttpProblem when the status cannot become the new one.
 */
export function updateExam(scope: TenantScope, id: string, expected: number | undefined, changes: ExamChanges): Promise<Exam> {
  return scope.transaction((inside) =>
    changeVersioned(inside, exams, "exam", id, expected, (exam) => {
      if (changes.status !== undefined) requireNext("exam", NEXT_EXAM_STATUSES, exam.status, changes.status);
      return changes;
    }),
  );
}

/** @throws HttpProblem when the company has no such exam. */
export function deleteExam(scope: TenantScope, id: string): Promise<void> {
  return scope.transaction(async (inside) => {
    if ((await inside.table(exams).delete({ id })) === 0) throw noSuchExam();
    await releaseQuota(inside, "exams");
  });
}

function noSuchExam(): HttpProblem {
  return new HttpProblem("not-found", "There is no such exam.");
}
