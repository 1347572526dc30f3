import assert from "node:assert/strict";
import pino from "pino";
import { type Database, DatabaseBusyError, DatabaseMovedError, DatabaseUnavailableError, type Queries } from "../../../app/src/db/database";
import { createId } from "../../../app/src/db/id";
import { ACTIVITY_MS, applyEvent, HANDLED_MS, PURGE_ROWS, purgeEffects } from "../../../app/src/events/effects";
import { consumedTotal, OUTCOMES } from "../../../app/src/events/metrics";
import { EventHandler, type HandlerOptions, type ReceivedRecord } from "../../../app/src/events/handler";
import { withAnyDatabase } from "../db/support";
import { orderCreated } from "./support";

const logger = pino({ level: "silent" });

function record(value: string | undefined): ReceivedRecord {
  return { value, place: { topic: "test", partition: 3, offset: "7" } };
}

function eventRecord(overrides: Readonly<Record<string, unknown>> = {}): ReceivedRecord {
  const head = { id: createId(), companyId: "company", number: 1, occurredAt: "2026-11-21T08:00:00.000Z" };
  return record(JSON.stringify({ ...head, ...orderCreated(1, 250), ...overrides }));
}

interface Letter {
  readonly value: string | undefined;
  readonly reason: string;
}

function handlerOf(
  database: Database,
  options: Partial<HandlerOptions<ReceivedRecord>> = {},
): { handler: EventHandler<ReceivedRecord>; letters: Letter[] } {
  const letters: Letter[] = [];
  const deadLetter = ({ value }: ReceivedRecord, reason: string): Promise<void> => {
    letters.push({ value, reason });
    return Promise.resolve();
  };
  return { letters, handler: new EventHandler({ database, logger, deadLetter, signal: new AbortController().signal, ...options }) };
}

