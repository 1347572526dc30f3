import { setTimeout as delay } from "node:timers/promises";
import assert from "node:assert/strict";
import type { Database } from "../../../app/src/db/database";
import { createId } from "../../../app/src/db/id";
import { homeOf } from "../../../app/src/db/shards/reach";
import { TenantScope } from "../../../app/src/db/tenant";
import type { DomainEvent, NewEvent, PublishedEvent } from "../../../app/src/events/event";
import { connectEvents, publish } from "../../../app/src/events/outbox";
import type { EventPublisher, OutboxRecord } from "../../../app/src/events/relay";

/** A company to publish events of. */
export async function createCompany(database: Database, id = createId()): Promise<TenantScope> {
  const now = new Date().toISOString();
  await homeOf(database, id).run(
    "INSERT INTO companies (id, name, plan, last_order_number, created_at, updated_at) VALUES (?, 'Test', 'FREE', 0, ?, ?)",
    [id, now, now],
  );
  return new TenantScope(database, id);
}

/** Events are kept in the outbox; the list fills with what committed. */
export function collectEvents(database: Database, outbox = true): DomainEvent[] {
  const committed: DomainEvent[] = [];
  connectEvents(database, { outbox, committed: (event) => committed.push(event) });
  return committed;
}

export function orderCreated(number: number, totalCents = 100): NewEvent {
  const order = { id: createId(), number, customerName: "Customer", status: "pending", totalCents, currency: "EUR", createdBy: createId() };
  return { type: "order.created", payload: { order } };
}

/** Publishes so many orders of a company, one transaction each. */
export async function publishOrders(scope: TenantScope, count: number, from = 1): Promise<void> {
  for (let number = from; number < from + count; number += 1) {
    await scope.transaction((inside) => publish(inside, orderCreated(number)));
  }
}

/** Takes records like a broker; may be told to fail. */
export class MemoryPublisher implements EventPublisher {
  readonly records: OutboxRecord[] = [];
  fails = false;
  sends = 0;

  async send(records: readonly OutboxRecord[]): Promise<void> {
    this.sends += 1;
    // A turn of the event loop, in which others could overtake.
    await delay(1);
    if (this.fails) throw new Error("the broker is away");
    this.records.push(...records);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  events(): PublishedEvent[] {
    return this.records.map(({ value }) => JSON.parse(value) as PublishedEvent);
  }
}

export async function outboxSize(database: Database): Promise<number> {
  return (await database.get<{ count: number }>("SELECT count(*) AS count FROM event_outbox"))?.count ?? 0;
}

/** Each company's numbers as they were first seen: 1, 2, 3, … whatever else happened. */
export function assertInOrder(events: readonly PublishedEvent[]): void {
  const last = new Map<string, number>();
  for (const { companyId, number } of events) {
    const before = last.get(companyId) ?? 0;
    if (number <= before) continue;
    assert.equal(number, before + 1, "an event overtook another of its company");
    last.set(companyId, number);
  }
}
