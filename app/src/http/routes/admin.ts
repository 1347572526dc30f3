import { Router, type RequestHandler } from "express";
import { z } from "zod";
import { ConsoleReport } from "../../console/report";
import type { Container } from "../../container";
import { instanceId } from "../../realtime/instance-id";
import { HttpProblem } from "../problem";
import { sendJson } from "../respond";
import { pathId, validate } from "../validate";
import { adminQuotaRoutes } from "./quotas";
import { adminActivityRoutes } from "./admin-activity";
import { adminCacheRoutes } from "./admin-cache";
import { adminMetricsRoutes } from "./admin-metrics";

/** Behind a load balancer a request reaches any instance; one that is meant for a certain one says so. */
export const instanceQuery = z.strictObject({
  instance: z.uuid().optional().describe("id of an instance, as /api/admin/console tells it; other instances then refuse with 421"),
});

/** `/api/admin`: for whoever operates the platform: by the admin token, or logged in as one of its admins. */
export function adminRoutes(container: Container): Router {
  const { instance, logger } = container;
  const router = Router();
  router.use("/metrics", adminMetricsRoutes(container));
  router.use("/cache", adminCacheRoutes(container));

  const console = new ConsoleReport(container);
  router.get("/console", async (request, response) => {
    sendJson(request, response, 200, await console.snapshot());
  });

  router.post("/reload", (request, response) => {
    const { requestId } = request.context;
    refuseMisdirected(validate(instanceQuery, request.query, "The query"));
    logger.info({ requestId, ip: request.ip }, "rolling reload requested");
    // Not awaited: the worker that answers is among those replaced, and drains only once this request is answered.
    instance.reload().then(
      (result) => logger.info({ requestId, result }, "rolling reload ended"),
      (error: unknown) => logger.error({ err: error, requestId }, "rolling reload was not carried out"),
    );
    sendJson(request, response, 202, { accepted: true, outcome: "/api/health/full, components.cluster.reloads" });
  });

  router.post("/workers/:id/drain", async (request, response) => {
    const { requestId } = request.context;
    refuseMisdirected(validate(instanceQuery, request.query, "The query"));
    const id = pathId(request);
    const outcome = /^[1-9]\d{0,8}$/.test(id) ? await instance.drain(Number(id)) : "unknown";
    logger.info({ requestId, ip: request.ip, worker: id, outcome }, "draining a worker was requested");
    if (outcome === "unknown") throw new HttpProblem("not-found", "This instance has no such worker.");
    if (outcome === "starting") throw new HttpProblem("conflict", "This worker is still starting.");
    if (outcome === "alone")
      throw new HttpProblem("conflict", "A single process has nobody to take over from it; set WORKERS to 2 or more.");
    sendJson(request, response, 202, { accepted: true, outcome: "/api/admin/console, workers" });
  });

  router.use("/activity", adminActivityRoutes(container));
  router.use("/quotas", adminQuotaRoutes(container));

  return router;
}

/**
 * Middleware for `/api/admin`, before limits and authentication: who means one of fifty instances reaches many others first, and each of them
 * would count that against the limit of operators' changes. Strangers learn no more than that this is not the instance they named.
 */
export const misdirected: RequestHandler = (request, _response, next) => {
  const query = instanceQuery.safeParse(request.query);
  if (query.success) refuseMisdirected(query.data);
  next();
};

/** RFC 9110, 15.5.20: the client may ask again, and reaches another instance sooner or later. @throws HttpProblem */
function refuseMisdirected({ instance }: z.infer<typeof instanceQuery>): void {
  if (instance !== undefined && instance !== instanceId()) {
    throw new HttpProblem("misdirected", "Another instance answered than the one that was meant; send the request again.");
  }
}
