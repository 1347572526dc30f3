import { isPlan, type Plan, PLANS } from "../billing/plans";
import { companies } from "../db/tables";
import type { TenantScope } from "../db/tenant";
import { HttpProblem } from "../http/problem";
import { documentUsage } from "./tables";

/** What a plan allows of documents. */
export interface StorageLimits {
  readonly documents: number;
  readonly bytes: number;
}

const GIB = 1024 ** 3;

/** `null` is unlimited. */
export const STORAGE_LIMITS: Readonly<Record<Plan, StorageLimits | null>> = {
  FREE: { documents: 200, bytes: GIB / 4 },
  BASIC: { documents: 5000, bytes: 5 * GIB },
  PROFESSIONAL: { documents: 100_000, bytes: 100 * GIB },
  ENTERPRISE: null,
};

/**
 * Counts one more document in the transaction that adds it. Transactions of one company wait for each other, so exactly as much fits as the
 * plan allows.
 * @throws HttpProblem quota-exceeded with what is used and the next plan.
 */
export async function takeStorage(inside: TenantScope, sizeBytes: number): Promise<void> {
  const table = inside.table(documentUsage);
  const used = await table.find(inside.companyId);
  const after = refuseTooMuch(await planOf(inside), used, sizeBytes);
  if (used === undefined) await table.insert({ id: inside.companyId, ...after });
  else await table.update(inside.companyId, after);
}

/** Asks before content is sent whether it would fit now; {@link takeStorage} decides. @throws HttpProblem as that does. */
export async function expectStorage(scope: TenantScope, sizeBytes: number): Promise<void> {
  const [used, plan] = await Promise.all([scope.table(documentUsage).find(scope.companyId), planOf(scope)]);
  refuseTooMuch(plan, used, sizeBytes);
}

/** @returns what is used with one more document. */
function refuseTooMuch(plan: Plan, used: StorageLimits | undefined, sizeBytes: number): StorageLimits {
  const limits = STORAGE_LIMITS[plan];
  const after = { documents: (used?.documents ?? 0) + 1, bytes: (used?.bytes ?? 0) + sizeBytes };
  if (limits !== null && (after.documents > limits.documents || after.bytes > limits.bytes)) {
    throw exceeded(plan, limits, after.documents > limits.documents ? "documents" : "bytes", after);
  }
  return after;
}

/** Gives back in the transaction that deletes the document. */
export async function releaseStorage(inside: TenantScope, sizeBytes: number): Promise<void> {
  const table = inside.table(documentUsage);
  const used = await table.find(inside.companyId);
  if (used !== undefined) await table.update(inside.companyId, { documents: used.documents - 1, bytes: used.bytes - sizeBytes });
}

/** What a company's documents take up, and what its plan allows. */
export async function storageStatus(scope: TenantScope) {
  const [used, plan] = await Promise.all([scope.table(documentUsage).find(scope.companyId), planOf(scope)]);
  return { plan, used: { documents: used?.documents ?? 0, bytes: used?.bytes ?? 0 }, limits: STORAGE_LIMITS[plan] };
}

function exceeded(plan: Plan, limits: StorageLimits, resource: keyof StorageLimits, after: StorageLimits): HttpProblem {
  const next = PLANS[PLANS.indexOf(plan) + 1] ?? null;
  const what = resource === "documents" ? `${limits.documents} documents` : `${limits.bytes} bytes of documents`;
  return new HttpProblem("quota-exceeded", `Plan ${plan} allows ${what}; delete some, or ask for plan ${next ?? plan}.`, {
    extensions: { resource, limit: limits[resource], wouldBe: after[resource], plan, nextPlan: next },
  });
}

async function planOf(scope: TenantScope): Promise<Plan> {
  const plan = (await scope.table(companies).find(scope.companyId))?.plan;
  if (plan === undefined || !isPlan(plan)) throw new Error("The company of a session has no known plan.");
  return plan;
}
