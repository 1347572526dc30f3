import { releaseQuota, takeQuota } from "../billing/quotas";
import { ConstraintError } from "../db/database";
import { PRODUCT_CATEGORIES, products, type ProductRow } from "../db/domain-tables";
import { createId } from "../db/id";
import type { TenantScope } from "../db/tenant";
import { changeVersioned, type Changes } from "../db/versioned";
import type { ListDefinition } from "../http/pagination";
import { HttpProblem } from "../http/problem";

/** A product as the API shows it: the whole row. */
export type Product = ProductRow;

export const PRODUCT_LIST: ListDefinition<ProductRow> = {
  size: "xlarge",
  sorts: ["createdAt", "name", "priceCents"],
  defaultSort: "name",
  filters: { category: PRODUCT_CATEGORIES },
};

export type NewProduct = Pick<ProductRow, "sku" | "name" | "category" | "priceCents" | "currency">;
export type ProductChanges = Changes<NewProduct>;

/** @throws HttpProblem when the SKU is taken, or the plan allows no more products. */
export function createProduct(scope: TenantScope, product: NewProduct): Promise<Product> {
  return refusingTakenSku(product.sku, () =>
    scope.transaction(async (inside) => {
      await takeQuota(inside, "products");
      const now = new Date().toISOString();
      const row: ProductRow = { id: createId(), ...product, version: 1, createdAt: now, updatedAt: now };
      await inside.table(products).insert(row);
      return row;
    }),
  );
}

/** @throws HttpProblem when the company has no such product. */
export async function getProduct(scope: TenantScope, id: string): Promise<Product> {
  const row = await scope.table(products).find(id);
  if (row === undefined) throw noSuchProduct();
  return row;
}

/**
 * @param expected see {@link changeVersioned}, which also says what is thrown.
 * @throws HttpProblem when the new SKU is taken.
 */
export function updateProduct(scope: TenantScope, id: string, expected: number | undefined, changes: ProductChanges): Promise<Product> {
  return refusingTakenSku(changes.sku, () =>
    scope.transaction((inside) => changeVersioned(inside, products, "product", id, expected, () => changes)),
  );
}

/** @throws HttpProblem when the company has no such product, or it was sold. */
export async function deleteProduct(scope: TenantScope, id: string): Promise<void> {
  try {
    await scope.transaction(async (inside) => {
      if ((await inside.table(products).delete({ id })) === 0) throw noSuchProduct();
      await releaseQuota(inside, "products");
    });
  } catch (error) {
    if (!(error instanceof ConstraintError)) throw error;
    throw new HttpProblem("conflict", "There are orders with this product, so it cannot be deleted.");
  }
}

async function refusingTakenSku(sku: string | undefined, write: () => Promise<Product>): Promise<Product> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof ConstraintError) || error.constraint !== "unique") throw error;
    throw new HttpProblem("conflict", "Another product has this SKU.", {
      errors: [{ field: "sku", ...(sku !== undefined && { value: sku }), allowed: "a SKU that no other product of the company has" }],
    });
  }
}

function noSuchProduct(): HttpProblem {
  return new HttpProblem("not-found", "There is no such product.");
}
