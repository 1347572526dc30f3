import { setTimeout as delay } from "node:timers/promises";
import pino from "pino";
import { loadConfig } from "../../../app/src/config";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { EventConsumer } from "../../../app/src/events/consumer";
import { applyEvent } from "../../../app/src/events/effects";
import { createProducer, ensureTopics } from "../../../app/src/events/kafka";
import { OutboxRelay } from "../../../app/src/events/relay";

/**
 * A process that a test kills at the worst moment: `relay` hangs after Kafka has acknowledged and before the outbox knows, `consumer`
 * is slow, so that it dies with records half-way. Prints a line for each record.
 */
async function main(): Promise<void> {
  const config = loadConfig();
  const kafka = config.kafka;
  if (kafka === undefined) throw new Error("KAFKA_BROKERS is not set");
  const database = await SqliteDatabase.open({ file: config.sqlitePath });
  const logger = pino({ level: "silent" });
  const clientId = `child-${process.pid}`;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  if (process.argv[2] === "relay") {
    const connect = async () => {
      await ensureTopics(kafka, clientId);
      const producer = createProducer(kafka, clientId);
      return {
        send: async (records: readonly { readonly key: string; readonly value: string }[]): Promise<void> => {
          await producer.send({ messages: records.map((record) => ({ topic: kafka.topic, ...record })) });
          for (const { key } of records) say(`acknowledged ${key}`);
          await new Promise(() => undefined);
        },
        close: () => producer.close(true),
      };
    };
    new OutboxRelay({ database, logger, owner: clientId, connect, leaseMs: 10_000 }).start();
    return;
  }
  const apply: typeof applyEvent = async (transaction, event) => {
    const applied = await applyEvent(transaction, event);
    await delay(2);
    say(`applied ${event.id}`);
    return applied;
  };
  new EventConsumer({ config: kafka, database, logger, clientId, apply }).start();
}

void main();
