import { Router } from "express";
import { Kept } from "../../console/kept";
import type { Container } from "../../container";
import { cacheReport } from "../../health/cache";
import { databaseReport } from "../../health/database";
import { seesDetails } from "../../health/details";
import { metricsSummary } from "../../health/metrics-summary";
import { fullReport, scalingReport } from "../../health/reports";
import { queueReport } from "../../jobs/health";
import { sendJson } from "../respond";

/**
 * What all workers counted is added up at most this often for health, ms: anyone may ask for it, past every limit, and it costs each worker,
 * the primary and the reading of some hundred KB.
 */
const COUNTED_AGE_MS = 500;

/** `/api/health` (feature A6). 503 only when something is critical, so that monitors without a JSON parser notice. */
export function healthRoutes(container: Container): Router {
  const router = Router();
  // Looked at once for all who ask meanwhile.
  const full = { stranger: new Kept(0, () => fullReport(container, false)), operator: new Kept(0, () => fullReport(container, true)) };
  const scaling = new Kept(0, () => scalingReport(container));
  const counted = new Kept(COUNTED_AGE_MS, async () => metricsSummary(await container.instance.metricsText()));
  const cache = new Kept(COUNTED_AGE_MS, () => cacheReport(container));

  router.get("/full", async (request, response) => {
    const report = await full[seesDetails(request, container.adminToken) ? "operator" : "stranger"].get();
    sendJson(request, response, report.status === "critical" ? 503 : 200, report);
  });

  router.get("/database", async (request, response) => {
    const report = await databaseReport(container, seesDetails(request, container.adminToken));
    sendJson(request, response, report.status === "critical" ? 503 : 200, report);
  });

  router.get("/metrics", async (request, response) => {
    sendJson(request, response, 200, await counted.get());
  });

  router.get("/cache", async (request, response) => {
    sendJson(request, response, 200, await cache.get());
  });

  router.get("/queue", async (request, response) => {
    sendJson(request, response, 200, await queueReport(container.jobs.queue));
  });

  router.get("/scaling", async (request, response) => {
    sendJson(request, response, 200, await scaling.get());
  });

  return router;
}
