import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { email, name, password } from "../fields";
import { jsonBody } from "../middleware/body";
import { sendJson } from "../respond";
import { validate } from "../validate";

export const newPlatformAdminSchema = z.strictObject({ email, name, password });

/** `POST /api/admin/platform-admins`: the holder of the admin token makes someone an operator of the platform, who then logs in as everyone does. */
export function platformAdminRoutes({ accounts, logger }: Container): Router {
  const router = Router();
  router.post("/", jsonBody(), async (request, response) => {
    const created = await accounts.createPlatformAdmin(validate(newPlatformAdminSchema, request.body, "The request body"));
    logger.warn({ requestId: request.context.requestId, userId: created.id, ip: request.ip }, "a platform admin was created");
    sendJson(request, response, 201, created);
  });
  return router;
}
