/** Plans from the smallest to the largest. */
export const PLANS = ["FREE", "BASIC", "PROFESSIONAL", "ENTERPRISE"] as const;
export type Plan = (typeof PLANS)[number];

/** What a plan limits (feature E6). */
export const QUOTA_RESOURCES = ["users", "patients", "orders", "products", "exams"] as const;
export type QuotaResource = (typeof QUOTA_RESOURCES)[number];

/** Most rows of each resource a company may have at the same time; `null` is unlimited. Users count while they are active. */
export type PlanLimits = Readonly<Record<QuotaResource, number | null>>;

/** The quotas of every plan. */
export const PLAN_LIMITS: Readonly<Record<Plan, PlanLimits>> = {
  FREE: { users: 10, patients: 500, orders: 5000, products: 200, exams: 500 },
  BASIC: { users: 50, patients: 5000, orders: 20_000, products: 2000, exams: 10_000 },
  PROFESSIONAL: { users: 250, patients: 50_000, orders: 200_000, products: 20_000, exams: 100_000 },
  ENTERPRISE: { users: null, patients: null, orders: null, products: null, exams: null },
};

export function isPlan(value: string): value is Plan {
  return (PLANS as readonly string[]).includes(value);
}

/** The smallest plan above this one that allows more of the resource; `undefined` when none does. */
export function nextPlan(plan: Plan, resource: QuotaResource): Plan | undefined {
  const limit = PLAN_LIMITS[plan][resource];
  if (limit === null) return undefined;
  return PLANS.slice(PLANS.indexOf(plan) + 1).find((candidate) => {
    const more = PLAN_LIMITS[candidate][resource];
    return more === null || more > limit;
  });
}
