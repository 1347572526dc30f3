import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { ORDER_STATUSES, orders } from "../../db/tables";
import {
  createOrder,
  deleteOrder,
  getOrderDetail,
  MOST_ORDER_ITEMS,
  ORDER_LIST,
  updateOrder,
  type Order,
  type OrderDetail,
} from "../../orders/orders";
import { sendCached } from "../cached";
import { sendCreated } from "../create";
import { cents, currency, name, notes, rowId } from "../fields";
import { requireCompanyAdmin, sessionOf, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import { resource } from "../openapi/operation";
import { listPage, parseListRequest } from "../pagination";
import { expectedVersion, versionHeaders } from "../precondition";
import { sendJson, sendNothing } from "../respond";
import { pathId, validate } from "../validate";

const orderStatus = z.enum(ORDER_STATUSES).describe(`one of ${ORDER_STATUSES.join(", ")}`);

const itemSchema = z
  .strictObject({ productId: rowId, quantity: z.int().min(1).max(1000).describe("a whole number from 1 to 1000") })
  .describe("an object with the fields productId, quantity");

const newOrderSchema = z.strictObject({
  customerName: name,
  totalCents: cents.optional(),
  items: z.array(itemSchema).min(1).max(MOST_ORDER_ITEMS).optional().describe(`1 to ${MOST_ORDER_ITEMS} items, instead of totalCents`),
  currency: currency.default("EUR"),
  notes: notes.default(""),
});

const changesSchema = z.strictObject({ status: orderStatus.optional(), notes: notes.optional() });

const orderFields = {
  id: shown.id,
  number: z.int().min(1),
  customerName: z.string(),
  status: z.enum(ORDER_STATUSES),
  totalCents: shown.count,
  currency: z.string(),
  notes: z.string(),
  version: shown.versionNumber,
  createdBy: shown.id,
  ...shown.times,
} as const;

export const orderSchema: z.ZodType<Order> = z.strictObject(orderFields);

const orderDetailSchema: z.ZodType<OrderDetail> = z.strictObject({
  ...orderFields,
  items: z.array(
    z.strictObject({
      position: z.int().min(1),
      productId: shown.id,
      name: z.string(),
      unitPriceCents: shown.count,
      quantity: z.int().min(1),
    }),
  ),
});

export const orderOperations = resource({
  tag: "orders",
  path: "/api/orders",
  one: "an order",
  list: ORDER_LIST,
  listItem: orderSchema,
  item: orderDetailSchema,
  create: newOrderSchema,
  change: changesSchema,
  deletes: true,
  repeatable: true,
});

/** `/api/orders`: the orders of a company. Every user works with them, admins delete them. */
export function orderRoutes(container: Container): Router {
  const { database } = container;
  const router = Router();

  router.get("/", async (request, response) => {
    const list = parseListRequest(request.query, ORDER_LIST);
    await sendCached(container, request, response, { name: "orders", query: list, tags: [orders.table] }, (scope) =>
      listPage(scope.table(orders), list, (order) => order),
    );
  });

  router.post("/", jsonBody(), async (request, response) => {
    const order = validate(newOrderSchema, request.body, "The request body");
    const { userId } = sessionOf(request);
    await sendCreated(request, response, database, "/api/orders", (scope) => createOrder(scope, userId, order));
  });

  router.get("/:id", async (request, response) => {
    const order = await getOrderDetail(tenantOf(request, database), pathId(request));
    sendJson(request, response, 200, order, versionHeaders(order));
  });

  router.patch("/:id", jsonBody(), async (request, response) => {
    const expected = expectedVersion(request);
    const changes = validate(changesSchema, request.body, "The request body");
    const order = await updateOrder(tenantOf(request, database), pathId(request), expected, changes);
    sendJson(request, response, 200, order, versionHeaders(order));
  });

  router.delete("/:id", requireCompanyAdmin, async (request, response) => {
    await deleteOrder(tenantOf(request, database), pathId(request));
    sendNothing(request, response);
  });

  return router;
}
