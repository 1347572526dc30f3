import { randomUUID } from "node:crypto";
import type { Database } from "../db/database";
import { shardsOf } from "../db/shards/reach";
import type { Logger } from "../observability/logger";
import type { KafkaConfig } from "./config";
import type { EventConsumer } from "./consumer";
import type { DomainEvent } from "./event";
import type { LagMonitor } from "./lag";
import { outboxEvents } from "./metrics";
import { connectEvents } from "./outbox";
import { type EventPublisher, OutboxRelay } from "./relay";
import type { SqsConsumer } from "./sqs-consumer";
import type { SqsConfig } from "./sqs-config";

export interface EventsOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** `undefined`: no brokers; without {@link sqs} either, events only reach listeners of this process. */
  readonly kafka: KafkaConfig | undefined;
  /** A queue of SQS instead of brokers. @default none */
  readonly sqs?: SqsConfig | undefined;
  /** Part of the client's name at the brokers. */
  readonly appName: string;
}

/** What `/api/health/full` says about events. */
export interface EventsStatus {
  readonly status: "ok" | "warning" | "disabled";
  /** Whether events are published to Kafka or SQS. */
  readonly enabled: boolean;
  /** Whether this process reads them. */
  readonly consuming: boolean;
  /** Records the consumer group has still to read; `null` when this process does not know. */
  readonly lag: number | null;
  readonly reason?: string;
}

/** The events of one worker: listeners after each commit and, with brokers or a queue, the outbox with its relay (feature B5). */
export class Events {
  readonly #options: EventsOptions;
  readonly #clientId: string;
  readonly #listeners = new Set<(event: DomainEvent) => void>();
  /** One for each database with an outbox; none when nothing carries events. */
  readonly #relays: ReadonlyMap<Database, OutboxRelay>;
  #consumer: EventConsumer | SqsConsumer | undefined;
  #lag: LagMonitor | undefined;
  /** One for each relay that publishes from this process. */
  readonly #relayLags = new Set<LagMonitor>();
  /** Events in the outbox of each database, as far as this process has looked. */
  readonly #waiting: number[] = [];

