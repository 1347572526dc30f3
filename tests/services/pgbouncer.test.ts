import assert from "node:assert/strict";
import { TestApp } from "../app/http/support";
import { describeDatabaseContract } from "../app/db/database-contract";
import { openPostgres } from "../support/database";
import { eventually } from "../support/services/container";
import { startPgbouncer, type PgbouncerService } from "../support/services/pgbouncer";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";
import { startTcpProxy } from "../support/tcp-proxy";

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
    const database = await openPostgres(pgbouncer.ownerUrl);
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

  it("holds everything back for longer than one waits for a connection or for a lock: nobody is refused", async () => {
    const database = await openPostgres(pgbouncer.ownerUrl, { pool: { max: 2 }, lockWaitMs: 3000 });
    await database.run("CREATE TABLE IF NOT EXISTS held (id BIGINT PRIMARY KEY)");
    await pgbouncer.command("PAUSE app");
    const waiting = Array.from({ length: 12 }, (_, id) =>
      id < 6
        ? database.get("SELECT 1 AS one")
        : database.transaction((transaction) => transaction.run("INSERT INTO held (id) VALUES (?)", [id]), { lock: "the same" }),
    );
    const all = Promise.all(waiting);
    // Of the six in line one holds a connection, as does one that reads; four reads wait for a connection, 2 s each time, and five for the lock.
    await Promise.race([all, eventually("all that read have tried again twice", () => database.figures().retries >= 8)]);
    await pgbouncer.command("RESUME app");
    await all;
    assert.equal((await database.get<{ n: number }>("SELECT count(*) AS n FROM held"))?.n, 6);
    await database.run("DROP TABLE held");
    await database.close();
  });

  it("whoever waited for a connection already when everything was held back is not refused either", async () => {
    const database = await openPostgres(pgbouncer.ownerUrl, { pool: { max: 2, connectTimeoutMs: 1000 } });
    // The last answers come after the others began to wait, as when PAUSE lets the transactions under way end.
    const last = [1, 2].map(() => database.get("SELECT pg_sleep(0.3)"));
    await eventually("both are in use", () => database.figures().pool?.inUse === 2);
    const waiting = Array.from({ length: 4 }, () => database.get("SELECT 1 AS one"));
    await pgbouncer.command("PAUSE app");
    await Promise.all(last);
    const all = Promise.all(waiting);
    // Two have the connections, and wait there.
    await Promise.race([all, eventually("the others have tried again", () => database.figures().retries >= 2)]);
    await pgbouncer.command("RESUME app");
    assert.deepEqual(await all, Array(4).fill({ one: 1 }));
    await database.close();
  });

  it("the line that gathered for a lock meanwhile is worked off, although it takes longer than one waits for a lock", async () => {
    const database = await openPostgres(pgbouncer.ownerUrl, { pool: { max: 3, connectTimeoutMs: 400 }, lockWaitMs: 600 });
    await pgbouncer.command("PAUSE app");
    const held = Promise.all(Array.from({ length: 4 }, () => database.get("SELECT 1 AS one")));
    await Promise.race([held, eventually("one has tried again", () => database.figures().retries >= 1)]);
    await pgbouncer.command("RESUME app");
    await held;
    let worked = false;
    // The server answers others all the time, so it is the lock that is waited for.
    const others = (async () => {
      while (!worked) await database.get("SELECT 1 AS one");
    })();
    const order: string[] = [];
    const inLine = async (name: string, sql: string): Promise<void> => {
      await database.transaction((transaction) => transaction.get(sql), { lock: "the same" });
      order.push(name);
    };
    await Promise.all([
      inLine("slow", "SELECT pg_sleep(0.9)"),
      inLine("slower", "SELECT pg_sleep(0.9)"),
      inLine("last", "SELECT 1").finally(() => (worked = true)),
    ]);
    await others;
    assert.deepEqual(order, ["slow", "slower", "last"], "nobody loses his place");
    await database.close();
  });

  it("whoever is in line for a lock behind others that get no connection keeps his place, for longer than one waits for a lock", async () => {
    const database = await openPostgres(pgbouncer.ownerUrl, { pool: { min: 0, idleTimeoutMs: 1, connectTimeoutMs: 400 }, lockWaitMs: 600 });
    await database.get("SELECT 1 AS one");
    await eventually("no connection is left", () => database.figures().pool?.open === 0);
    await pgbouncer.pause();
    const inLine = () => database.transaction((transaction) => transaction.get("SELECT 1 AS one"), { lock: "the same" });
    const line = Promise.all(Array.from({ length: 5 }, inLine));
    // Each of them is at its head for 400 ms.
    await Promise.race([line, eventually("all of them were at its head", () => database.figures().retries >= 5)]);
    await pgbouncer.unpause();
    assert.deepEqual(await line, Array(5).fill({ one: 1 }));
    await database.close();
  });

  it("is restarted under requests: reads go on, and nothing that was acknowledged is lost", async () => {
    const database = await openPostgres(pgbouncer.ownerUrl);
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

  it("A8 is replaced under load: the old one finishes what is under way, and no read and no write fails", async () => {
    const [owner, next] = [await openPostgres(postgres.url, { pool: { max: 1 } }), await startPgbouncer(postgres, { poolSize: 2 })];
    // As Docker's DNS has it: both are found under the name, until the old one is gone.
    const name = await startTcpProxy(pgbouncer.port);
    const url = new URL(pgbouncer.url);
    url.port = String(name.port);
    await owner.run("CREATE TABLE kept (id BIGINT PRIMARY KEY)");
    const database = await openPostgres(url.href);
    const acknowledged: number[] = [];
    const errors: unknown[] = [];
    let [id, stop] = [0, false];
    const busy = (work: () => Promise<unknown>) => async (): Promise<void> => {
      while (!stop) await work().catch((error: unknown) => errors.push(error));
    };
    const writing = (write: (id: number) => Promise<unknown>) =>
      busy(async () => {
        const mine = (id += 1);
        await write(mine);
        acknowledged.push(mine);
      });
    const INSERT = "INSERT INTO kept (id) VALUES (?)";
    const single = writing((mine) => database.run(INSERT, [mine]));
    // Longer than the pause of PgBouncer's own maintenance, a third of a second: some are under way when it is told to end.
    const slow = writing((mine) =>
      database.transaction(async (transaction) => {
        await transaction.run(INSERT, [mine]);
        await transaction.get("SELECT pg_sleep(0.2)::text AS slept");
      }),
    );
    const reading = busy(() => database.get("SELECT count(*) AS count FROM kept"));
    const all = [single(), single(), slow(), reading(), reading()];
    try {
      await eventually("everybody is at work", () => acknowledged.length > 50);
      const doors = [next.port, pgbouncer.port];
      let knocks = 0;
      name.target = () => doors[(knocks += 1) % 2]!;
      // With the image's own signal, SIGINT.
      await pgbouncer.stop();
      const done = acknowledged.length;
      await eventually("the new one does the work", () => acknowledged.length > done + 100);
      assert.ok(knocks > 0, "nobody came back");
    } finally {
      stop = true;
      await Promise.all(all);
      await Promise.all([database.close(), next.remove(), pgbouncer.start()]);
      await name.close();
    }
    assert.deepEqual(errors.map(String), []);
    const stored = new Set((await owner.all<{ id: number }>("SELECT id FROM kept")).map((row) => row.id));
    assert.deepEqual(
      acknowledged.filter((mine) => !stored.has(mine)),
      [],
    );
    assert.equal(stored.size, acknowledged.length, "and what was not acknowledged did not happen");
    await owner.run("DROP TABLE kept");
    await owner.close();
  });
});
