import { createId } from "../db/id";
import { companies, ORDER_STATUSES, orders, type OrderRow, type OrderStatus } from "../db/tables";
import type { TenantScope } from "../db/tenant";
import { publish } from "../events/outbox";
import type { ListDefinition } from "../http/pagination";
import { HttpProblem } from "../http/problem";

/** An order as the API shows it: the whole row. */
export type Order = OrderRow;

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
  readonly totalCents: number;
  readonly currency: string;
  readonly notes: string;
}

export interface OrderChanges {
  readonly status?: OrderStatus;
  readonly notes?: string;
}

/** Creates an order under the company's next number. */
export function createOrder(scope: TenantScope, createdBy: string, order: NewOrder): Promise<Order> {
  return scope.transaction(async (inside) => {
    const number = await inside.table(companies).increment(scope.companyId, "lastOrderNumber");
    if (number === undefined) throw new Error("The company of a session does not exist.");
    const now = new Date().toISOString();
    const row: OrderRow = { id: createId(), number, ...order, status: "pending", version: 1, createdBy, createdAt: now, updatedAt: now };
    await inside.table(orders).insert(row);
    await publish(inside, { type: "order.created", payload: { order: eventOrder(row) } });
    return row;
  });
}

/** @throws HttpProblem when the company has no such order. */
export async function getOrder(scope: TenantScope, id: string): Promise<Order> {
  const row = await scope.table(orders).find(id);
  if (row === undefined) throw new HttpProblem("not-found", "There is no such order.");
  return row;
}

/** @throws HttpProblem when there is no such order, or its status cannot become the new one. */
export function updateOrder(scope: TenantScope, id: string, changes: OrderChanges): Promise<Order> {
  return scope.transaction(async (inside) => {
    const order = await getOrder(inside, id);
    if (changes.status !== undefined && changes.status !== order.status) requireNext(order.status, changes.status);
    await inside.table(orders).update(id, { ...changes, updatedAt: new Date().toISOString() });
    const after = await getOrder(inside, id);
    await publish(inside, { type: "order.updated", payload: { order: eventOrder(after), previousStatus: order.status } });
    return after;
  });
}

/** What events tell of an order: no notes, which are free text. */
function eventOrder({ id, number, customerName, status, totalCents, currency, createdBy }: Order) {
  return { id, number, customerName, status, totalCents, currency, createdBy };
}

/** @throws HttpProblem when the company has no such order. */
export async function deleteOrder(scope: TenantScope, id: string): Promise<void> {
  if ((await scope.table(orders).delete({ id })) === 0) throw new HttpProblem("not-found", "There is no such order.");
}

function requireNext(from: OrderStatus, to: OrderStatus): void {
  const next = NEXT_STATUSES[from];
  if (next.includes(to)) return;
  const allowed = next.length === 0 ? `${from}, which is final` : next.join(" or ");
  throw new HttpProblem("conflict", `A ${from} order cannot become ${to}.`, { errors: [{ field: "status", value: to, allowed }] });
}
