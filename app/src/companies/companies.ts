import { companies, type CompanyRow } from "../db/tables";
import type { TenantScope } from "../db/tenant";
import { changeTime } from "../db/versioned";
import { publish } from "../events/outbox";
import { changedMeanwhile, requireTag } from "../http/precondition";

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

/**
 * @param expected tag of the company as the caller has seen it (`If-Match`); `undefined` changes whatever is there.
 * @throws HttpProblem precondition-failed when it is not what the caller has seen.
 */
export function updateCompany(scope: TenantScope, changes: { readonly name: string }, expected?: string): Promise<Company> {
  return scope.transaction(async (inside) => {
    const before = await getCompany(inside);
    requireTag(before, "company", expected);
    const asSeen = expected === undefined ? {} : { updatedAt: before.updatedAt };
    const updated = await inside.table(companies).update(scope.companyId, { ...changes, updatedAt: changeTime(before) }, asSeen);
    if (!updated && expected !== undefined) throw changedMeanwhile("company", expected);
    const after = await getCompany(inside);
    await publish(inside, { type: "company.updated", payload: { company: { id: after.id, name: after.name } } });
    return after;
  });
}
