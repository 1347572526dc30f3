import { z } from "zod";

/** What an order tells of itself. */
const order = z.object({
  id: z.string(),
  number: z.number(),
  customerName: z.string(),
  status: z.string(),
  totalCents: z.number(),
  currency: z.string(),
  createdBy: z.string(),
});

/** Payloads by type of event. E-mail addresses and secrets stay out: events are kept for days and read by others. */
const payloads = {
  "order.created": z.object({ order }),
  "order.updated": z.object({ order, previousStatus: z.string() }),
  "user.created": z.object({ user: z.object({ id: z.string(), name: z.string(), role: z.string() }) }),
  "company.updated": z.object({ company: z.object({ id: z.string(), name: z.string() }) }),
} as const;

export type EventType = keyof typeof payloads;

/** What has happened, as the code that did it says it. */
export type NewEvent = { [Type in EventType]: { readonly type: Type; readonly payload: z.infer<(typeof payloads)[Type]> } }[EventType];

/** An event with what makes it one of a kind. */
export type DomainEvent = NewEvent & {
  /** UUID; the same however often the event is delivered. */
  readonly id: string;
  readonly companyId: string;
  /** ISO 8601. */
  readonly occurredAt: string;
};

/** An event as it travels: its place in the company's stream comes with it, 1, 2, 3, … */
export type PublishedEvent = DomainEvent & { readonly number: number };

const envelope = z.object({
  id: z.string().min(1).max(64),
  companyId: z.string().min(1).max(64),
  number: z.int().min(1),
  type: z.string().min(1).max(64),
  occurredAt: z.iso.datetime(),
  payload: z.unknown(),
});

/** A record that is no event of ours; it will not become one by being read again. */
export class MalformedEventError extends Error {
  override readonly name = "MalformedEventError";
}

/**
 * Reads the value of a Kafka record.
 * @returns `undefined` for a well-formed event of a type that this version does not know: a newer version published it.
 * @throws MalformedEventError when it is no event.
 */
export function parseEvent(text: string): PublishedEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MalformedEventError("The record is not JSON.");
  }
  const head = envelope.safeParse(value);
  if (!head.success) throw new MalformedEventError(`The record is no event: ${sentence(head.error)}.`);
  const { type, ...rest } = head.data;
  if (!isKnown(type)) return undefined;
  const payload = payloads[type].safeParse(rest.payload);
  if (!payload.success) throw new MalformedEventError(`The payload does not fit ${type}: ${sentence(payload.error)}.`);
  return { ...rest, type, payload: payload.data } as PublishedEvent;
}

function isKnown(type: string): type is EventType {
  return Object.hasOwn(payloads, type);
}

function sentence(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join(".") || "value"}: ${issue.message}`).join("; ");
}
