import assert from "node:assert/strict";
import pino from "pino";
import type { Database, SqlValue } from "../../../app/src/db/database";
import { Events } from "../../../app/src/events/events";
import { eventually } from "../../support/services/container";
import { SqsServer } from "../../support/sqs-server";
import { inDirectory, withDatabase } from "../db/support";
import { createCompany, outboxSize, publishOrders } from "../events/support";
import { TestShards } from "./support";

const LOGIN = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };

/** Two databases, and how often each outbox was looked at. */
async function counted(first: Database, directory: string) {
  const shards = await TestShards.open(first, directory);
  const looks: Record<string, number> = {};
  for (const { name, database } of shards.sharded.shards) {
    const all = database.all.bind(database);
    database.all = <Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]> => {
      if (sql.includes("FROM event_outbox")) looks[name] = (looks[name] ?? 0) + 1;
      return all<Row>(sql, parameters);
    };
  }
  return { sharded: shards.sharded, of: (name: string) => shards.of(name), looks: (name: string) => looks[name] ?? 0 };
}

describe("A17 B5 events of several databases", function () {
  this.timeout(30_000);
  const environment = { ...process.env };
  before(() => void Object.assign(process.env, LOGIN));
  after(() => {
    for (const name of Object.keys(LOGIN)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, environment);
  });

  it("A17 B5 each database has its outbox, and all of them are published, also while one is away", () =>
    inDirectory((directory) =>
      withDatabase(async (first) => {
        const server = await SqsServer.start();
        const shards = await TestShards.open(first, directory, { names: ["s2", "s3"] });
        const { sharded } = shards;
        const sqs = { queueUrl: server.queueUrl, region: "us-east-1" };
        const events = new Events({ database: sharded, logger: pino({ level: "silent" }), kafka: undefined, sqs, appName: "test" });
        try {
          const companies: Record<string, Awaited<ReturnType<typeof createCompany>>> = {};
          for (const { name } of sharded.shards) {
            await first.run("INSERT INTO company_shards (company_id, shard) VALUES (?, ?)", [`company-${name}`, name]);
            companies[name] = await createCompany(sharded, `company-${name}`);
          }
          shards.setAway("s3", true);
          for (const name of ["first", "s2"]) await publishOrders(companies[name] ?? assert.fail(), 3);
          const emptied = (name: string) => eventually(`${name} is published`, async () => (await outboxSize(shards.of(name))) === 0);
          await Promise.all(["first", "s2"].map(emptied));
          await eventually("that one database cannot be published from is told", () => events.status().status === "warning");
          shards.setAway("s3", false);
          await publishOrders(companies["s3"] ?? assert.fail(), 3);
          await emptied("s3");
          for (const name of ["first", "s2", "s3"]) {
            const stream = await shards
              .of(name)
              .all<{ company: string; number: number }>("SELECT company_id AS company, last_number AS number FROM event_streams");
            assert.deepEqual(
              stream.map(({ company, number }) => [company, number]),
              [[`company-${name}`, 3]],
            );
          }
        } finally {
          await events.close();
          await server.stop();
        }
      }),
    ));

  it("A17 B5 a commit wakes the relay of its own database only", () =>
    inDirectory((directory) =>
      withDatabase(async (first) => {
        const server = await SqsServer.start();
        const { sharded, ...shards } = await counted(first, directory);
        const sqs = { queueUrl: server.queueUrl, region: "us-east-1" };
        const events = new Events({ database: sharded, logger: pino({ level: "silent" }), kafka: undefined, sqs, appName: "test" });
        try {
          await first.run("INSERT INTO company_shards (company_id, shard) VALUES ('company-s2', 's2')");
          const company = await createCompany(sharded, "company-s2");
          const from = performance.now();
          const before = shards.looks("first");
          for (let number = 1; number <= 20; number += 1) {
            await publishOrders(company, 1, number);
            await eventually("it is published", async () => (await outboxSize(shards.of("s2"))) === 0);
          }
          const seconds = (performance.now() - from) / 1000;
          assert.ok(shards.looks("s2") >= 20, "the test counts nothing");
          // Each relay looks once a second by itself.
          assert.ok(shards.looks("first") - before <= seconds + 2, `${shards.looks("first") - before} looks in ${seconds} s`);
        } finally {
          await events.close();
          await server.stop();
        }
      }),
    ));
});
