import { Router } from "express";
import type { Container } from "../../container";
import { requireAdminToken } from "../middleware/authenticate";
import { sendJson } from "../respond";

/** `/api/admin`: for whoever operates the instance, by its admin token. */
export function adminRoutes({ adminToken, instance, logger }: Container): Router {
  const router = Router();
  router.use(requireAdminToken(adminToken));

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

  return router;
}
