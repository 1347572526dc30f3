import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { ORDER_STATUSES, orders } from "../../db/tables";
import { createOrder, deleteOrder, getOrder, ORDER_LIST, updateOrder } from "../../orders/orders";
import { name, notes } from "../fields";
import { requireCompanyAdmin, sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import { listPage, parseListRequest } from "../pagination";
import { sendJson, sendNothing } from "../respond";
import { pathId, validate } from "../validate";

/** Ten billion in a currency with cents; sums of a thousand such orders are still exact in a double. */
const MOST_CENTS = 1_000_000_000_000;

const newOrderSchema = z.strictObject({
  customerName: name,
  totalCents: z.int().min(0).max(MOST_CENTS).describe(`a whole number from 0 to ${MOST_CENTS}`),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/)
    .default("EUR")
    .describe("three capital letters (ISO 4217), such as EUR"),
  notes: notes.default(""),
});

const changesSchema = z.strictObject({
  status: z
    .enum(ORDER_STATUSES)
    .optional()
    .describe(`one of ${ORDER_STATUSES.join(", ")}`),
  notes: notes.optional(),
});

/** `/api/orders`: the orders of a company. Every user works with them, admins delete them. */
export function orderRoutes({ database }: Container): Router {
  const router = Router();

  router.get("/", async (request, response) => {
    const list = parseListRequest(request.query, ORDER_LIST);
    sendJson(request, response, 200, await listPage(tenantOf(request, database).table(orders), list, (order) => order));
  });

  router.post("/", jsonBody(), async (request, response) => {
    const order = validate(newOrderSchema, request.body, "The request body");
    const created = await createOrder(tenantOf(request, database), sessionOf(request).userId, order);
    sendJson(request, response, 201, created, { location: `/api/orders/${created.id}` });
  });

  router.get("/:id", async (request, response) => {
    sendJson(request, response, 200, await getOrder(tenantOf(request, database), pathId(request)));
  });

  router.patch("/:id", jsonBody(), async (request, response) => {
    const { status, notes: text } = validate(changesSchema, request.body, "The request body");
    const changes = { ...(status !== undefined && { status }), ...(text !== undefined && { notes: text }) };
    sendJson(request, response, 200, await updateOrder(tenantOf(request, database), pathId(request), changes));
  });

  router.delete("/:id", requireCompanyAdmin, async (request, response) => {
    await deleteOrder(tenantOf(request, database), pathId(request));
    sendNothing(request, response);
  });

  return router;
}
