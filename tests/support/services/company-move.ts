import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import pino from "pino";
import { loadConfig } from "../../../app/src/config";
import type { Database } from "../../../app/src/db/database";
import { products } from "../../../app/src/db/domain-tables";
import { createId } from "../../../app/src/db/id";
import { openDatabase } from "../../../app/src/db/open";
import { migrateSchema } from "../../../app/src/db/schema";
import { closeSessions, openSessions } from "../../../app/src/db/shards/move/command";
import { moveCompany } from "../../../app/src/db/shards/move/move";
import { MOVED_TABLES, OUTBOX } from "../../../app/src/db/shards/move/tables";
import type { MoveOptions, MoveResult, MoveSessions } from "../../../app/src/db/shards/move/types";
import { companies, orders } from "../../../app/src/db/tables";
import { TenantScope } from "../../../app/src/db/tenant";
import { connectEvents, publish } from "../../../app/src/events/outbox";
import { orderCreated } from "../../app/events/support";
import { fillTables } from "../transfer-rows";
import { type PostgresGroup, rowsOf } from "./postgres";

const logger = pino({ level: "silent" });

/** The company that is moved, as `fillTables` makes it. */
export const COMPANY = `c${"0".repeat(23)}`;
const USER = `u${"0".repeat(23)}`;

/** Orders that it has before anybody writes. */
const ORDERS = 400;

/** Small, so that every table takes several. */
export const BATCH_ROWS = 50;

/** Processes that write to one company all the time, and each reads at once what another one wrote. */
export class Writers {
  /** Ids of orders that were acknowledged, in no order. */
  readonly acknowledged: string[] = [];
  readonly failures: string[] = [];
  #stopped = false;
  readonly #running: Promise<void>[];

  constructor(readonly databases: readonly Database[]) {
    this.#running = databases.map((database, index) => this.#write(database, databases[(index + 1) % databases.length] ?? database, index));
  }

  /** Until so many more orders are acknowledged, or one was not. */
  async more(orders: number): Promise<void> {
    const done = this.acknowledged.length + orders;
    while (this.acknowledged.length < done && this.failures.length === 0) await delay(20);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #write(database: Database, other: Database, writer: number): Promise<void> {
    const product = { id: createId(), sku: `W-${writer}-0` };
    const times = { createdAt: new Date().toISOString(), updatedAt: new Date().toISOString() };
    const scope = new TenantScope(database, COMPANY);
    await scope.transaction((inside) =>
      inside.table(products).insert({ ...product, name: "P", category: "lens", priceCents: 1, currency: "EUR", version: 1, ...times }),
    );
    for (let n = 1; !this.#stopped; n += 1) {
      try {
        await this.#order(scope, other);
        // Each frees an SKU that the other one takes, and deletes what the triggers have to notice as well.
        await scope.transaction(async (inside) => {
          const id = createId();
          await inside.table(products).update(product.id, { sku: `W-${writer}-${n}` });
          await inside
            .table(products)
            .insert({ id, sku: `W-${writer}-${n - 1}`, name: "Q", category: "lens", priceCents: 1, currency: "EUR", version: 1, ...times });
          await inside.table(products).delete({ id });
        });
      } catch (error) {
        this.failures.push(String(error));
      }
    }
  }

  async #order(scope: TenantScope, other: Database): Promise<void> {
    const id = createId();
    const now = new Date().toISOString();
    await scope.transaction(async (inside) => {
      const number = await inside.table(companies).increment(COMPANY, "lastOrderNumber");
      await inside.table(orders).insert({
        ...{ id, number: number ?? 0, customerName: "C", status: "pending", totalCents: 1, currency: "EUR", notes: "" },
        ...{ version: 1, createdBy: USER, createdAt: now, updatedAt: now },
      });
      await publish(inside, orderCreated(number ?? 0));
    });
    this.acknowledged.push(id);
    const seen = await new TenantScope(other, COMPANY).table(orders).find(id);
    if (seen === undefined) this.failures.push(`${id} was not there for the other process`);
  }
}

/** Two databases of a server, and two processes of the app on them. */
export class MoveRig {
  #writers: Writers | undefined;

  private constructor(
    readonly environment: Readonly<Record<string, string>>,
    /** Of the owner, by name. */
    readonly urls: Readonly<Record<string, string>>,
    readonly processes: readonly [Database, Database],
  ) {}

