import type { Queries } from "../db/database";
import type { PublishedEvent } from "./event";

/**
 * How long handled events are remembered, milliseconds: twice as long as Kafka keeps them by default (7 days). Where it keeps them for longer, and they
 * come again, they are known by their line in the activity log.
 */
export const HANDLED_MS = 14 * 24 * 3_600_000;

/** How long a company's activity is kept, milliseconds; an event that comes again after that has its effect again. */
export const ACTIVITY_MS = 90 * 24 * 3_600_000;

/** Rows removed by one statement, so that no transaction is long. */
export const PURGE_ROWS = 1000;

const MARK = "INSERT INTO event_handled (event_id, handled_at) VALUES (?, ?) ON CONFLICT (event_id) DO NOTHING";
const ACTIVITY = `INSERT INTO company_activity (id, company_id, number, type, summary, occurred_at) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (id) DO NOTHING`;
const STATISTICS = `INSERT INTO order_statistics (company_id, day, currency, orders, total_cents) VALUES (?, ?, ?, 1, ?)
  ON CONFLICT (company_id, day, currency)
  DO UPDATE SET orders = order_statistics.orders + 1, total_cents = order_statistics.total_cents + excluded.total_cents`;
const PURGE_HANDLED = `DELETE FROM event_handled WHERE event_id IN
  (SELECT event_id FROM event_handled WHERE handled_at < ? ORDER BY handled_at LIMIT ?)`;
const PURGE_ACTIVITY = `DELETE FROM company_activity WHERE id IN
  (SELECT id FROM company_activity WHERE occurred_at < ? ORDER BY occurred_at LIMIT ?)`;

/**
 * What an event changes: the activity log of its company, and its statistics of orders. Together with the note that the event has been
 * handled in one transaction, so an event has its effect once, however often it comes within {@link ACTIVITY_MS}.
 * @returns `false` when it had its effect before.
 */
export async function applyEvent(transaction: Queries, event: PublishedEvent): Promise<boolean> {
  if ((await transaction.run(MARK, [event.id, new Date().toISOString()])) === 0) return false;
  const { id, companyId, number, type, occurredAt } = event;
  // Handled so long ago that the note of it is gone.
  if ((await transaction.run(ACTIVITY, [id, companyId, number, type, summaryOf(event), occurredAt])) === 0) return false;
  if (event.type === "order.created") {
    const { currency, totalCents } = event.payload.order;
    await transaction.run(STATISTICS, [companyId, occurredAt.slice(0, 10), currency, totalCents]);
  }
  return true;
}

/**
 * Forgets all that is old, a bounded number of rows at a time: however fast events come, they are forgotten as fast.
 * @param now milliseconds since 1970 @default the time it is
 * @param signal ends it between two statements; what is left is for the next time @default none
 * @throws Error when the database refuses a statement.
 */
export async function purgeEffects(queries: Queries, now = Date.now(), signal?: AbortSignal): Promise<void> {
  for (const [statement, keepMs] of [
    [PURGE_HANDLED, HANDLED_MS],
    [PURGE_ACTIVITY, ACTIVITY_MS],
  ] as const) {
    const before = new Date(now - keepMs).toISOString();
    let removed = PURGE_ROWS;
    while (removed >= PURGE_ROWS && signal?.aborted !== true) removed = await queries.run(statement, [before, PURGE_ROWS]);
  }
}

/** One line for people. */
function summaryOf(event: PublishedEvent): string {
  switch (event.type) {
    case "order.created":
      return `Order ${event.payload.order.number} of ${event.payload.order.customerName} was created.`;
    case "order.updated": {
      const { order, previousStatus } = event.payload;
      const change = order.status === previousStatus ? "was changed" : `went from ${previousStatus} to ${order.status}`;
      return `Order ${order.number} ${change}.`;
    }
    case "user.created":
      return `${event.payload.user.name} was added as ${event.payload.user.role}.`;
    case "company.updated":
      return `The company is called ${event.payload.company.name} now.`;
  }
}
