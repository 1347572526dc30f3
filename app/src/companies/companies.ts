import { companies, type CompanyRow } from "../db/tables";
import type { TenantScope } from "../db/tenant";
import { publish } from "../events/outbox";

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

export function updateCompany(scope: TenantScope, changes: { readonly name: string }): Promise<Company> {
  return scope.transaction(async (inside) => {
    await inside.table(companies).update(scope.companyId, { ...changes, updatedAt: new Date().toISOString() });
    const after = await getCompany(inside);
    await publish(inside, { type: "company.updated", payload: { company: { id: after.id, name: after.name } } });
    return after;
  });
}