  static async start(postgres: PostgresGroup): Promise<MoveRig> {
    const [first, second] = [await postgres.createDatabase(), await postgres.createDatabase()];
    const further = { DATABASE_SHARDS: `s2=${second.appUrl}`, DATABASE_SHARDS_DIRECT: `s2=${second.url}` };
    const environment = { ...first.environment, ...further, WORKERS: "1" };
    const config = loadConfig(environment);
    await migrateSchema(config, logger);
    const processes = [await openDatabase(config, logger), await openDatabase(config, logger)] as const;
    for (const database of processes) connectEvents(database, { outbox: true, committed: () => undefined });
    // From before there were several databases: nothing of it is in the directory.
    await fillTables(processes[0], 3, ORDERS);
    return new MoveRig(environment, { first: first.url, s2: second.url }, [...processes]);
  }

  /** Writes from both processes until the end. */
  write(): Writers {
    return (this.#writers = new Writers(this.processes));
  }

  async stop(): Promise<void> {
    await this.#writers?.stop();
    await Promise.all(this.processes.map((database) => database.close()));
  }

  async place(): Promise<string | undefined> {
    return (
      await rowsOf<{ shard: string }>(this.urls["first"] ?? "", "SELECT shard FROM company_shards WHERE company_id = $1", [COMPANY])
    )[0]?.shard;
  }

  async move(
    to: string,
    options: Partial<MoveOptions> = {},
    replaced: (sessions: MoveSessions) => MoveSessions = (as) => as,
  ): Promise<MoveResult> {
    const sessions = await openSessions(loadConfig(this.environment), to === "s2" ? "first" : "s2", to);
    try {
      return await moveCompany(replaced(sessions), { companyId: COMPANY, batchRows: BATCH_ROWS, ...options });
    } finally {
      await closeSessions(sessions);
    }
  }

  /** Rows of the company in each table. */
  async rowsIn(name: string): Promise<Record<string, number>> {
    const found: Record<string, number> = {};
    for (const table of [...MOVED_TABLES, OUTBOX]) {
      const sql = `SELECT count(*)::int AS rows FROM ${table.name} WHERE ${table.company} = $1`;
      const [row] = await rowsOf<{ rows: number }>(this.urls[name] ?? "", sql, [COMPANY]);
      if ((row?.rows ?? 0) > 0) found[table.name] = row?.rows ?? 0;
    }
    return found;
  }

  /** Every order that was acknowledged is in this database, once, and the numbers have no gap; nothing is in the other one. */
  async assertMoved(to: string, acknowledged: readonly string[]): Promise<void> {
    assert.equal(await this.place(), to);
    const other = to === "s2" ? "first" : "s2";
    assert.deepEqual(await this.rowsIn(other), {});
    const found = await rowsOf<{ id: string; number: string }>(
      this.urls[to] ?? "",
      "SELECT id, number FROM orders WHERE company_id = $1 ORDER BY number",
      [COMPANY],
    );
    assert.deepEqual(
      found.map(({ number }) => Number(number)),
      found.map((_, index) => index + 1),
    );
    const ids = new Set(found.map(({ id }) => id));
    assert.deepEqual(
      acknowledged.filter((id) => !ids.has(id)),
      [],
      "acknowledged orders that are gone",
    );
    assert.equal(found.length, ORDERS + acknowledged.length);
    const events = await rowsOf<{ number: string }>(
      this.urls[to] ?? "",
      "SELECT number FROM event_outbox WHERE company_id = $1 ORDER BY position",
      [COMPANY],
    );
    assert.deepEqual(
      events.map(({ number }) => Number(number)),
      events.map((_, index) => Number(events[0]?.number) + index),
      "events in their order",
    );
    for (const name of ["first", "s2"]) {
      const url = this.urls[name] ?? "";
      assert.deepEqual(await rowsOf(url, "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'shard_move_%'"), []);
      assert.deepEqual(await rowsOf(url, "SELECT company_id FROM shard_changes"), []);
      assert.deepEqual(await rowsOf(url, "SELECT company_id FROM shard_moves"), []);
    }
    assert.deepEqual(await rowsOf(this.urls[to] ?? "", "SELECT state FROM shard_fences"), []);
    assert.deepEqual(await rowsOf(this.urls[other] ?? "", "SELECT state FROM shard_fences"), [{ state: "left" }]);
  }
}
