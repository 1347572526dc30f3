import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import fc from "fast-check";
import pino from "pino";
import { ConfigError, loadConfig } from "../../../app/src/config";
import type { Database } from "../../../app/src/db/database";
import { createId } from "../../../app/src/db/id";
import { Events, startConsumers } from "../../../app/src/events/events";
import { batchesOf, SqsPublisher } from "../../../app/src/events/sqs";
import { SqsConsumer, type SqsConsumerOptions } from "../../../app/src/events/sqs-consumer";
import { eventually } from "../../support/services/container";
import { SqsServer } from "../../support/sqs-server";
import { withAnyDatabase } from "../db/support";
import { createCompany, orderCreated, outboxSize, publishOrders } from "./support";

const logger = pino({ level: "silent" });

/** A real server that speaks SQS. */
const { PHASED_TEST_SQS_ENDPOINT: realEndpoint } = process.env;

const LOGIN = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };

function bodyOf(companyId: string, number: number): string {
  return JSON.stringify({ id: createId(), companyId, number, occurredAt: "2026-11-21T08:00:00.000Z", ...orderCreated(number) });
}

async function activity(database: Database): Promise<number> {
  return (await database.get<{ count: number }>("SELECT count(*) AS count FROM company_activity"))?.count ?? 0;
}

