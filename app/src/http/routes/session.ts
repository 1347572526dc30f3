import { Router } from "express";
import { sessionOf } from "../middleware/authenticate";
import { sendJson } from "../respond";

/**
 * `GET /api/session`: who asks, from the session alone. The cheapest way for a client to learn whether it is still logged in, and
 * the route by which `npm run bench app` measures the middleware without a domain behind it.
 */
export function sessionRoutes(): Router {
  const router = Router();
  router.get("/", (request, response) => {
    const { companyId, userId, role, expiresAt } = sessionOf(request);
    sendJson(request, response, 200, { companyId, userId, role, expiresAt });
  });
  return router;
}
