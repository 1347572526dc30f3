import assert from "node:assert/strict";
import { TestApp } from "../app/http/support";
import { describeDatabaseContract } from "../app/db/database-contract";
import { openPostgres } from "../support/database";
import { startPgbouncer, type PgbouncerService } from "../support/services/pgbouncer";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";

describe("C1 E1 PgBouncer in transaction mode", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let pgbouncer: PgbouncerService;
  before(async () => {
    postgres = await startPostgres();
    pgbouncer = await startPgbouncer(postgres, { poolSize: 2 });
  });
  after(async () => {
    await pgbouncer.remove();
    await postgres.remove();
  });

  describeDatabaseContract("Postgres through PgBouncer with two connections", async () => {
    const database = await openPostgres(pgbouncer.url);
    return {
      database,
      close: async () => {
        await database.close();
        const direct = await openPostgres(postgres.url, { pool: { max: 1 } });
        await direct.run("DROP TABLE IF EXISTS items, parents CASCADE");
        await direct.close();
      },
    };
  });

  it("50 requests at the same time share two connections: all are answered, none waits for a connection that never comes", async () => {
    const app = await TestApp.start({ DATABASE_URL: pgbouncer.url, DATABASE_DIRECT_URL: postgres.url });
    try {
      const companies = [await app.signUp(), await app.signUp(), await app.signUp()];
      const answers = await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const { token } = companies[index % companies.length]!;
          if (index % 2 === 0) return app.request("GET", "/api/orders?limit=5", { token });
          return app.request("POST", "/api/orders", { token, json: { customerName: `C${index}`, totalCents: index } });
        }),
      );
      const wrong = answers.filter(({ status }) => status !== 200 && status !== 201);
      assert.deepEqual(
        wrong.map(({ status, text }) => `${status} ${text}`),
        [],
      );
      const pools = await pgbouncer.show<{ database: string; sv_active: string; sv_idle: string }>("POOLS");
      const pool = pools.find(({ database }) => database === "app");
      assert.ok(Number(pool?.sv_active) + Number(pool?.sv_idle) <= 2, JSON.stringify(pools));
      const { body } = await app.request<{ data: { number: number }[] }>("GET", "/api/orders?limit=50&sort=createdAt", {
        token: companies[1]!.token,
      });
      const numbers = body.data.map(({ number }) => number).sort((one, two) => one - two);
      assert.deepEqual(
        numbers,
        Array.from({ length: numbers.length }, (_, index) => index + 1),
      );
    } finally {
      await app.remove();
    }
  });

  it("is restarted under requests: reads go on, and nothing that was acknowledged is lost", async () => {
    const database = await openPostgres(pgbouncer.url);
    await database.run("CREATE TABLE IF NOT EXISTS kept (id BIGINT PRIMARY KEY)");
    const acknowledged: number[] = [];
    let next = 0;
    let stop = false;
    const unknown: number[] = [];
    const writer = async (): Promise<void> => {
      while (!stop) {
        const id = (next += 1);
        try {
          await database.transaction((transaction) => transaction.run("INSERT INTO kept (id) VALUES (?)", [id]));
          acknowledged.push(id);
        } catch (error) {
          assert.equal((error as Error).name, "CommitUnknownError", String(error));
          unknown.push(id);
        }
      }
    };
    const writers = [writer(), writer(), writer()];
    const reads = Array.from({ length: 5 }, async () => {
      while (!stop) await database.get("SELECT count(*) AS count FROM kept");
    });
    await pgbouncer.kill();
    await pgbouncer.start();
    const before = acknowledged.length;
    while (acknowledged.length < before + 20) await new Promise((resolve) => setImmediate(resolve));
    stop = true;
    await Promise.all([...writers, ...reads]);
    const rows = await database.all<{ id: number }>("SELECT id FROM kept");
    const stored = new Set(rows.map(({ id }) => id));
    assert.deepEqual(
      acknowledged.filter((id) => !stored.has(id)),
      [],
    );
    assert.ok(unknown.length <= 3, "at most one a writer was being committed");
    await database.run("DROP TABLE kept");
    await database.close();
  });
});
