import { Router } from "express";
import type { Container } from "../../container";
import { sendJson } from "../respond";
import { adminQuotaRoutes } from "./quotas";
import { adminActivityRoutes } from "./admin-activity";
import { adminCacheRoutes } from "./admin-cache";
import { adminMetricsRoutes } from "./admin-metrics";

/** `/api/admin`: for whoever operates the platform: by the admin token, or logged in as one of its admins. */
export function adminRoutes(container: Container): Router {
  const { instance, logger } = container;
  const router = Router();
  router.use("/metrics", adminMetricsRoutes(container));
  router.use("/cache", adminCacheRoutes(container));

  router.post("/reload", (request, response) => {
    const { requestId } = request.context;
    logger.info({ requestId, ip: request.ip }, "rolling reload requested");
    // Not awaited: the worker that answers is among those replaced, and drains only once this request is answered.
    instance.reload().then(
      (result) => logger.info({ requestId, result }, "rolling reload ended"),
      (error: unknown) => logger.error({ err: error, requestId }, "rolling reload was not carried out"),
    );
    sendJson(request, response, 202, { accepted: true, outcome: "/api/health/full, components.cluster.reloads" });
  });

  router.use("/activity", adminActivityRoutes(container));
  router.use("/quotas", adminQuotaRoutes(container));

  return router;
}
