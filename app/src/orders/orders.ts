import { releaseQuota, takeQuota } from "../billing/quotas";
import { orderItems, products, type OrderItemRow, type ProductRow } from "../db/domain-tables";
import { createId } from "../db/id";
import { companies, ORDER_STATUSES, orders, type OrderRow, type OrderStatus } from "../db/tables";
import type { TenantScope } from "../db/tenant";
import { changeVersioned } from "../db/versioned";
import { publish } from "../events/outbox";
import type { ListDefinition } from "../http/pagination";
import { HttpProblem } from "../http/problem";
import { requireNext } from "../http/transitions";

/** An order as lists show it: the whole row. */
export type Order = OrderRow;

/** One position of an order, with name and price as they were when it was placed. */
export type OrderItem = Pick<OrderItemRow, "position" | "productId" | "name" | "unitPriceCents" | "quantity">;

/** A single order. */
export interface OrderDetail extends Order {
  readonly items: readonly OrderItem[];
}

/** Most positions of an order. */
export const MOST_ORDER_ITEMS = 100;

/** Largest total: see `cents` of http/fields. */
const MOST_TOTAL_CENTS = 1_000_000_000_000;

export const ORDER_LIST: ListDefinition<OrderRow> = {
  size: "large",
  sorts: ["createdAt", "updatedAt", "totalCents"],
  defaultSort: "-createdAt",
  filters: { status: ORDER_STATUSES },
};

/** Where an order may go from each status. */
export const NEXT_STATUSES: Readonly<Record<OrderStatus, readonly OrderStatus[]>> = {
  pending: ["confirmed", "cancelled"],
  confirmed: ["shipped", "cancelled"],
  shipped: ["delivered"],
  delivered: [],
  cancelled: [],
};

export interface NewOrder {
  readonly customerName: string;
  /** Either this or items, whose prices make the total. */
  readonly totalCents?: number | undefined;
  readonly items?: readonly { readonly productId: string; readonly quantity: number }[] | undefined;
  readonly currency: string;
  readonly notes: string;
}

export interface OrderChanges {
  readonly status?: OrderStatus | undefined;
  readonly notes?: string | undefined;
}

/**
 * Creates an order under the company's next number. The number of statements does not depend on the number of items.
 * @throws HttpProblem when the plan allows no more orders, or an item is no product of the company in the order's currency.
 */
export function createOrder(scope: TenantScope, createdBy: string, order: NewOrder): Promise<OrderDetail> {
  const { totalCents: givenTotal, items: wanted = [], ...rest } = order;
  if ((givenTotal === undefined) === (wanted.length === 0)) {
    throw invalid("totalCents", undefined, "given when there are no items, and only then");
  }
  return scope.transaction(async (inside) => {
    await takeQuota(inside, "orders");
    const items = await priceItems(inside, wanted, order.currency);
    const totalCents = givenTotal ?? sumOf(items);
    const number = await inside.table(companies).increment(scope.companyId, "lastOrderNumber");
    if (number === undefined) throw new Error("The company of a session does not exist.");
    const now = new Date().toISOString();
    const common = { status: "pending", version: 1, createdBy, createdAt: now, updatedAt: now } as const;
    const row: OrderRow = { id: createId(), number, ...rest, totalCents, ...common };
    await inside.table(orders).insert(row);
    await inside.table(orderItems).insertAll(items.map((item) => ({ id: createId(), orderId: row.id, ...item })));
    await publish(inside, { type: "order.created", payload: { order: eventOrder(row) } });
    return { ...row, items };
  });
}

/** Name and price of each item from its product: one query for all of them. */
async function priceItems(inside: TenantScope, wanted: NonNullable<NewOrder["items"]>, currency: string): Promise<OrderItem[]> {
  const ids = [...new Set(wanted.map(({ productId }) => productId))];
  const found = new Map((await inside.table(products).findAll(ids)).map((product): [string, ProductRow] => [product.id, product]));
  return wanted.map(({ productId, quantity }, index) => {
    const product = found.get(productId);
    const field = `items[${index}].productId`;
    if (product === undefined) throw invalid(field, productId, "the id of a product of the company");
    if (product.currency !== currency) throw invalid(field, productId, `a product that is priced in ${currency}, the order's currency`);
    return { position: index + 1, productId, name: product.name, unitPriceCents: product.priceCents, quantity };
  });
}

function sumOf(items: readonly OrderItem[]): number {
  const total = items.reduce((sum, { unitPriceCents, quantity }) => sum + unitPriceCents * quantity, 0);
  if (total > MOST_TOTAL_CENTS) throw invalid("items", undefined, `items of at most ${MOST_TOTAL_CENTS} cents together`);
  return total;
}

function invalid(field: string, value: string | undefined, allowed: string): HttpProblem {
  return new HttpProblem("validation", `The request body is not valid: ${field} must be ${allowed}.`, {
    errors: [{ field, ...(value !== undefined && { value }), allowed }],
  });
}

/** @throws HttpProblem when the company has no such order. */
export async function getOrder(scope: TenantScope, id: string): Promise<Order> {
  const row = await scope.table(orders).find(id);
  if (row === undefined) throw new HttpProblem("not-found", "There is no such order.");
  return row;
}

/** An order with its items: two queries. @throws HttpProblem when the company has no such order. */
export async function getOrderDetail(scope: TenantScope, id: string): Promise<OrderDetail> {
  return withItems(scope, await getOrder(scope, id));
}

async function withItems(scope: TenantScope, order: Order): Promise<OrderDetail> {
  const rows = await scope
    .table(orderItems)
    .page({ where: { orderId: order.id }, sort: "position", descending: false, limit: MOST_ORDER_ITEMS });
  return {
    ...order,
    items: rows.map(({ position, productId, name, unitPriceCents, quantity }) => ({ position, productId, name, unitPriceCents, quantity })),
  };
}

/**
 * @param expected see {@link changeVersioned}, which also says what is thrown.
 * @throws HttpProblem when the status cannot become the new one.
 */
export function updateOrder(scope: TenantScope, id: string, expected: number | undefined, changes: OrderChanges): Promise<OrderDetail> {
  return scope.transaction(async (inside) => {
    // Always set: the decision runs before the change returns.
    let previousStatus!: OrderStatus;
    const after = await changeVersioned(inside, orders, "order", id, expected, (order) => {
      if (changes.status !== undefined) requireNext("order", NEXT_STATUSES, order.status, changes.status);
      previousStatus = order.status;
      return changes;
    });
    await publish(inside, { type: "order.updated", payload: { order: eventOrder(after), previousStatus } });
    return withItems(inside, after);
  });
}

/** What events tell of an order: no notes, which are free text. */
function eventOrder({ id, number, customerName, status, totalCents, currency, createdBy }: Order) {
  return { id, number, customerName, status, totalCents, currency, createdBy };
}

/** @throws HttpProblem when the company has no such order. */
export function deleteOrder(scope: TenantScope, id: string): Promise<void> {
  return scope.transaction(async (inside) => {
    if ((await inside.table(orders).delete({ id })) === 0) throw new HttpProblem("not-found", "There is no such order.");
    await releaseQuota(inside, "orders");
  });
}