  /** Begins to take part at once: what is in the outbox is published. */
  constructor(options: EventsOptions) {
    this.#options = options;
    const { database, logger } = options;
    this.#clientId = `${options.appName}-${randomUUID().slice(0, 8)}`;
    const connect = connector(options, this.#clientId, this.#relayLags);
    const relayOf = (shard: Database, index: number): OutboxRelay | undefined => {
      const waiting = (events: number): void => this.#tellWaiting(index, events);
      return connect && new OutboxRelay({ database: shard, logger, owner: this.#clientId, connect, waiting });
    };
    this.#relays = new Map(
      shardsOf(database).flatMap((shard, index) => {
        const relay = relayOf(shard, index);
        return relay === undefined ? [] : [[shard, relay] as const];
      }),
    );
    for (const relay of this.#relays.values()) relay.start();
    connectEvents(database, {
      outbox: connect !== undefined,
      committed: (event) => {
        this.#kick(event.companyId);
        for (const listener of this.#listeners) listener(event);
      },
    });
  }

  /** Calls back for every event of a transaction that committed in this process. */
  onCommitted(listener: (event: DomainEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** Becomes a member of the consumer group, or a reader of the queue; nothing happens without either, or when it is one already. */
  startConsumer(): void {
    const { kafka: config, sqs, database, logger } = this.#options;
    if (this.#consumer !== undefined) return;
    if (sqs !== undefined) {
      const { SqsConsumer: Consumer } = readingQueue();
      this.#consumer = new Consumer({ config: sqs, database, logger });
      this.#consumer.start();
      return;
    }
    if (config === undefined) return;
    const { EventConsumer: Consumer, LagMonitor: Lag } = reading();
    this.#consumer = new Consumer({ config, database, logger, clientId: this.#clientId });
    this.#consumer.start();
    this.#lag = new Lag(config, logger, this.#clientId);
    this.#lag.start();
  }

  status(): EventsStatus {
    if (this.#relays.size === 0) return { status: "disabled", enabled: false, consuming: false, lag: null };
    const consuming = this.#consumer !== undefined;
    const common = { enabled: true, consuming, lag: this.#measured() ?? null };
    if ([...this.#relays.values()].some(({ healthy }) => !healthy))
      return { status: "warning", ...common, reason: "Events cannot be published; they wait in the outbox." };
    if (this.#consumer?.healthy === false) return { status: "warning", ...common, reason: "Events cannot be read." };
    return { status: "ok", ...common };
  }

  /** Leaves the group and hands the relay over. */
  async close(): Promise<void> {
    await Promise.all([this.stopConsumer(), ...[...this.#relays.values()].map((relay) => relay.close())]);
  }

  /** Wakes the relay of the company's database: the others would look for nothing. All, where this process does not know which one it is. */
  #kick(companyId: string): void {
    const home = this.#options.database.knownHome?.(companyId);
    for (const [shard, relay] of this.#relays) if (home === undefined || home === shard) relay.kick();
  }

  /** All of them measure the same group; one that has just begun, or cannot see Kafka, knows nothing. */
  #measured(): number | undefined {
    return [this.#lag, ...this.#relayLags].map((lag) => lag?.total).find((total) => total !== undefined);
  }

  #tellWaiting(index: number, events: number): void {
    this.#waiting[index] = events;
    outboxEvents.set(this.#waiting.reduce((sum, each) => sum + each, 0));
  }

  async stopConsumer(): Promise<void> {
    const [consumer, lag] = [this.#consumer, this.#lag];
    this.#consumer = undefined;
    this.#lag = undefined;
    await Promise.all([consumer?.close(), lag?.close()]);
  }
}

/** Loaded where events are read and not before: Kafka's client takes every worker that has no brokers 40 MB of memory. */
function reading(): typeof import("./consumer") & typeof import("./lag") {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import() would make becoming a consumer asynchronous
  return { ...(require("./consumer") as typeof import("./consumer")), ...(require("./lag") as typeof import("./lag")) };
}

/** The same for SQS. */
function readingQueue(): typeof import("./sqs-consumer") {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import() would make becoming a consumer asynchronous
  return require("./sqs-consumer") as typeof import("./sqs-consumer");
}

/** How a relay gets a publisher; `undefined` when nothing carries events. @param lags holds the monitor of each that is connected */
function connector(
  { kafka, sqs, logger }: EventsOptions,
  clientId: string,
  lags: Set<LagMonitor>,
): (() => Promise<EventPublisher>) | undefined {
  if (sqs !== undefined) return async () => new (await import("./sqs.js")).SqsPublisher(sqs);
  return kafka === undefined ? undefined : () => connectProducer(kafka, logger, clientId, lags);
}

/** Who publishes also measures the lag: should no consumer run at all, it is seen nevertheless. */
async function connectProducer(config: KafkaConfig, logger: Logger, clientId: string, lags: Set<LagMonitor>): Promise<EventPublisher> {
  const [{ createProducer, ensureTopics }, { LagMonitor: Lag }] = await Promise.all([import("./kafka.js"), import("./lag.js")]);
  await ensureTopics(config, clientId);
  const producer = createProducer(config, clientId);
  const lag = new Lag(config, logger, `${clientId}-lag`);
  lag.start();
  lags.add(lag);
  return {
    send: async (records) => {
      await producer.send({ messages: records.map((record) => ({ topic: config.topic, ...record })) });
    },
    close: async () => {
      lags.delete(lag);
      await Promise.all([producer.close(true), lag.close()]);
    },
  };
}

/**
 * Starts reading events in this process, as `ROLE=consumer` and `ROLE=all` do; without brokers or a queue there is nothing to read and this is no
 * error.
 */
export function startConsumers({ events, logger }: { readonly events: Events; readonly logger: Logger }): { close(): Promise<void> } {
  events.startConsumer();
  if (!events.status().enabled) logger.info("neither Kafka nor SQS is configured: there are no events to consume");
  return { close: () => events.stopConsumer() };
}
