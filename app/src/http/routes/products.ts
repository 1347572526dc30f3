import { Router } from "express";
import { z } from "zod";
import type { Container } from "../../container";
import { PRODUCT_CATEGORIES, products, type ProductRow } from "../../db/domain-tables";
import { createProduct, deleteProduct, getProduct, PRODUCT_LIST, updateProduct } from "../../products/products";
import { sendCached } from "../cached";
import { sendCreated } from "../create";
import { cents, currency, name } from "../fields";
import { tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import * as shown from "../openapi/fields";
import { resource } from "../openapi/operation";
import { listPage, parseListRequest } from "../pagination";
import { expectedVersion, versionHeaders } from "../precondition";
import { sendJson, sendNothing } from "../respond";
import { pathId, validate } from "../validate";

const sku = z
  .string()
  .trim()
  .regex(/^[\w.-]{1,64}$/)
  .describe("1 to 64 letters, digits, dots, dashes or underscores");

const category = z.enum(PRODUCT_CATEGORIES).describe(`one of ${PRODUCT_CATEGORIES.join(", ")}`);

const newProductSchema = z.strictObject({ sku, name, category, priceCents: cents, currency: currency.default("EUR") });

const changesSchema = z.strictObject({
  sku: sku.optional(),
  name: name.optional(),
  category: category.optional(),
  priceCents: cents.optional(),
  currency: currency.optional(),
});

const productSchema: z.ZodType<ProductRow> = z.strictObject({
  id: shown.id,
  sku: z.string(),
  name: z.string(),
  category: z.enum(PRODUCT_CATEGORIES),
  priceCents: shown.count,
  currency: z.string(),
  version: shown.versionNumber,
  ...shown.times,
});

export const productOperations = resource({
  tag: "products",
  path: "/api/products",
  one: "a product",
  list: PRODUCT_LIST,
  listItem: productSchema,
  create: newProductSchema,
  change: changesSchema,
  deletes: true,
  repeatable: true,
});

/** `/api/products`: what a company sells. Every user works with them, admins delete them. */
export function productRoutes(container: Container): Router {
  const { database } = container;
  const router = Router();

  router.get("/", async (request, response) => {
    const list = parseListRequest(request.query, PRODUCT_LIST);
    await sendCached(container, request, response, { name: "products", query: list, tags: [products.table] }, (scope) =>
      listPage(scope.table(products), list, (product) => product),
    );
  });

  router.post("/", jsonBody(), async (request, response) => {
    const product = validate(newProductSchema, request.body, "The request body");
    await sendCreated(request, response, database, "/api/products", (scope) => createProduct(scope, product));
  });

  router.get("/:id", async (request, response) => {
    const product = await getProduct(tenantOf(request, database), pathId(request));
    sendJson(request, response, 200, product, versionHeaders(product));
  });

  router.patch("/:id", jsonBody(), async (request, response) => {
    const expected = expectedVersion(request);
    const changes = validate(changesSchema, request.body, "The request body");
    const product = await updateProduct(tenantOf(request, database), pathId(request), expected, changes);
    sendJson(request, response, 200, product, versionHeaders(product));
  });

  router.delete("/:id", async (request, response) => {
    await deleteProduct(tenantOf(request, database), pathId(request));
    sendNothing(request, response);
  });

  return router;
}
