import { SERVICES, appReport, type EventsReport } from "../../lib/docker-app";
import { brokerState, kafkaStatus, type BrokerState } from "../../lib/kafka-status";
import { fail, pass, skip, verdict, type Check, type Outcome } from "../types";
import { until } from "../until";
import { createOrder } from "./answers";

/** Seconds until an event has had its effect. Published and read at once it takes tenths of one. */
const EVENT_SECONDS = 10;

/** Seconds until the lag is seen to be 0: the consumer looks every 10 s. */
const LAG_SECONDS = 30;

const WITHOUT = "the stack has no Kafka: kafka is false";

/** B5: brokers, a produced event, who reads it. */
export const kafkaChecks: readonly Check[] = [
  {
    id: "B5",
    title: "Kafka's brokers",
    target: "all there, every partition in sync",
    phases: ["database"],
    async run({ containers, expected }) {
      if (expected.brokers === 0) return skip(WITHOUT);
      const [broker] = await containers(SERVICES.kafka);
      return broker === undefined ? fail("no broker runs") : brokersOutcome(await brokerState(broker), expected.brokers);
    },
  },
  {
    id: "B5",
    title: "the consumer of events",
    target: "one, reading",
    phases: ["database"],
    async run({ containers, expected }) {
      if (expected.brokers === 0) return skip(WITHOUT);
      const consumers = await containers(SERVICES.consumer);
      const reports = await Promise.all(consumers.map(async (consumer) => (await appReport(consumer)).events));
      return consumerOutcome(reports);
    },
  },
  {
    id: "B5",
    title: "an event is published, read, and none waits",
    target: `effect within ${EVENT_SECONDS} s, then lag 0`,
    phases: ["database"],
    async run({ containers, expected, http, session, adminToken }) {
      if (expected.brokers === 0) return skip(WITHOUT);
      const [consumer] = await containers(SERVICES.consumer);
      if (consumer === undefined) return fail("no container of consumer runs");
      const { cookie } = await session();
      const { companyId } = (await http.ask("/api/session", { headers: { cookie } })).json();
      const order = await createOrder(http, cookie, 5);
      const started = performance.now();
      const arrived = await until(EVENT_SECONDS, async () => {
        const path = `/api/admin/activity?companyId=${String(companyId)}&limit=10`;
        const answer = await http.ask(path, { headers: { authorization: `Bearer ${adminToken}` } });
        if (answer.status !== 200) throw new Error(`/api/admin/activity answered ${answer.status}: ${answer.text.slice(0, 200)}`);
        return hasEventOf(answer.json(), order["number"]) ? (performance.now() - started) / 1000 : undefined;
      });
      if (arrived === undefined) return fail(`the order's event had no effect within ${EVENT_SECONDS} s`);
      let last: EventsReport | undefined;
      const empty = await until(LAG_SECONDS, async () => {
        last = (await appReport(consumer)).events;
        return last?.lag === 0 ? true : undefined;
      });
      return empty === true
        ? pass(`effect after ${arrived.toFixed(1)} s, lag 0`)
        : fail(`effect after ${arrived.toFixed(1)} s, but the lag is ${String(last?.lag ?? "unknown")} after ${LAG_SECONDS} s`);
    },
  },
];

/** @param wanted number of brokers */
export function brokersOutcome(state: BrokerState, wanted: number): Outcome {
  const names = Array.from({ length: wanted }, (_nothing, index) => `kafka-${index + 1}`);
  const { brokers, partitions, underReplicated, offline } = kafkaStatus(state, names, null);
  const away = brokers.filter(({ present }) => !present).map(({ name }) => name);
  return verdict(
    [
      ...(away.length === 0 ? [] : [`${away.join(", ")} not in the cluster`]),
      ...(partitions > 0 ? [] : ["no partition of a topic"]),
      ...(underReplicated === 0 ? [] : [`${underReplicated} of ${partitions} partitions lack a copy in sync`]),
      ...(offline === 0 ? [] : [`${offline} of ${partitions} partitions have no leader`]),
    ],
    `${wanted} of ${wanted} brokers, ${partitions} partitions in sync`,
  );
}

/** @param reports of all containers of role consumer */
export function consumerOutcome(reports: readonly (EventsReport | undefined)[]): Outcome {
  const [report] = reports;
  if (reports.length !== 1) return fail(`${reports.length} containers of consumer run`);
  if (report === undefined) return fail("it tells nothing of events");
  return verdict(
    [
      ...(report.consuming ? [] : ["it does not read"]),
      ...(report.status === "ok" ? [] : [report.reason ?? `its events are ${report.status}`]),
    ],
    "1 of 1, reading",
  );
}

/** Whether an answer of `/api/admin/activity` has the creation of the order with this number. */
export function hasEventOf(answer: Readonly<Record<string, unknown>>, number: unknown): boolean {
  const lines = answer["data"] as readonly { readonly type?: string; readonly summary?: string }[] | undefined;
  const start = `Order ${String(number)} of `;
  return (lines ?? []).some(({ type, summary }) => type === "order.created" && summary?.startsWith(start) === true);
}
