import { Router } from "express";
import { z } from "zod";
import { PLAN_LIMITS, PLANS } from "../../billing/plans";
import { changePlan, QUOTA_TABLES, quotaStatus, type QuotaStatus } from "../../billing/quotas";
import type { Container } from "../../container";
import { TenantScope } from "../../db/tenant";
import { sendCached } from "../cached";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import type { Operation } from "../openapi/operation";
import { HttpProblem } from "../problem";
import { sendJson } from "../respond";
import { pathId, validate } from "../validate";

const planSchema = z.strictObject({ plan: z.enum(PLANS).describe(`one of ${PLANS.join(", ")}`) });

const resourceQuotaSchema = z.strictObject({
  used: shown.count,
  limit: shown.count.nullable().describe("null is unlimited"),
  remaining: shown.count.nullable(),
  usedPercent: z.number().min(0).nullable(),
  status: z.enum(["ok", "warning", "exhausted"]),
  message: z.string().nullable(),
});

const quotaSchema: z.ZodType<QuotaStatus> = z.strictObject({
  companyId: shown.id,
  plan: z.enum(PLANS),
  resources: z.strictObject({
    users: resourceQuotaSchema,
    patients: resourceQuotaSchema,
    orders: resourceQuotaSchema,
    products: resourceQuotaSchema,
    exams: resourceQuotaSchema,
  }),
  nextPlan: z.enum(PLANS).nullable(),
});

const limit = shown.count.nullable();
const plansSchema = z.strictObject({
  data: z.array(
    z.strictObject({
      plan: z.enum(PLANS),
      limits: z.strictObject({ users: limit, patients: limit, orders: limit, products: limit, exams: limit }),
    }),
  ),
});

const status = { 200: { description: "What is used of the plan", schema: quotaSchema } };

export const quotaOperations: readonly Operation[] = [
  { tag: "quotas", method: "get", path: "/api/quotas", summary: "What the company has used of its plan", answers: status },
  {
    tag: "quotas",
    method: "get",
    path: "/api/quotas/plans",
    summary: "What each plan allows",
    answers: { 200: { description: "From the smallest plan to the largest", schema: plansSchema } },
  },
  { tag: "admin", method: "get", path: "/api/admin/quotas/{id}", summary: "What a company has used of its plan", answers: status },
  {
    tag: "admin",
    method: "put",
    path: "/api/admin/quotas/{id}",
    summary: "Puts a company on another plan",
    body: planSchema,
    answers: status,
  },
];

const ALL_PLANS = { data: PLANS.map((plan) => ({ plan, limits: PLAN_LIMITS[plan] })) };

/** `/api/quotas` (feature E6): what the company may still add. */
export function quotaRoutes(container: Container): Router {
  const router = Router();

  router.get("/", async (request, response) => {
    await sendCached(container, request, response, { name: "quotas", tags: QUOTA_TABLES }, quotaStatus);
  });

  router.get("/plans", (request, response) => {
    sendJson(request, response, 200, ALL_PLANS);
  });

  return router;
}

/** `/api/admin/quotas/:id` (feature E9): the same of any company by its id, for operators. */
export function adminQuotaRoutes({ database, logger }: Container): Router {
  const router = Router();

  router.get("/:id", async (request, response) => {
    sendJson(request, response, 200, await quotaStatus(companyScope(database, pathId(request))));
  });

  router.put("/:id", jsonBody(), async (request, response) => {
    const { plan } = validate(planSchema, request.body, "The request body");
    const after = await changePlan(companyScope(database, pathId(request)), plan);
    logger.info({ requestId: request.context.requestId, companyId: after.companyId, plan }, "plan changed");
    sendJson(request, response, 200, after);
  });

  return router;
}

/** Operators name the company themselves; the table of access lets nobody else come here. */
function companyScope(database: Container["database"], id: string): TenantScope {
  if (id === "") throw new HttpProblem("not-found", "There is no such company.");
  return new TenantScope(database, id);
}
