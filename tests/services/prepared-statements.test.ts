import assert from "node:assert/strict";
import { openPostgres } from "../support/database";
import { describeDatabaseContract } from "../app/db/database-contract";
import { StatementNames, type StatementNamesOptions } from "../../app/src/db/statement-names";
import type { PostgresDatabase } from "../../app/src/db/postgres";
import { eventually } from "../support/services/container";
import { startPgbouncer, type PgbouncerService } from "../support/services/pgbouncer";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";

const COUNT = "SELECT count(*) AS count FROM pg_prepared_statements";
const EVERYTHING = "SELECT * FROM things WHERE id = ?";
const RENAME = "UPDATE things SET name = ? WHERE id = ? RETURNING *";

describe("C1 prepared statements", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let pgbouncer: PgbouncerService;
  const opened: PostgresDatabase[] = [];
  before(async () => {
    postgres = await startPostgres();
    pgbouncer = await startPgbouncer(postgres, { poolSize: 2 });
  });
  beforeEach(() => postgres.admin("DROP TABLE IF EXISTS things"));
  afterEach(() => Promise.all(opened.splice(0).map((database) => database.close())));
  after(async () => {
    await pgbouncer.remove();
    await postgres.remove();
  });

  async function open(
    url: string,
    options: StatementNamesOptions = {},
    max = 2,
  ): Promise<{ database: PostgresDatabase; names: StatementNames }> {
    const names = new StatementNames({ uses: 1, ...options });
    const database = await openPostgres(url, { pool: { max, names } });
    opened.push(database);
    return { database, names };
  }

  async function withThings(url: string, options?: StatementNamesOptions, max?: number): ReturnType<typeof open> {
    const made = await open(url, options, max);
    await made.database.run("CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL)");
    await made.database.run("INSERT INTO things (id, name) VALUES (1, 'one'), (2, 'two')");
    return made;
  }

  for (const way of ["directly", "through PgBouncer"] as const) {
    const url = (): string => (way === "directly" ? postgres.url : pgbouncer.ownerUrl);

    describeDatabaseContract(`Postgres ${way}, every statement prepared from its first use`, async () => {
      const { database } = await open(url(), {}, 10);
      return {
        database,
        close: async () => {
          await postgres.admin("DROP TABLE IF EXISTS items, parents CASCADE");
        },
      };
    });

    describe(way, () => {
      it("what is used often is prepared on the server, and found there again; what is not is parsed each time", async () => {
        const { database } = await withThings(url(), { uses: 3 }, 1);
        const kept = () =>
          database.all<{ statement: string; uses: number }>(
            `SELECT statement, generic_plans + custom_plans AS uses FROM pg_prepared_statements WHERE statement LIKE 'SELECT name FROM things %'`,
          );
        for (let use = 0; use < 2; use++) await database.get("SELECT name FROM things WHERE id = ?", [1]);
        assert.deepEqual(await kept(), []);
        for (let use = 0; use < 8; use++) {
          assert.deepEqual(await database.get("SELECT name FROM things WHERE id = ?", [2]), { name: "two" });
        }
        assert.deepEqual(await kept(), [{ statement: "SELECT name FROM things WHERE id = $1", uses: 8 }]);
      });

      it("a migration adds a column while the app runs: reads, writes and transactions go on, and are prepared again", async () => {
        const { database, names } = await withThings(url());
        const errors: unknown[] = [];
        let [stop, done] = [false, 0];
        const busy = async (work: () => Promise<unknown>): Promise<void> => {
          while (!stop) {
            await work().then(
              () => (done += 1),
              (error: unknown) => errors.push(error),
            );
          }
        };
        const all = [
          busy(() => database.get(EVERYTHING, [1])),
          busy(() => database.run(RENAME, ["uno", 1])),
          busy(() =>
            database.transaction(async (transaction) => {
              assert.equal((await transaction.get<{ id: number }>(EVERYTHING, [2]))?.id, 2);
              await transaction.run(RENAME, ["due", 2]);
            }),
          ),
        ];
        const going = async (): Promise<void> => {
          const before = done;
          await eventually("all go on", () => done > before + 60);
        };
        try {
          await going();
          const given = names.given;
          await postgres.admin("ALTER TABLE things ADD COLUMN size BIGINT NOT NULL DEFAULT 7");
          await going();
          assert.ok(names.given > given, "no statement was refused: the test tests nothing");
          await postgres.admin("ALTER TABLE things DROP COLUMN size, ADD COLUMN weight TEXT NOT NULL DEFAULT 'light'");
          await going();
        } finally {
          stop = true;
          await Promise.all(all);
        }
        assert.deepEqual(errors.map(String), []);
        assert.deepEqual(await database.get(EVERYTHING, [1]), { id: 1, name: "uno", weight: "light" });
        // Two statements, renewed once for each of two changes on connections that had met them, whoever else had: no name for each failure.
        assert.ok(names.given <= 20, `${names.given} names`);
      });

      it("each of a transaction's statements is of no use: it is run again once, and does once what it does", async () => {
        const { database } = await withThings(url(), {}, 1);
        const work = () =>
          database.transaction(async (transaction) => {
            runs += 1;
            await transaction.get(EVERYTHING, [1]);
            await transaction.run(RENAME, ["x", 1]);
            await transaction.run("INSERT INTO things (id, name) VALUES (?, ?) RETURNING *", [10 + runs, "new"]);
          });
        let runs = 0;
        await work();
        await postgres.admin("ALTER TABLE things ADD COLUMN size BIGINT");
        await work();
        assert.equal(runs, 3);
        assert.deepEqual(await database.all("SELECT id FROM things WHERE id > 2 ORDER BY id"), [{ id: 11 }, { id: 13 }]);
      });

      it("a statement that fails, also when it is parsed, is as good as before once its reason is gone", async () => {
        const { database } = await open(url());
        for (let time = 0; time < 3; time++) await assert.rejects(database.get(EVERYTHING, [1]), /"things" does not exist/);
        await database.run("CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT NOT NULL)");
        const insert = "INSERT INTO things (id, name) VALUES (?, ?)";
        await database.run(insert, [1, "one"]);
        for (let time = 0; time < 3; time++) await assert.rejects(database.run(insert, [1, "one"]), /unique constraint/);
        await database.run(insert, [2, "two"]);
        assert.deepEqual(await database.get(EVERYTHING, [2]), { id: 2, name: "two" });
      });

      it("no more than the cap of them, however many texts there are", async () => {
        const limits: string[] = [];
        const { database, names } = await withThings(url(), { most: 20, onLimit: (why) => limits.push(why) }, 1);
        const before = (await database.get<{ count: number }>(COUNT))?.count ?? 0;
        for (let length = 1; length <= 60; length++) {
          const ids = Array.from({ length }, (_, index) => index);
          const rows = await database.all(`SELECT id FROM things WHERE id IN (${ids.map(() => "?").join(", ")})`, ids);
          assert.equal(rows.length, Math.min(2, length - 1));
        }
        assert.equal(names.given, 20);
        assert.equal(limits.length, 1);
        const after = (await database.get<{ count: number }>(COUNT))?.count ?? 0;
        assert.ok(after >= 15 && after - before <= 20, `${before} before, ${after} after`);
      });
    });
  }

  it("PgBouncer is restarted, and loses its server: clients that had prepared statements have them again", async () => {
    const { database } = await withThings(pgbouncer.ownerUrl);
    const read = () => Promise.all(Array.from({ length: 8 }, () => database.get("SELECT name FROM things WHERE id = ?", [2])));
    const expected = Array(8).fill({ name: "two" });
    assert.deepEqual(await read(), expected);
    // The server's connections end, the clients' stay: what they think prepared is so nowhere.
    await postgres.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'owner'");
    assert.deepEqual(await read(), expected);
    await pgbouncer.kill();
    await pgbouncer.start();
    assert.deepEqual(await read(), expected);
    const write = (id: number) =>
      database.transaction((transaction) => transaction.run("INSERT INTO things (id, name) VALUES (?, 'x')", [id]));
    await write(3);
    await pgbouncer.command("RECONNECT");
    await write(4);
    assert.deepEqual(await database.get("SELECT count(*) AS count FROM things"), { count: 4 });
  });

  it("somebody in between took them away: nothing fails, and after ten times nothing is prepared any more", async () => {
    const limits: string[] = [];
    const { database } = await withThings(postgres.url, { onLimit: (why) => limits.push(why) }, 1);
    const read = () => database.get("SELECT name FROM things WHERE id = ?", [2]);
    const write = (id: number) =>
      database.transaction((transaction) => transaction.run("INSERT INTO things (id, name) VALUES (?, 'x')", [id]));
    for (let time = 0; time < 12; time++) {
      await read();
      await write(10 + 2 * time);
      await database.run("DEALLOCATE ALL");
      if (time % 2 === 0) assert.deepEqual(await read(), { name: "two" });
      else await write(11 + 2 * time);
    }
    assert.deepEqual(await database.get("SELECT count(*) AS count FROM things"), { count: 2 + 12 + 6 });
    assert.equal(limits.length, 1, limits.join("; "));
    assert.match(limits[0] ?? "", /max_prepared_statements/);
    assert.deepEqual(await database.get(COUNT), { count: 0 });
  });
});
