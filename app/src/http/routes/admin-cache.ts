import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { sendJson, sendNothing } from "../respond";
import { pathId, validate } from "../validate";

const word = z
  .string()
  .regex(/^[\w:*?.-]{1,200}$/)
  .optional()
  .describe("1 to 200 letters, digits or any of _ : * ? . -");

export const invalidationSchema = z.strictObject({ namespace: word, user: word, tag: word, pattern: word });

/** `/api/admin/cache/:id`: what the cache of this worker did for one company, and making all caches forget it. */
export function adminCacheRoutes({ cache, logger }: Container): Router {
  const router = Router();

  router.get("/:id", (request, response) => {
    const companyId = pathId(request);
    sendJson(request, response, 200, { companyId, ...cache.companyStats(companyId) });
  });

  router.delete("/:id", async (request, response) => {
    const companyId = pathId(request);
    const { namespace, user, tag, pattern } = validate(invalidationSchema, request.query, "The query");
    if (namespace !== undefined) await cache.invalidateNamespace(companyId, namespace);
    if (user !== undefined) await cache.invalidateUser(companyId, user);
    if (tag !== undefined) await cache.invalidateTag(companyId, tag);
    if (pattern !== undefined) await cache.invalidatePattern(companyId, pattern);
    if ([namespace, user, tag, pattern].every((given) => given === undefined)) await cache.invalidateCompany(companyId);
    logger.info({ requestId: request.context.requestId, companyId, namespace, user, tag, pattern }, "cache invalidated by an operator");
    sendNothing(request, response);
  });

  return router;
}
