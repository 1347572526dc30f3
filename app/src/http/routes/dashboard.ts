import { Router } from "express";
import { z } from "zod";
import { PLANS } from "../../billing/plans";
import type { Container } from "../../container";
import { DASHBOARD_TABLES, loadDashboard, type Dashboard } from "../../dashboard/dashboard";
import { EXAM_KINDS, FILING_STATES } from "../../db/domain-tables";
import { ORDER_STATUSES } from "../../db/tables";
import { sendCached } from "../cached";
import * as shown from "../openapi/fields";
import type { Operation } from "../openapi/operation";

const { count, id, time } = shown;
const money = { totalCents: count, currency: z.string() } as const;

const dashboardSchema: z.ZodType<Dashboard> = z.strictObject({
  generatedAt: time,
  days: count,
  plan: z.enum(PLANS),
  totals: z.strictObject({ users: count, patients: count, orders: count, products: count, exams: count }),
  orders: z.strictObject({
    byStatus: z.array(z.strictObject({ status: z.enum(ORDER_STATUSES), count, ...money })),
    complete: z.boolean().describe("false when there were more orders than the sums look at"),
    latest: z.array(
      z.strictObject({ id, number: z.int(), customerName: z.string(), status: z.enum(ORDER_STATUSES), createdAt: time, ...money }),
    ),
  }),
  filings: z.strictObject({ byStatus: z.array(z.strictObject({ status: z.enum(FILING_STATES), count })), complete: z.boolean() }),
  exams: z.strictObject({ next: z.array(z.strictObject({ id, patientId: id, kind: z.enum(EXAM_KINDS), scheduledAt: time })) }),
});

export const dashboardOperations: readonly Operation[] = [
  {
    tag: "dashboard",
    method: "get",
    path: "/api/dashboard",
    summary: "What the company has been doing",
    answers: { 200: { description: "Sums and latest rows", schema: dashboardSchema } },
  },
];

/** `/api/dashboard`: one page about the company. */
export function dashboardRoutes(container: Container): Router {
  const router = Router();
  router.get("/", async (request, response) => {
    await sendCached(container, request, response, { name: "dashboard", tags: DASHBOARD_TABLES }, (scope) => loadDashboard(scope));
  });
  return router;
}
