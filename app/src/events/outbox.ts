import type { Database, Queries } from "../db/database";
import { createId } from "../db/id";
import type { TenantScope } from "../db/tenant";
import type { DomainEvent, NewEvent } from "./event";

/** What happens with the events of a database. */
export interface EventSink {
  /** Whether events are kept for Kafka; without brokers nobody would ever take them out of the outbox, so they are not put there. */
  readonly outbox: boolean;
  /** Told of every event once its transaction has committed, in this process only. Must not throw. */
  committed(event: DomainEvent): void;
}

/** By database, because that is what every scope has at hand; a process may have several databases in tests. */
const sinks = new WeakMap<Database, EventSink>();

/** Says what happens with events from now on; without a call they are dropped. */
export function connectEvents(database: Database, sink: EventSink): void {
  sinks.set(database, sink);
}

export function sinkOf(database: Database): EventSink | undefined {
  return sinks.get(database);
}

/**
 * Tells of a change, within the transaction of the change: the event is published if and only if the transaction commits.
 * @param inside what {@link TenantScope.transaction} hands to its work; anything else is an error.
 */
export function publish(inside: TenantScope, event: NewEvent): Promise<void> {
  return inside.publish(event);
}

// The row of the company is locked until the transaction ends, so events of one company get their numbers, and their positions in the
// outbox, in the order of their commits.
const NEXT_NUMBER = `INSERT INTO event_streams (company_id, last_number) VALUES (?, 1)
  ON CONFLICT (company_id) DO UPDATE SET last_number = event_streams.last_number + 1 RETURNING last_number AS "number"`;
const INSERT = "INSERT INTO event_outbox (id, company_id, number, type, payload, occurred_at) VALUES (?, ?, ?, ?, ?, ?)";

/** For {@link TenantScope}: gives an event its identity and writes it to the outbox where there is one. */
export async function recordEvent(sink: EventSink, transaction: Queries, companyId: string, event: NewEvent): Promise<DomainEvent> {
  const recorded: DomainEvent = { ...event, id: createId(), companyId, occurredAt: new Date().toISOString() };
  if (!sink.outbox) return recorded;
  const number = (await transaction.get<{ number: number }>(NEXT_NUMBER, [companyId]))?.number;
  if (number === undefined) throw new Error("The event stream of a company gave no number.");
  const { id, type, payload, occurredAt } = recorded;
  await transaction.run(INSERT, [id, companyId, number, type, JSON.stringify(payload), occurredAt]);
  return recorded;
}
