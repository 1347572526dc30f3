import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { type Activity, ACTIVITY_LIST, ActivityLog } from "../../events/activity";
import * as shown from "../openapi/fields";
import { type Operation, pageSchema } from "../openapi/operation";
import { listPage, listQuerySchema, parseListRequest } from "../pagination";
import { sendJson } from "../respond";

const activitySchema: z.ZodType<Activity> = z.strictObject({
  id: shown.id,
  companyId: shown.id,
  number: z.int().min(1).describe("place in the company's stream of events"),
  type: z.string().describe("such as order.created"),
  summary: z.string(),
  occurredAt: shown.time,
});

export const activityOperations: readonly Operation[] = [
  {
    tag: "admin",
    method: "get",
    path: "/api/admin/activity",
    summary: "What happened in all companies, or in one, as events told it; empty without Kafka, kept for 90 days",
    query: listQuerySchema(ACTIVITY_LIST),
    answers: { 200: { description: "The page", schema: pageSchema(activitySchema) } },
  },
];

/** `GET /api/admin/activity` (features B5, E9): the log of events, for operators. */
export function adminActivityRoutes({ database }: Container): Router {
  const log = new ActivityLog(database);
  const router = Router();
  router.get("/", async (request, response) => {
    const page = await listPage(log, parseListRequest(request.query, ACTIVITY_LIST), (activity) => activity);
    sendJson(request, response, 200, page);
  });
  return router;
}
