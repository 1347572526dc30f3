import { companies, type CompanyRow } from "../db/tables";
import type { TenantScope } from "../db/tenant";

/** A company as the API shows it. */
export type Company = Omit<CompanyRow, "lastOrderNumber">;

export function presentCompany({ id, name, plan, createdAt, updatedAt }: CompanyRow): Company {
  return { id, name, plan, createdAt, updatedAt };
}

/** The company of the scope. */
export async function getCompany(scope: TenantScope): Promise<Company> {
  const row = await scope.table(companies).find(scope.companyId);
  if (row === undefined) throw new Error("The company of a session does not exist.");
  return presentCompany(row);
}

export async function updateCompany(scope: TenantScope, changes: { readonly name: string }): Promise<Company> {
  await scope.table(companies).update(scope.companyId, { ...changes, updatedAt: new Date().toISOString() });
  return getCompany(scope);
}
