import { randomUUID } from "node:crypto";
import type { AlertCase } from "../alert-case";
import type { AlertStack } from "../alert-stack";

/** Above the 10,000 that rules take for too many. */
const MANY = 10_500;

/**
 * Events in the outbox, as a company that does not exist.
 * @param type one that the app does not know is read and ignored; with one that it knows, the empty payload cannot be read.
 */
export async function insertEvents(stack: AlertStack, { count, type }: { readonly count: number; readonly type: string }): Promise<void> {
  const { leader } = await stack.data.status();
  await stack.data.sql(
    leader ?? "",
    `INSERT INTO event_outbox (id, company_id, number, type, payload, occurred_at)
       SELECT gen_random_uuid()::text, '${randomUUID()}', number, '${type}', '{}', to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
         FROM generate_series(1, ${count}) AS number`,
  );
}

/** Events by Kafka. */
export const EVENT_CASES: readonly AlertCase[] = [
  {
    title: "who reads events is stopped",
    fires: [{ rule: "KafkaLagging warning consumer" }, { rule: "ServiceDown critical", labels: { service: "consumer" } }],
    fault: async (stack) => {
      const start = await stack.stop("consumer");
      await insertEvents(stack, { count: MANY, type: "alert.filler" });
      return start;
    },
  },
  {
    title: "every broker of Kafka is stopped",
    fires: [
      { rule: "KafkaBrokerDown warning kafka" },
      { rule: "EventsNotPublished critical kafka" },
      { rule: "OutboxGrows warning kafka" },
    ],
    fault: async (stack) => {
      const start = await stack.stop("kafka");
      await insertEvents(stack, { count: MANY, type: "alert.filler" });
      return start;
    },
  },
];
