import { companies, type CompanyRow } from "../db/tables";
import { quotaUsage } from "../db/domain-tables";
import type { TenantScope } from "../db/tenant";
import { HttpProblem } from "../http/problem";
import { isPlan, nextPlan, PLAN_LIMITS, PLANS, QUOTA_RESOURCES, type Plan, type QuotaResource } from "./plans";

/** From this share of a limit on, the status asks to think about the next plan. */
export const QUOTA_WARNING_SHARE = 0.8;

/** Tables a status is made from: a write to one of them makes a cached status invalid. */
export const QUOTA_TABLES: readonly string[] = ["companies", "quota_usage"];

/** How one resource stands against its limit. */
export interface ResourceQuota {
  readonly used: number;
  /** `null`: unlimited; so are the two below. */
  readonly limit: number | null;
  readonly remaining: number | null;
  readonly usedPercent: number | null;
  readonly status: "ok" | "warning" | "exhausted";
  /** What to do about it; `null` while there is nothing to do. */
  readonly message: string | null;
}

/** What a company has used of its plan (feature E6). */
export interface QuotaStatus {
  readonly companyId: string;
  readonly plan: Plan;
  readonly resources: Readonly<Record<QuotaResource, ResourceQuota>>;
  /** Plan above, `null` on the largest. */
  readonly nextPlan: Plan | null;
}

/**
 * Takes one of a resource's quota, in the transaction that creates the row: both happen or neither, and however many ask at the same
 * time, in however many processes, exactly as many succeed as the plan allows.
 * @throws HttpProblem quota-exceeded with the limit and the plan that has more.
 */
export async function takeQuota(inside: TenantScope, resource: QuotaResource): Promise<void> {
  const plan = planOf(await findCompany(inside));
  const limit = PLAN_LIMITS[plan][resource];
  const table = inside.table(quotaUsage);
  const taken = await table.incrementBelow(resource, "used", limit ?? Number.MAX_SAFE_INTEGER);
  if (taken !== undefined || limit === null) return;
  const used = (await table.find(resource))?.used ?? limit;
  throw quotaExceeded(plan, resource, limit, used);
}

/** Gives one back, in the transaction that removes the row. */
export async function releaseQuota(inside: TenantScope, resource: QuotaResource): Promise<void> {
  await inside.table(quotaUsage).decrement(resource, "used");
}

/** Two queries, however large the company: what is used is counted as it changes. */
export async function quotaStatus(scope: TenantScope): Promise<QuotaStatus> {
  const [company, rows] = await Promise.all([findCompany(scope), scope.table(quotaUsage).findAll(QUOTA_RESOURCES)]);
  const plan = planOf(company);
  const used = new Map(rows.map((row) => [row.id, row.used]));
  const resources = Object.fromEntries(
    QUOTA_RESOURCES.map((resource) => [resource, judge(plan, resource, used.get(resource) ?? 0)]),
  ) as Record<QuotaResource, ResourceQuota>;
  return { companyId: scope.companyId, plan, resources, nextPlan: PLANS[PLANS.indexOf(plan) + 1] ?? null };
}

/**
 * Puts a company on another plan. A plan that allows less than is used takes nothing away; it only lets nothing be added.
 * @throws HttpProblem not-found when there is no such company.
 */
export async function changePlan(scope: TenantScope, plan: Plan): Promise<QuotaStatus> {
  const changed = await scope.table(companies).update(scope.companyId, { plan, updatedAt: new Date().toISOString() });
  if (!changed) throw noSuchCompany();
  return quotaStatus(scope);
}

function judge(plan: Plan, resource: QuotaResource, used: number): ResourceQuota {
  const limit = PLAN_LIMITS[plan][resource];
  if (limit === null) return { used, limit, remaining: null, usedPercent: null, status: "ok", message: null };
  const share = used / limit;
  const status = share >= 1 ? "exhausted" : share >= QUOTA_WARNING_SHARE ? "warning" : "ok";
  return {
    used,
    limit,
    remaining: Math.max(0, limit - used),
    usedPercent: Math.round(share * 1000) / 10,
    status,
    message: status === "ok" ? null : `${used} of ${limit} ${resource} of plan ${plan} are used. ${upgradeAdvice(plan, resource)}`,
  };
}

function quotaExceeded(plan: Plan, resource: QuotaResource, limit: number, used: number): HttpProblem {
  const next = nextPlan(plan, resource);
  return new HttpProblem("quota-exceeded", `Plan ${plan} allows ${limit} ${resource}, and all are used. ${upgradeAdvice(plan, resource)}`, {
    extensions: { resource, limit, used, plan, nextPlan: next ?? null, nextLimit: next === undefined ? null : PLAN_LIMITS[next][resource] },
  });
}

function upgradeAdvice(plan: Plan, resource: QuotaResource): string {
  const next = nextPlan(plan, resource);
  if (next === undefined) return "Remove some.";
  const more = PLAN_LIMITS[next][resource];
  return `Plan ${next} allows ${more === null ? "any number" : more}; ask for an upgrade, or remove some.`;
}

async function findCompany(scope: TenantScope): Promise<CompanyRow> {
  const company = await scope.table(companies).find(scope.companyId);
  if (company === undefined) throw noSuchCompany();
  return company;
}

function noSuchCompany(): HttpProblem {
  return new HttpProblem("not-found", "There is no such company.");
}

function planOf({ plan }: CompanyRow): Plan {
  // The schema allows only these.
  if (!isPlan(plan)) throw new Error(`The company has an unknown plan "${plan}".`);
  return plan;
}
