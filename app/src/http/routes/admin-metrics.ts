import { Router, type Request } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { homeOf } from "../../db/shards/reach";
import { companyReport, metricsSummaryReport, problemsReport } from "../../observability/tenant-metrics-report";
import { HttpProblem } from "../problem";
import { sendJson } from "../respond";
import { pathId, validate } from "../validate";

export const summaryQuery = z.strictObject({ period: z.enum(["hour", "day", "week"]).default("hour").describe("hour, day or week") });
const noQuery = z.strictObject({});

const FIND_COMPANY = `SELECT id AS "id", name AS "name", plan AS "plan" FROM companies WHERE id = ?`;

/**
 * `/api/admin/metrics` (features E7, E9): what companies do, over all workers and instances. What other workers counted is at most
 * COMPANY_METRICS_FLUSH_MS old; what this one counted is written before it answers.
 */
export function adminMetricsRoutes({ database, tenantMetricsFlush }: Pick<Container, "database" | "tenantMetricsFlush">): Router {
  const router = Router();

  router.get("/summary", async (request, response) => {
    const { period } = validate(summaryQuery, request.query, "The query");
    await tenantMetricsFlush.flush();
    sendJson(request, response, 200, await metricsSummaryReport(database, period, Date.now()));
  });

  router.get("/company/:id", async (request, response) => {
    refuseQuery(request);
    const id = pathId(request);
    const company = await homeOf(database, id).get<{ id: string; name: string; plan: string }>(FIND_COMPANY, [id]);
    if (company === undefined) throw new HttpProblem("not-found", "There is no such company.");
    await tenantMetricsFlush.flush();
    sendJson(request, response, 200, await companyReport(database, company, Date.now()));
  });

  router.get("/problems", async (request, response) => {
    refuseQuery(request);
    await tenantMetricsFlush.flush();
    sendJson(request, response, 200, await problemsReport(database, Date.now()));
  });

  return router;
}

function refuseQuery(request: Request): void {
  validate(noQuery, request.query, "The query");
}
