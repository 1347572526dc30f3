import { Router } from "express";
import type { Container } from "../../container";
import { cacheReport } from "../../health/cache";
import { databaseReport } from "../../health/database";
import { seesDetails } from "../../health/details";
import { metricsSummary } from "../../health/metrics-summary";
import { fullReport, scalingReport } from "../../health/reports";
import { queueReport } from "../../jobs/health";
import { sendJson } from "../respond";

/** `/api/health` (feature A6). 503 only when something is critical, so that monitors without a JSON parser notice. */
export function healthRoutes(container: Container): Router {
  const router = Router();

  router.get("/full", async (request, response) => {
    const report = await fullReport(container, seesDetails(request, container.adminToken));
    sendJson(request, response, report.status === "critical" ? 503 : 200, report);
  });

  router.get("/database", async (request, response) => {
    const report = await databaseReport(container, seesDetails(request, container.adminToken));
    sendJson(request, response, report.status === "critical" ? 503 : 200, report);
  });

  router.get("/metrics", async (request, response) => {
    sendJson(request, response, 200, metricsSummary(await container.instance.metricsText()));
  });

  router.get("/cache", async (request, response) => {
    sendJson(request, response, 200, await cacheReport(container));
  });

  router.get("/queue", async (request, response) => {
    sendJson(request, response, 200, await queueReport(container.jobs.queue));
  });

  router.get("/scaling", async (request, response) => {
    sendJson(request, response, 200, await scalingReport(container));
  });

  return router;
}
