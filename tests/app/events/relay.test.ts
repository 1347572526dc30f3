import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import pino from "pino";
import type { Database, SqlValue } from "../../../app/src/db/database";
import { Lease } from "../../../app/src/events/lease";
import { publishFailuresTotal } from "../../../app/src/events/metrics";
import { batchesOf, lanesOf, OutboxRelay, type EventPublisher } from "../../../app/src/events/relay";
import { eventually } from "../../support/services/container";
import { withAnyDatabase } from "../db/support";
import { assertInOrder, collectEvents, createCompany, MemoryPublisher, outboxSize, publishOrders } from "./support";

const logger = pino({ level: "silent" });
let owners = 0;

function relayOf(database: Database, publisher: EventPublisher, leaseMs = 15_000): OutboxRelay {
  owners += 1;
  const relay = new OutboxRelay({
    database,
    logger,
    owner: `relay-${owners}`,
    connect: () => Promise.resolve(publisher),
    pollMs: 20,
    leaseMs,
  });
  relay.start();
  return relay;
}

const emptied = (database: Database): Promise<void> => eventually("the outbox is empty", async () => (await outboxSize(database)) === 0);

describe("B5 outbox relay", () => {
  it("B5 publishes everything, each company in its order, keyed by the company", () =>
    withAnyDatabase(async (database) => {
      collectEvents(database);
      const scopes = await Promise.all(Array.from({ length: 7 }, () => createCompany(database)));
      await Promise.all(scopes.map((scope) => publishOrders(scope, 30)));
      const publisher = new MemoryPublisher();
      const relay = relayOf(database, publisher);
      await emptied(database);
      await relay.close();
      const events = publisher.events();
      assert.equal(events.length, 210);
      assertInOrder(events);
      assert.ok(publisher.records.every(({ key, value }) => value.includes(key)));
    }));

  it("B5 keeps what a broker did not acknowledge and sends it again", () =>
    withAnyDatabase(async (database) => {
      collectEvents(database);
      const scope = await createCompany(database);
      await publishOrders(scope, 5);
      const publisher = new MemoryPublisher();
      publisher.fails = true;
      const relay = relayOf(database, publisher);
      await eventually("it tried", () => publisher.sends >= 2);
      assert.equal(await outboxSize(database), 5);
      assert.equal(relay.healthy, false);
      publisher.fails = false;
      await emptied(database);
      await eventually("it is healthy again", () => relay.healthy);
      await relay.close();
      assert.deepEqual(
        publisher.events().map(({ number }) => number),
        [1, 2, 3, 4, 5],
      );
    }));

  it("B5 B8 counts each failure while nobody can be connected to, and not only the first", () =>
    withAnyDatabase(async (database) => {
      collectEvents(database);
      await publishOrders(await createCompany(database), 1);
      publishFailuresTotal.reset();
      const connect = (): Promise<EventPublisher> => Promise.reject(new Error("no broker answers"));
      const relay = new OutboxRelay({ database, logger, owner: "relay-without-brokers", connect, pollMs: 20 });
      relay.start();
      await eventually("three are counted", async () => ((await publishFailuresTotal.get()).values[0]?.value ?? 0) >= 3);
      await relay.close();
    }));

  it("B5 of several relays one publishes at a time, and another takes over when it leaves", () =>
    withAnyDatabase(async (database) => {
      collectEvents(database);
      const scope = await createCompany(database);
      const publishers = [new MemoryPublisher(), new MemoryPublisher(), new MemoryPublisher()];
      const relays = publishers.map((publisher) => relayOf(database, publisher));
      await publishOrders(scope, 20);
      await emptied(database);
      assert.deepEqual(
        publishers.map(({ records }) => records.length).sort((a, b) => a - b),
        [0, 0, 20],
      );
      const leader = publishers.findIndex(({ records }) => records.length === 20);
      await relays[leader]!.close();
      await publishOrders(scope, 5, 21);
      await emptied(database);
      assert.equal(publishers[leader]!.records.length, 20);
      assert.equal(publishers.flatMap(({ records }) => records).length, 25);
      await Promise.all(relays.map((relay) => relay.close()));
    }));

  it("B5 closing leaves no connection behind that was still being made, and does not fail when the database is gone", () =>
    withAnyDatabase(async (database) => {
      collectEvents(database);
      await publishOrders(await createCompany(database), 1);
      const gone = Object.assign(Object.create(database) as Database, {
        all: <Row extends object>(sql: string, values?: readonly SqlValue[]) => database.all<Row>(sql, values),
        get: <Row extends object>(sql: string, values?: readonly SqlValue[]) => database.get<Row>(sql, values),
        run: (sql: string, values?: readonly SqlValue[]) =>
          sql.startsWith("DELETE FROM leases") ? Promise.reject(new Error("gone")) : database.run(sql, values),
      });
      const publisher = new MemoryPublisher();
      let closed = 0;
      const counted: EventPublisher = {
        send: (records) => publisher.send(records),
        close: () => {
          closed += 1;
          return Promise.resolve();
        },
      };
      const connecting: ((connected: EventPublisher) => void)[] = [];
      const connect = (): Promise<EventPublisher> =>
        new Promise((resolve) => {
          connecting.push(resolve);
        });
      const relay = new OutboxRelay({ database: gone, logger, owner: "mine", connect, pollMs: 20 });
      relay.start();
      await eventually("it connects", () => connecting.length === 1);
      const closing = relay.close();
      connecting[0]!(counted);
      await closing;
      assert.equal(closed, 1);
      assert.equal(publisher.records.length, (await outboxSize(database)) === 0 ? 1 : 0);
    }));

  it("B5 closing does not wait for a database that does not answer", function () {
    this.timeout(30_000);
    return withAnyDatabase(async (database) => {
      let answer: (rows: never[]) => void = () => undefined;
      const answered = new Promise<never[]>((resolve) => (answer = resolve));
      let asked = 0;
      const silent = Object.assign(Object.create(database) as Database, {
        all: () => {
          asked += 1;
          return answered;
        },
      });
      const relay = relayOf(silent, new MemoryPublisher());
      await eventually("it asks", () => asked === 1);
      const from = performance.now();
      await relay.close();
      const took = performance.now() - from;
      assert.ok(took > 2900, `batches under way get 3 s, and had ${took} ms`);
      assert.ok(took < 15_000, `it took ${took} ms`);
      answer([]);
    });
  });

  it("B5 the lease of a relay that died is taken over once it has run out, by the database's clock", () =>
    withAnyDatabase(async (database) => {
      const dead = new Lease(database, "test", "dead", 300);
      const next = new Lease(database, "test", "next", 15_000);
      assert.equal(await dead.acquire(), true);
      assert.equal(await next.acquire(), false);
      await eventually("it ran out", () => next.acquire());
      assert.equal(await dead.acquire(), false);
      assert.ok(next.leftMs > 10_000);
      await next.release();
      assert.equal(await dead.acquire(), true);
    }));

  it("B5 while another process publishes, one that writes much asks no more than now and then", () =>
    withAnyDatabase(async (database) => {
      collectEvents(database);
      const scope = await createCompany(database);
      await publishOrders(scope, 5);
      const other = new Lease(database, "event-relay", "other", 60_000);
      assert.equal(await other.acquire(), true);
      let statements = 0;
      const counted = new Proxy(database, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== "function") return value;
          return (...args: unknown[]): unknown => {
            statements += 1;
            return Reflect.apply(value, target, args) as unknown;
          };
        },
      });
      const publisher = new MemoryPublisher();
      const connect = (): Promise<EventPublisher> => Promise.resolve(publisher);
      const relay = new OutboxRelay({ database: counted, logger, owner: "mine", connect, pollMs: 500 });
      relay.start();
      for (let kick = 0; kick < 60; kick += 1) {
        relay.kick();
        await delay(15);
      }
      // A look and a question for the lease, about twice a second.
      assert.ok(statements >= 2 && statements <= 8, `${statements} statements`);
      await other.release();
      await emptied(database);
      await relay.close();
      assert.equal(publisher.records.length, 5);
    }));

  it("B5 lanes and batches keep every event and the order of each company (property)", () => {
    const company = fc.constantFrom("a", "b", "c", "d", "e", "f", "g");
    fc.assert(
      fc.property(
        fc.array(fc.record({ companyId: company, size: fc.nat(3000) }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 6 }),
        (rows, lanes) => {
          const all = rows.map(({ companyId, size }, position) => ({
            ...{ position, id: `id-${position}`, companyId, number: position + 1, type: "order.created", occurredAt: "now" },
            payload: JSON.stringify({ text: "x".repeat(size) }),
          }));
          const batches = lanesOf(all, lanes).map((lane) => batchesOf(lane, 4096));
          assert.deepEqual(
            batches
              .flat(2)
              .map(({ position }) => position)
              .sort((a, b) => a - b),
            all.map(({ position }) => position),
          );
          for (const lane of batches) {
            const order = lane.flat().map(({ position }) => position);
            assert.deepEqual(
              order,
              [...order].sort((a, b) => a - b),
            );
            for (const batch of lane) {
              assert.ok(batch.length === 1 || batch.reduce((sum, { value }) => sum + value.length, 0) <= 4096);
              for (const { value, payload } of batch)
                assert.deepEqual((JSON.parse(value) as { payload: unknown }).payload, JSON.parse(payload));
            }
          }
        },
      ),
    );
  });
});