describe("B5 events by SQS", function () {
  this.timeout(30_000);
  const environment = { ...process.env };
  let server: SqsServer;
  before(() => void Object.assign(process.env, LOGIN));
  beforeEach(async () => {
    server = await SqsServer.start();
  });
  /** What goes on after a test that failed would keep the process from ending. */
  const running: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.close()));
    await server.stop();
  });
  after(() => {
    for (const name of Object.keys(LOGIN)) {
      if (environment[name] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = environment[name];
    }
  });

  const config = () => ({ queueUrl: server.queueUrl, region: "us-east-1" });
  const consumerOf = (database: Database, options: Partial<SqsConsumerOptions> = {}): SqsConsumer => {
    const consumer = new SqsConsumer({ config: config(), database, logger, ...options });
    consumer.start();
    running.push(consumer);
    return consumer;
  };

  it("B5 from the outbox through the queue to the effects, each once", () =>
    withAnyDatabase(async (database) => {
      const events = new Events({ database, logger, kafka: undefined, sqs: config(), appName: "test" });
      const consumers = startConsumers({ events, logger });
      running.push(consumers, events);
      const scopes = await Promise.all([1, 2, 3].map(() => createCompany(database)));
      await Promise.all(scopes.map((scope) => publishOrders(scope, 15)));
      await eventually("all have had their effect", async () => (await activity(database)) === 45);
      assert.equal(await outboxSize(database), 0);
      assert.deepEqual(events.status(), { status: "ok", enabled: true, consuming: true, lag: null });
      await eventually("the queue is empty", () => server.messages.length === 0);
      await consumers.close();
      await events.close();
    }));

  it("B5 what the queue refuses stays in the outbox, and what comes twice has one effect", () =>
    withAnyDatabase(async (database) => {
      const publisher = new SqsPublisher(config());
      server.refused.add("SendMessageBatch");
      const body = bodyOf("company", 1);
      await assert.rejects(publisher.send([{ key: "company", value: body }]));
      server.refused.clear();
      await publisher.send([1, 2].map(() => ({ key: "company", value: body })));
      await publisher.close();
      const consumer = consumerOf(database);
      await eventually("both are gone", () => server.messages.length === 0);
      assert.equal(await activity(database), 1);
      await consumer.close();
    }));

  it("B5 a name with characters that SQS refuses arrives as it was written", async () => {
    const publisher = new SqsPublisher(config());
    running.push(publisher);
    const name = "odd \uFFFE and \uFFFF, fine \uFFFD and \u{1F600}";
    await publisher.send([{ key: "company", value: JSON.stringify({ name }) }]);
    const [message] = server.messages;
    assert.ok(message !== undefined);
    assert.doesNotMatch(message.body, /[\uFFFE\uFFFF]/);
    assert.deepEqual(JSON.parse(message.body), { name });
  });

  it("B5 a batch of which some are refused fails by name; what was taken is not lost by it", async () => {
    server.partly.set("SendMessageBatch", 2);
    const publisher = new SqsPublisher(config());
    running.push(publisher);
    const records = Array.from({ length: 12 }, (_, number) => ({ key: "company", value: bodyOf("company", number + 1) }));
    await assert.rejects(publisher.send(records), { message: "the queue refused 2 of 10 events (InternalError: not now)" });
    const kept = (): Set<string> => new Set(server.messages.map(({ body }) => body));
    assert.deepEqual(kept(), new Set(records.filter((_, index) => index < 10 && index !== 1 && index !== 3).map(({ value }) => value)));
    await publisher.send(records);
    assert.deepEqual(kept(), new Set(records.map(({ value }) => value)));
    assert.equal(server.messages.length, 8 + 12, "some come twice");
  });

  it("B5 partly refused batches, of sending and of deleting, leave nothing in the outbox and no effect undone or done twice", () =>
    withAnyDatabase(async (database) => {
      server.partly.set("SendMessageBatch", 7);
      server.partly.set("DeleteMessageBatch", 2);
      const events = new Events({ database, logger, kafka: undefined, sqs: config(), appName: "test" });
      const consumers = startConsumers({ events, logger });
      running.push(consumers, events);
      const scopes = await Promise.all([1, 2, 3].map(() => createCompany(database)));
      await Promise.all(scopes.map((scope) => publishOrders(scope, 15)));
      await eventually("all have had their effect", async () => (await activity(database)) === 45);
      await eventually("the outbox is empty", async () => (await outboxSize(database)) === 0);
      // Those are held for a minute until they come again: here at once.
      await eventually("all are deleted but those that were refused", () => server.messages.length === 2);
      assert.deepEqual([...server.partly.values()], [0, 0]);
      for (const message of server.messages) message.visibleAt = 0;
      await eventually("the queue is empty", () => server.messages.length === 0);
      assert.equal(await activity(database), 45);
      assert.deepEqual(server.dead, []);
      await consumers.close();
      await events.close();
    }));

  it("B5 what cannot be handled holds up nothing and is put aside by the queue after its deliveries", () =>
    withAnyDatabase(async (database) => {
      server.mostReceives = 1;
      server.put("no event at all");
      server.put(bodyOf("company", 1));
      const consumer = consumerOf(database);
      await eventually("the other has its effect", async () => (await activity(database)) === 1);
      await eventually("it is put aside", () => server.dead.length === 1, 15_000);
      assert.deepEqual(server.dead, ["no event at all"]);
      await consumer.close();
    }));

  it("B5 a message is held as long as its handler takes, and given back when the consumer leaves", () =>
    withAnyDatabase(async (database) => {
      for (const number of [1, 2, 3]) server.put(bodyOf("company", number));
      let release = (): void => undefined;
      let calls = 0;
      const blocked = new Promise<void>((resolve) => (release = resolve));
      const apply = async (): Promise<boolean> => {
        calls += 1;
        await blocked;
        return true;
      };
      const consumer = consumerOf(database, { apply, holdEveryMs: 50 });
      await eventually("it is being handled", () => calls === 1);
      await eventually("all are held on", () => server.asked.filter((action) => action === "ChangeMessageVisibilityBatch").length >= 2);
      assert.ok(server.messages.every(({ visibleAt }) => visibleAt > Date.now() + 50_000));
      const closed = consumer.close();
      release();
      await closed;
      assert.equal(calls, 1, "no other was begun");
      assert.equal(server.messages.length, 2);
      assert.ok(
        server.messages.every(({ visibleAt }) => visibleAt <= Date.now()),
        "somebody else has them at once",
      );
    }));

  it("B5 a queue that is away is asked again, and told", () =>
    withAnyDatabase(async (database) => {
      server.refused.add("ReceiveMessage");
      const consumer = consumerOf(database);
      await eventually("it is told", () => !consumer.healthy);
      server.refused.clear();
      server.put(bodyOf("company", 1));
      await eventually("it goes on", async () => (await activity(database)) === 1);
      await eventually("it is healthy again", () => consumer.healthy);
      await consumer.close();
    }));

  it("B5 a queue that does not answer holds up nobody who leaves, and counts as away after three attempts", async () => {
    server.silent.add("SendMessageBatch");
    const send = (publisher: SqsPublisher) => publisher.send([{ key: "company", value: bodyOf("company", 1) }]);
    const leaving = new SqsPublisher(config());
    const cut = assert.rejects(send(leaving), { name: "AbortError" });
    await eventually("it is asked", () => server.asked.length === 1);
    const since = performance.now();
    await leaving.close();
    await cut;
    assert.ok(performance.now() - since < 1000);
    assert.equal(server.asked.length, 1);
    const patient = new SqsPublisher(config());
    await assert.rejects(send(patient), { name: "TimeoutError" });
    assert.equal(server.asked.length, 4);
    assert.ok(performance.now() - since < 7500, "before the relay's lease ends");
    await patient.close();
  });

  it("B5 a server that speaks SQS (PHASED_TEST_SQS_ENDPOINT): each event has its effect, and what cannot be handled is moved to the dead letters", async function () {
    // In this process it is the same without it; see SqsServer.
    if (realEndpoint === undefined) this.skip();
    const client = new SQSClient({ region: "us-east-1", endpoint: realEndpoint });
    const made = async (name: string, Attributes: Record<string, string> = {}): Promise<string> => {
      const { QueueUrl: url } = await client.send(new CreateQueueCommand({ QueueName: `${name}-${randomUUID()}`, Attributes }));
      return url ?? "";
    };
    const deadUrl = await made("dead");
    const attributes = await client.send(new GetQueueAttributesCommand({ QueueUrl: deadUrl, AttributeNames: ["QueueArn"] }));
    const redrive = { deadLetterTargetArn: attributes.Attributes?.["QueueArn"], maxReceiveCount: 1 };
    const queueUrl = await made("events", { RedrivePolicy: JSON.stringify(redrive) });
    const sqs = { queueUrl, region: "us-east-1" };
    await withAnyDatabase(async (database) => {
      const publisher = new SqsPublisher(sqs);
      await publisher.send([{ key: "company", value: "no event at all" }]);
      await publisher.close();
      const events = new Events({ database, logger, kafka: undefined, sqs, appName: "test" });
      const consumers = startConsumers({ events, logger });
      running.push(consumers, events);
      const scopes = await Promise.all([1, 2, 3].map(() => createCompany(database)));
      await Promise.all(scopes.map((scope) => publishOrders(scope, 15)));
      await eventually("all have had their effect", async () => (await activity(database)) === 45);
      await eventually(
        "the other is a dead letter",
        async () => (await client.send(new ReceiveMessageCommand({ QueueUrl: deadUrl }))).Messages?.[0]?.Body === "no event at all",
        20_000,
      );
      const left = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
      const figures = await client.send(new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...left] }));
      assert.deepEqual(figures.Attributes, { ApproximateNumberOfMessages: "0", ApproximateNumberOfMessagesNotVisible: "0" });
      await consumers.close();
      await events.close();
    });
    client.destroy();
  });

  it("B5 batches keep order and SQS' limits, whatever comes (property)", () => {
    const values = fc.array(
      fc.nat(100_000).map((length) => "ü".repeat(length)),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(values, (texts) => {
        const records = texts.map((value, index) => ({ key: String(index), value }));
        const batches = batchesOf(records);
        assert.deepEqual(batches.flat(), records);
        for (const batch of batches) {
          assert.ok(batch.length >= 1 && batch.length <= 10);
          const bytes = batch.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0);
          assert.ok(batch.length === 1 || bytes <= 256 * 1024);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("B5 the region is the address' own; Kafka and SQS together are refused", () => {
    const queueUrl = "https://sqs.eu-central-1.amazonaws.com/123456789012/events";
    const loaded = loadConfig({ NODE_ENV: "test", SQS_QUEUE_URL: queueUrl, AWS_REGION: "us-east-1" });
    assert.deepEqual([loaded.sqs, loaded.phase], [{ queueUrl, region: "eu-central-1" }, "cloud"]);
    assert.throws(
      () => loadConfig({ NODE_ENV: "test", SQS_QUEUE_URL: queueUrl, KAFKA_BROKERS: "k:9092" }),
      (error) => error instanceof ConfigError && /^SQS_QUEUE_URL: set with KAFKA_BROKERS; events have one carrier/.test(error.message),
    );
  });
});
