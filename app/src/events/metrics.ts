import { Counter, Gauge } from "prom-client";
import { registry } from "../observability/metrics";

/** Events that Kafka acknowledged. */
export const publishedTotal = new Counter({
  name: "events_published_total",
  help: "Events that Kafka acknowledged.",
  registers: [registry],
});

export const publishFailuresTotal = new Counter({
  name: "events_publish_failures_total",
  help: "Batches of events that could not be published, and attempts to connect for them; they stay in the outbox and are tried again.",
  registers: [registry],
});

/** What became of an event that was read; `ignored`: of a type that this version does not know. */
export const OUTCOMES = ["applied", "duplicate", "ignored", "dead-letter"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const consumedTotal = new Counter({
  name: "events_consumed_total",
  help: "Events read from Kafka, by what became of them: applied, duplicate, ignored (a type this version does not know), dead-letter.",
  labelNames: ["outcome"],
  registers: [registry],
});

/** `max`: every process that looks sees the same. */
export const outboxEvents = new Gauge({
  name: "events_outbox_size",
  help: "Events that wait in the outbox for Kafka, counted up to 100000.",
  aggregator: "max",
  registers: [registry],
});

export const consumerLag = new Gauge({
  name: "kafka_consumer_lag",
  help: "Records of a partition that the group has not committed yet.",
  labelNames: ["topic", "partition"],
  aggregator: "max",
  registers: [registry],
});

/** `max`: who looks sees them all. */
export const kafkaBrokers = new Gauge({
  name: "kafka_brokers",
  help: "Brokers that take part in the cluster of Kafka, as those processes see it that measure the lag; 0 when none answers.",
  aggregator: "max",
  registers: [registry],
});
// The library begins with 0, which would be an alert: who has not looked, or does not look any more, says nothing.
kafkaBrokers.remove();