describe("B5 event handler", () => {
  it("B5 B8 each outcome is counted from 0 on: Prometheus sees no increase in a series that begins with 1", () =>
    withAnyDatabase(async (database) => {
      consumedTotal.reset();
      handlerOf(database);
      const { values } = await consumedTotal.get();
      assert.deepEqual(
        values.map(({ labels, value }) => [labels.outcome, value]),
        OUTCOMES.map((outcome) => [outcome, 0]),
      );
    }));

  it("B5 an event has its effect once, however often it comes", () =>
    withAnyDatabase(async (database) => {
      const { handler } = handlerOf(database);
      const twice = eventRecord();
      assert.equal(await handler.handle(twice), "applied");
      assert.equal(await handler.handle(twice), "duplicate");
      assert.equal(await handler.handle(eventRecord()), "applied");
      assert.deepEqual(
        { ...(await database.get("SELECT day, currency, orders, total_cents FROM order_statistics")) },
        {
          day: "2026-11-21",
          currency: "EUR",
          orders: 2,
          total_cents: 500,
        },
      );
      assert.equal((await database.all("SELECT 1 FROM company_activity")).length, 2);
    }));

  it("B5 an event whose note was forgotten, because Kafka keeps it for longer, is a duplicate: no dead letter, and counted once", () =>
    withAnyDatabase(async (database) => {
      const { handler, letters } = handlerOf(database);
      const event = eventRecord({ occurredAt: new Date().toISOString() });
      assert.equal(await handler.handle(event), "applied");
      await purgeEffects(database, Date.now() + HANDLED_MS + 60_000);
      assert.deepEqual(await database.all("SELECT 1 FROM event_handled"), []);
      assert.equal(await handler.handle(event), "duplicate");
      assert.deepEqual(letters, []);
      assert.equal((await database.get<{ orders: number }>("SELECT orders FROM order_statistics"))?.orders, 1);
    }));

  it("B5 an effect that fails half-way leaves nothing behind and is tried again", () =>
    withAnyDatabase(async (database) => {
      let calls = 0;
      const { handler } = handlerOf(database, {
        apply: async (transaction, event) => {
          const applied = await applyEvent(transaction, event);
          calls += 1;
          if (calls === 1) throw new Error("the process stumbled");
          return applied;
        },
      });
      assert.equal(await handler.handle(eventRecord()), "applied");
      assert.equal(calls, 2);
      assert.equal((await database.all("SELECT 1 FROM company_activity")).length, 1);
    }));

  for (const [what, value] of Object.entries({
    "no JSON": "{",
    "no value": undefined,
    "another format": JSON.stringify({ hello: "world" }),
    "a payload that does not fit": eventRecord({ payload: { order: { id: 5 } } }).value,
  })) {
    it(`B5 a record with ${what} goes to the dead-letter topic, with the reason`, () =>
      withAnyDatabase(async (database) => {
        const { handler, letters } = handlerOf(database);
        assert.equal(await handler.handle(record(value)), "dead-letter");
        assert.equal(letters.length, 1);
        assert.equal(letters[0]!.value, value);
        assert.ok(letters[0]!.reason.length > 10);
        assert.equal(await handler.handle(eventRecord()), "applied", "the next one is handled");
      }));
  }

  it("B5 an event that always fails goes to the dead-letter topic after three attempts with a database that answers", () =>
    withAnyDatabase(async (database) => {
      let calls = 0;
      const apply = (): Promise<boolean> => {
        calls += 1;
        return Promise.reject(new Error("a bug"));
      };
      const { handler, letters } = handlerOf(database, { apply });
      assert.equal(await handler.handle(eventRecord()), "dead-letter");
      assert.equal(calls, 3);
      assert.deepEqual(
        letters.map(({ reason }) => reason),
        ["a bug"],
      );
    }));

  it("B5 while the database is away, an event waits instead of becoming a dead letter", () =>
    withAnyDatabase(async (database) => {
      let down = 6;
      const flaky = Object.assign(Object.create(database) as Database, {
        transaction: (work: Parameters<Database["transaction"]>[0]) =>
          down-- > 0 ? Promise.reject(new Error("connection refused")) : database.transaction(work),
        ping: () => (down > 0 ? Promise.reject(new Error("connection refused")) : database.ping()),
      });
      const { handler, letters } = handlerOf(flaky);
      assert.equal(await handler.handle(eventRecord()), "applied");
      assert.equal(letters.length, 0);
    }));

  for (const [what, refusal] of Object.entries({
    "has no primary or no space": new DatabaseUnavailableError("no space left on its disk", undefined),
    "is locked by others": new DatabaseBusyError(5000, undefined),
    "was moved": new DatabaseMovedError(),
  })) {
    it(`B5 while the database answers reads but ${what}, an event waits instead of becoming a dead letter`, () =>
      withAnyDatabase(async (database) => {
        let refused = 6;
        const readOnly = Object.assign(Object.create(database) as Database, {
          transaction: (work: Parameters<Database["transaction"]>[0]) =>
            refused-- > 0 ? Promise.reject(refusal) : database.transaction(work),
          ping: () => database.ping(),
        });
        const { handler, letters } = handlerOf(readOnly);
        assert.equal(await handler.handle(eventRecord()), "applied");
        assert.equal(letters.length, 0);
      }));
  }

  it("B5 a record is not passed over while the dead-letter topic is away", () =>
    withAnyDatabase(async (database) => {
      let attempts = 0;
      const { handler } = handlerOf(database, {
        deadLetter: () => (++attempts < 3 ? Promise.reject(new Error("no leader")) : Promise.resolve()),
      });
      assert.equal(await handler.handle(record("{")), "dead-letter");
      assert.equal(attempts, 3);
    }));

  it("B5 an event type of a newer version is passed over", () =>
    withAnyDatabase(async (database) => {
      const { handler, letters } = handlerOf(database);
      assert.equal(await handler.handle(eventRecord({ type: "invoice.created", payload: {} })), "ignored");
      assert.equal(letters.length, 0);
    }));

  it("B5 forgets handled events and activity when they are old, not before", () =>
    withAnyDatabase(async (database) => {
      const { handler } = handlerOf(database);
      await handler.handle(eventRecord({ occurredAt: new Date().toISOString() }));
      await purgeEffects(database, Date.now() + HANDLED_MS - 60_000);
      assert.equal((await database.all("SELECT 1 FROM event_handled")).length, 1);
      await purgeEffects(database, Date.now() + HANDLED_MS + 60_000);
      assert.equal((await database.all("SELECT 1 FROM event_handled")).length, 0);
      assert.equal((await database.all("SELECT 1 FROM company_activity")).length, 1);
      await purgeEffects(database, Date.now() + ACTIVITY_MS + 60_000);
      assert.equal((await database.all("SELECT 1 FROM company_activity")).length, 0);
    }));

  it("B5 forgets all that is old at once, however much it is, by statements of so many rows, and ends between two of them", () =>
    withAnyDatabase(async (database) => {
      const many = 2 * PURGE_ROWS + 7;
      const old = new Date(Date.now() - ACTIVITY_MS - 60_000).toISOString();
      const young = new Date().toISOString();
      const numbers = "WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ?)";
      const columns = "id, company_id, number, type, summary, occurred_at";
      for (const [prefix, count, at] of [
        ["old", many, old],
        ["young", 3, young],
      ] as const) {
        await database.run(`${numbers} INSERT INTO event_handled (event_id, handled_at) SELECT '${prefix}' || i, '${at}' FROM numbers`, [
          count,
        ]);
        await database.run(
          `${numbers} INSERT INTO company_activity (${columns}) SELECT '${prefix}' || i, 'c', i, 'order.created', '', '${at}' FROM numbers`,
          [count],
        );
      }
      const left = async (): Promise<number[]> => {
        const counts = ["event_handled", "company_activity"].map((table) =>
          database.get<{ count: number }>(`SELECT count(*) AS count FROM ${table}`),
        );
        return (await Promise.all(counts)).map((row) => row?.count ?? 0);
      };
      const stop = new AbortController();
      const removed: number[] = [];
      const stopping: Queries = Object.assign(Object.create(database) as Database, {
        run: async (...statement: Parameters<Queries["run"]>) => {
          removed.push(await database.run(...statement));
          if (removed.length === 2) stop.abort();
          return removed.at(-1)!;
        },
      });
      await purgeEffects(stopping, Date.now(), stop.signal);
      assert.deepEqual(removed, [PURGE_ROWS, PURGE_ROWS]);
      assert.deepEqual(await left(), [7 + 3, many + 3]);
      await purgeEffects(database);
      assert.deepEqual(await left(), [3, 3]);
    }));
});
