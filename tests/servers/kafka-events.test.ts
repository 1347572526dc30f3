import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { Admin, Consumer } from "@platformatic/kafka";
import pino from "pino";
import { loadConfig } from "../../app/src/config";
import type { Database } from "../../app/src/db/database";
import type { TenantScope } from "../../app/src/db/tenant";
import type { KafkaConfig } from "../../app/src/events/config";
import { Events } from "../../app/src/events/events";
import { clientOptions, createProducer, ensureTopics } from "../../app/src/events/kafka";
import { connectEvents } from "../../app/src/events/outbox";
import { LagMonitor } from "../../app/src/events/lag";
import { kafkaBrokers } from "../../app/src/events/metrics";
import { createCompany, outboxSize, publishOrders } from "../app/events/support";
import { withDatabase } from "../app/db/support";
import { TestApp } from "../app/http/support";
import { eventually } from "../support/services/container";
import { type KafkaService, startKafka } from "../support/services/kafka";

const logger = pino({ level: process.env["TEST_LOG"] ?? "silent" });
const DEADLINE_MS = 120_000;

/** Topics of the tests so far; a broker that was killed looks through all it has before it serves. */
const topics = new Set<string>();

async function deleteTopics(kafka: KafkaService): Promise<void> {
  const admin = new Admin(clientOptions(configOf(kafka.environment), "cleanup"));
  try {
    const existing = await admin.listTopics();
    await admin.deleteTopics({ topics: existing.filter((topic) => topics.has(topic.replace(/\.dead-letter$/, ""))) });
  } finally {
    await admin.close();
  }
}

/** Topic and group of one test's own. */
function environmentOf(kafka: KafkaService): Record<string, string> {
  const id = randomBytes(4).toString("hex");
  topics.add(`events-${id}`);
  return { NODE_ENV: "test", ...kafka.environment, KAFKA_TOPIC: `events-${id}`, KAFKA_GROUP: `group-${id}` };
}

function configOf(environment: Readonly<Record<string, string>>): KafkaConfig {
  const { kafka } = loadConfig(environment);
  assert.ok(kafka);
  return kafka;
}

const total = async (database: Database): Promise<number> =>
  (await database.get<{ total: number }>("SELECT coalesce(sum(orders), 0) AS total FROM order_statistics"))?.total ?? 0;

/** All events had their effect, each once. */
async function assertEffects(database: Database, expected: number): Promise<void> {
  await eventually(`${expected} events had their effect`, async () => (await total(database)) >= expected, DEADLINE_MS);
  assert.equal(await total(database), expected, "an event had its effect twice");
  const rows = await database.all<{ companyId: string; count: number; highest: number }>(
    `SELECT company_id AS "companyId", count(*) AS count, max(number) AS highest FROM company_activity GROUP BY company_id`,
  );
  assert.equal(
    rows.reduce((sum, { count }) => sum + count, 0),
    expected,
  );
  for (const { count, highest } of rows) assert.equal(count, highest, "a company's stream has a gap");
}

