import { releaseQuota, takeQuota } from "../billing/quotas";
import { ConstraintError } from "../db/database";
import { PATIENT_STATUSES, patients, type PatientRow } from "../db/domain-tables";
import { createId } from "../db/id";
import type { TenantScope } from "../db/tenant";
import { changeVersioned, type Changes } from "../db/versioned";
import type { ListDefinition } from "../http/pagination";
import { HttpProblem } from "../http/problem";

/** A patient as the API shows it: the whole row. */
export type Patient = PatientRow;

export const PATIENT_LIST: ListDefinition<PatientRow> = {
  size: "medium",
  sorts: ["createdAt", "familyName"],
  defaultSort: "-createdAt",
  filters: { status: PATIENT_STATUSES },
};

export type NewPatient = Pick<PatientRow, "givenName" | "familyName" | "birthDate" | "email" | "phone" | "notes">;
export type PatientChanges = Changes<NewPatient & Pick<PatientRow, "status">>;

/** @throws HttpProblem when the plan allows no more patients. */
export function createPatient(scope: TenantScope, createdBy: string, patient: NewPatient): Promise<Patient> {
  return scope.transaction(async (inside) => {
    await takeQuota(inside, "patients");
    const now = new Date().toISOString();
    const row: PatientRow = { id: createId(), ...patient, status: "active", version: 1, createdBy, createdAt: now, updatedAt: now };
    await inside.table(patients).insert(row);
    return row;
  });
}

/** @throws HttpProblem when the company has no such patient. */
export async function getPatient(scope: TenantScope, id: string): Promise<Patient> {
  const row = await scope.table(patients).find(id);
  if (row === undefined) throw noSuchPatient();
  return row;
}

/** @param expected see {@link changeVersioned}, which also says what is thrown. */
export function updatePatient(scope: TenantScope, id: string, expected: number | undefined, changes: PatientChanges): Promise<Patient> {
  return scope.transaction((inside) => changeVersioned(inside, patients, "patient", id, expected, () => changes));
}

/** @throws HttpProblem when the company has no such patient, or there are exams of them. */
export async function deletePatient(scope: TenantScope, id: string): Promise<void> {
  try {
    await scope.transaction(async (inside) => {
      if ((await inside.table(patients).delete({ id })) === 0) throw noSuchPatient();
      await releaseQuota(inside, "patients");
    });
  } catch (error) {
    if (!(error instanceof ConstraintError)) throw error;
    throw new HttpProblem("conflict", "There are exams of this patient; archive the patient instead, or delete the exams first.");
  }
}

function noSuchPatient(): HttpProblem {
  return new HttpProblem("not-found", "There is no such patient.");
}