/** Starts the process of a test; `line` resolves once it has printed so many lines. */
function startProcess(role: "relay" | "consumer", environment: Readonly<Record<string, string>>, file: string) {
  const script = path.resolve(__dirname, "../app/events/event-process.ts");
  const child: ChildProcess = spawn(process.execPath, ["--import", "tsx", script, role], {
    env: { PATH: process.env["PATH"], ...environment, SQLITE_PATH: file },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let count = 0;
  createInterface({ input: child.stdout! }).on("line", () => (count += 1));
  return {
    lines: (wanted: number) => eventually(`the ${role} process printed ${wanted} lines`, () => count >= wanted, DEADLINE_MS),
    kill: async (): Promise<void> => {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Every record of a topic, as it is there. */
async function readAll(config: KafkaConfig, topic: string, count: number) {
  const consumer = new Consumer({
    ...clientOptions(config, "reader"),
    groupId: `reader-${randomBytes(4).toString("hex")}`,
  });
  const records: { value: string; headers: Record<string, string> }[] = [];
  try {
    const stream = await consumer.consume({ topics: [topic], mode: "earliest", autocommit: false, maxWaitTime: 200 });
    const limit = setTimeout(() => void stream.close(), DEADLINE_MS);
    for await (const { value, headers } of stream) {
      const texts = [...headers].map(([name, text]) => [name.toString(), text.toString()] as const);
      records.push({ value: value.toString(), headers: Object.fromEntries(texts) });
      if (records.length >= count) break;
    }
    clearTimeout(limit);
  } finally {
    await consumer.close(true);
  }
  return records;
}

async function withEvents(database: Database, config: KafkaConfig, work: (events: Events) => Promise<void>): Promise<void> {
  const events = new Events({ database, logger, kafka: config, appName: "test" });
  try {
    await work(events);
  } finally {
    await events.close();
  }
}

/** Publishes orders of some companies, one after the other, until told to stop; how many were committed. */
function traffic(scopes: readonly TenantScope[]): { stop(): Promise<number> } {
  let running = true;
  let committed = 0;
  const done = Promise.all(
    scopes.map(async (scope) => {
      for (let number = 1; running; number += 1) {
        await publishOrders(scope, 1, number);
        committed += 1;
        await delay(5);
      }
    }),
  );
  return {
    async stop() {
      running = false;
      await done;
      return committed;
    },
  };
}

describe("B5 events through Kafka", function () {
  this.timeout(400_000);
  let kafka: KafkaService;
  before(async () => (kafka = await startKafka()));
  afterEach(() => deleteTopics(kafka));
  after(() => kafka?.remove());

  it("B5 what the API changes reaches the consumers; topics have 12 partitions; the lag is measured and goes to 0", async () => {
    const environment = environmentOf(kafka);
    const config = configOf(environment);
    const app = await TestApp.start(environment);
    const lag = new LagMonitor(config, logger, "test");
    try {
      const { database, events } = app.container;
      const { token } = await app.signUp();
      for (let number = 1; number <= 20; number += 1) {
        const { status } = await app.request("POST", "/api/orders", { token, json: { customerName: "A", totalCents: 5 } });
        assert.equal(status, 201);
      }
      await eventually("everything is published", async () => (await outboxSize(database)) === 0);
      const before = await lag.measure();
      assert.equal(before.length, 12);
      assert.ok(((await kafkaBrokers.get()).values[0]?.value ?? 0) >= 1, "who looks counts the brokers as well");
      assert.equal(before.filter(({ lag: records }) => records > 0).length, 1, "one company, one partition");
      assert.equal(Math.max(...before.map(({ lag: records }) => records)), 21, "a user and 20 orders");
      events.startConsumer();
      await eventually("all orders are counted", async () => (await total(database)) === 20, DEADLINE_MS);
      await eventually("there is no lag", async () => (await lag.measure()).every(({ lag: records }) => records === 0));
      assert.deepEqual({ ...events.status(), lag: 0 }, { status: "ok", enabled: true, consuming: true, lag: 0 });
    } finally {
      await lag.close();
      await app.remove();
    }
  });

  it("B5 a relay killed between publishing and marking: published twice, in effect once", () =>
    withDatabase(async (database, file) => {
      const environment = environmentOf(kafka);
      const config = configOf(environment);
      // Without a relay in this process: the outbox fills.
      connectEvents(database, { outbox: true, committed: () => undefined });
      const scope = await createCompany(database);
      await publishOrders(scope, 25);
      const relay = startProcess("relay", environment, file);
      await relay.lines(25);
      await relay.kill();
      assert.equal(await outboxSize(database), 25, "acknowledged, but nobody knows");
      await withEvents(database, config, async (events) => {
        events.startConsumer();
        await eventually("everything is published", async () => (await outboxSize(database)) === 0, DEADLINE_MS);
        assert.equal((await readAll(config, config.topic, 50)).length, 50);
        await assertEffects(database, 25);
      });
    }));

  it("B5 a consumer killed in the middle of a batch: another one goes on, each event once in effect", () =>
    withDatabase(async (database, file) => {
      const environment = environmentOf(kafka);
      const config = configOf(environment);
      await withEvents(database, config, async (events) => {
        const scopes = await Promise.all([createCompany(database), createCompany(database), createCompany(database)]);
        await Promise.all(scopes.map((scope) => publishOrders(scope, 100)));
        const consumer = startProcess("consumer", environment, file);
        await consumer.lines(120);
        await consumer.kill();
        assert.ok((await total(database)) < 300, "it was in the middle");
        events.startConsumer();
        await assertEffects(database, 300);
      });
    }));

  it("B5 a poison record goes to the dead-letter topic, with where it came from, and holds up nothing", () =>
    withDatabase(async (database) => {
      const config = configOf(environmentOf(kafka));
      await ensureTopics(config, "test");
      await withEvents(database, config, async (events) => {
        const scope = await createCompany(database);
        const producer = createProducer(config, "test");
        await publishOrders(scope, 5);
        await eventually("they are published", async () => (await outboxSize(database)) === 0);
        await producer.send({ messages: [{ topic: config.topic, key: scope.companyId, value: "{ poison" }] });
        await producer.close();
        await publishOrders(scope, 5, 6);
        events.startConsumer();
        await assertEffects(database, 10);
        const [letter] = await readAll(config, `${config.topic}.dead-letter`, 1);
        assert.equal(letter?.value, "{ poison");
        assert.equal(letter.headers["topic"], config.topic);
        assert.equal(letter.headers["offset"], "5");
        assert.match(letter.headers["reason"] ?? "", /not JSON/);
      });
    }));

  it("B5 a broker killed and started again under load: no acknowledged event lost, none twice in effect", () =>
    withDatabase(async (database) => {
      const config = configOf(environmentOf(kafka));
      await withEvents(database, config, async (events) => {
        events.startConsumer();
        const load = traffic(await Promise.all(Array.from({ length: 4 }, () => createCompany(database))));
        await eventually("events flow", async () => (await total(database)) > 20, DEADLINE_MS);
        await kafka.brokers[0]!.kill();
        await eventually("the relay notices", () => events.status().status === "warning", DEADLINE_MS);
        await kafka.brokers[0]!.start();
        const reached = await total(database);
        await eventually("events flow again", async () => (await total(database)) > reached + 20, DEADLINE_MS);
        await assertEffects(database, await load.stop());
        await eventually("everything is well", () => events.status().status === "ok", DEADLINE_MS);
      });
    }));
});

describe("B5 a consumer that has nothing to read", function () {
  this.timeout(400_000);
  let kafka: KafkaService;
  before(async () => (kafka = await startKafka()));
  after(() => kafka?.remove());

  it("B5 says that events cannot be read while the broker is away, and is well once it answers again, without an event", () =>
    withDatabase(async (database) => {
      const said: string[] = [];
      const told = pino({ level: "info" }, { write: (line: string) => void said.push((JSON.parse(line) as { msg: string }).msg) });
      const events = new Events({ database, logger: told, kafka: configOf(environmentOf(kafka)), appName: "test" });
      const reason = (): string | undefined => events.status().reason;
      try {
        events.startConsumer();
        // The first look succeeds once the topic is there, which the consumer makes before it joins.
        await eventually("Kafka is seen", () => events.status().lag === 0, DEADLINE_MS);
        await kafka.brokers[0]!.kill();
        await eventually("it says so", () => reason() === "Events cannot be read.", DEADLINE_MS);
        await kafka.brokers[0]!.start();
        await eventually("it is well again", () => events.status().status === "ok", DEADLINE_MS);
        assert.deepEqual(said, ["events cannot be read; connecting again", "events are read again"]);
      } finally {
        await events.close();
      }
    }));
});

describe("B5 events through three brokers", function () {
  this.timeout(400_000);
  let kafka: KafkaService;
  before(async () => (kafka = await startKafka({ brokers: 3 })));
  afterEach(() => deleteTopics(kafka));
  after(() => kafka?.remove());

  it("B5 topics have three copies, and two must have a write", async () => {
    const config = configOf(environmentOf(kafka));
    await ensureTopics(config, "test");
    const admin = new Admin(clientOptions(config, "test"));
    try {
      const topic = (await admin.metadata({ topics: [config.topic] })).topics.get(config.topic);
      assert.equal(topic?.partitionsCount, 12);
      assert.ok(topic.partitions.every(({ replicas }) => replicas.length === 3));
    } finally {
      await admin.close();
    }
  });

  it("B5 one of three brokers killed under load: events flow on, none lost, none twice in effect", () =>
    withDatabase(async (database) => {
      const config = configOf(environmentOf(kafka));
      await withEvents(database, config, async (events) => {
        events.startConsumer();
        const load = traffic(await Promise.all(Array.from({ length: 6 }, () => createCompany(database))));
        await eventually("events flow", async () => (await total(database)) > 20, DEADLINE_MS);
        await kafka.brokers[1]!.kill();
        const reached = await total(database);
        await eventually("events flow with two brokers", async () => (await total(database)) > reached + 100, DEADLINE_MS);
        await kafka.brokers[1]!.start();
        await assertEffects(database, await load.stop());
      });
    }));
});
