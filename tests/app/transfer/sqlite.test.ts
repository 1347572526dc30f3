import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { migrate, type Migration } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { parseAddress } from "../../../app/src/transfer/address";
import { SqliteReader, SqliteWriter } from "../../../app/src/transfer/sqlite-store";
import type { TableState, Writer } from "../../../app/src/transfer/store";
import { CARRIED_TABLES } from "../../../app/src/transfer/tables";
import { transfer, type TransferOptions, type TransferResult } from "../../../app/src/transfer/transfer";
import { fillTables } from "../../support/transfer-rows";
import { inDirectory, MIGRATIONS } from "../db/support";

interface Files {
  readonly from: string;
  readonly to: string;
}

/** A filled source, and a place for a target. */
function withSource(work: (files: Files) => Promise<void>, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  return inDirectory(async (directory) => {
    const files = { from: path.join(directory, "from.db"), to: path.join(directory, "to.db") };
    await onDatabase(files.from, async (database) => {
      await migrate(database, migrations);
      if (migrations === MIGRATIONS) await fillTables(database);
    });
    await work(files);
  });
}

async function onDatabase<Result>(file: string, work: (database: SqliteDatabase) => Promise<Result>): Promise<Result> {
  const database = await SqliteDatabase.open({ file });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** One run, as a process would do it. */
async function run(
  { from, to }: Files,
  options: TransferOptions = {},
  change: (writer: Writer) => Writer = (writer) => writer,
): Promise<TransferResult> {
  const source = new SqliteReader(from);
  try {
    const target = new SqliteWriter(to, options.dryRun);
    try {
      return await transfer(source, change(target), options);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Fails, as a crash would, at the n-th change of the target. */
function failingAt(step: number, counter: { steps: number }): (writer: Writer) => Writer {
  return (writer) =>
    new Proxy(writer, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          if (["migrate", "begin", "write", "setCounter", "complete"].includes(String(name))) {
            counter.steps += 1;
            if (counter.steps === step) throw new Error(`crash at ${String(name)}`);
          }
          return (value as (...given: unknown[]) => unknown).apply(target, args);
        };
      },
    });
}

const everything = (file: string): Promise<Record<string, unknown[]>> =>
  onDatabase(file, async (database) => {
    const tables: Record<string, unknown[]> = {};
    for (const table of CARRIED_TABLES) tables[table] = await database.all(`SELECT * FROM ${table}`);
    return tables;
  });

describe("F1 A10 a transfer between two databases", () => {
  it("carries every row of every table, goes on counting, raises the fence, and leaves leases and the source alone", () =>
    withSource(async (files) => {
      const before = await everything(files.from);
      for (const table of CARRIED_TABLES) assert.ok((before[table] ?? []).length > 0, `the test has no row of ${table}`);
      const result = await run(files);
      assert.equal(result.outcome, "complete");
      assert.equal(result.resumed, false);
      assert.deepEqual(await everything(files.to), before);
      assert.deepEqual(await everything(files.from), before);
      assert.equal(
        result.rows,
        Object.values(before).reduce((sum, rows) => sum + rows.length, 0),
      );
      await onDatabase(files.to, async (target) => {
        const { seq } = (await target.get<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'event_outbox'")) ?? {};
        assert.equal(seq, 6, "the last position was given, although its row is gone");
        assert.equal((await target.get<{ epoch: number }>("SELECT epoch FROM redis_fence"))?.epoch, 8);
        assert.deepEqual(await target.all("SELECT name FROM leases"), []);
      });
    }));

  it("interrupted at any step it goes on with the next run, and carries nothing twice", () =>
    withSource(async (files) => {
      const before = await everything(files.from);
      const counter = { steps: 0 };
      let runs = 0;
      for (let result: TransferResult | undefined; result === undefined;) {
        runs += 1;
        counter.steps = 0;
        try {
          // First before anything is there, then after one or two batches more than the run before.
          result = await run(files, {}, failingAt(runs < 3 ? runs : 4 + (runs % 2), counter));
        } catch (error) {
          assert.match((error as Error).message, /^crash at/);
          assert.ok(runs < 500);
        }
      }
      assert.ok(runs > CARRIED_TABLES.length / 2, `${runs} runs`);
      assert.deepEqual(await everything(files.to), before);
      assert.deepEqual(await everything(files.from), before);
    }));

  it("run again when it is done does nothing, and says so", () =>
    withSource(async (files) => {
      const first = await run(files);
      const second = await run(files);
      assert.equal(second.outcome, "already");
      assert.equal(second.rows, first.rows);
      assert.deepEqual(second.tables, first.tables);
    }));

  it("a dry run counts and makes nothing, not even the file", () =>
    withSource(async (files) => {
      const { outcome, rows } = await run(files, { dryRun: true });
      assert.equal(outcome, "dry-run");
      assert.ok(rows > 100);
      assert.equal(existsSync(files.to), false);
    }));

  it("refuses a target with rows, and says which tables have them", () =>
    withSource(async (files) => {
      await onDatabase(files.to, async (target) => {
        await migrate(target, MIGRATIONS);
        await fillTables(target, 1, 2);
      });
      await assert.rejects(run(files), {
        name: "TransferError",
        message: /has rows already: companies \(1\), users \(2\), .*orders \(2\)/,
      });
      await assert.rejects(run(files, { restart: true }), /has rows already/, "--restart deletes nobody else's rows");
    }));

  it("refuses other migrations: a source that is behind, and a database that is ahead", async () => {
    await withSource(
      (files) =>
        assert.rejects(run(files), {
          message: new RegExp(`^the source .*from\\.db lacks ${MIGRATIONS.at(-1)?.name ?? ""}$`),
          hint: /node main\.js migrate/,
        }),
      MIGRATIONS.slice(0, -1),
    );
    const ahead = { version: MIGRATIONS.length + 1, name: "0099_new.sql", sql: "SELECT 1", checksum: "x" };
    await withSource(
      (files) => assert.rejects(run(files), /the source .* has migration 0099_new\.sql, which this version/),
      [...MIGRATIONS, ahead],
    );
  });

  it("refuses tables that nobody decided about, unless they are to stay behind", () =>
    withSource(async (files) => {
      await onDatabase(files.from, (source) => source.transaction((transaction) => transaction.script("CREATE TABLE mine (id TEXT)")));
      await assert.rejects(run(files), { message: /are not the app's and would stay behind: mine$/, hint: /--leave mine/ });
      assert.equal((await run(files, { leave: ["mine"] })).outcome, "complete");
    }));

  it("A17 refuses a source that is one of several databases, until every company is in the first one", () =>
    withSource(async (files) => {
      const change = (sql: string) => onDatabase(files.from, (source) => source.transaction((transaction) => transaction.script(sql)));
      const refused = {
        message: `the source sqlite:${files.from} is one of several databases (DATABASE_SHARDS), and companies are in "s2" too, while a transfer carries one`,
        hint: /^Move every company to "first" with "node main.js move-company" first/,
      };
      await change("INSERT INTO shard_name (id, name) VALUES (1, 's2')");
      await assert.rejects(run(files), refused, "one of the others, without the directory");
      await change("UPDATE shard_name SET name = 'first'");
      // More than are read at once.
      await change(`WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 5001)
        INSERT INTO company_shards (company_id, shard) SELECT printf('c%05d', n), 'first' FROM number`);
      await change("UPDATE company_shards SET shard = 's2' WHERE company_id = 'c05001'");
      for (const dryRun of [true, false]) await assert.rejects(run(files, { dryRun }), refused);
      await change("UPDATE company_shards SET shard = 'first'");
      assert.equal((await run(files)).outcome, "complete");
    }));

  it("a source that changed while the transfer was interrupted is noticed, and --restart copies it anew", () =>
    withSource(async (files) => {
      await assert.rejects(run(files, {}, failingAt(30, { steps: 0 })), /crash at/);
      await onDatabase(files.from, (source) => source.run("UPDATE companies SET name = 'Renamed' WHERE id LIKE '%0'"));
      await assert.rejects(run(files), { message: /^the two sides differ: companies \(other values in 3 rows\)$/, hint: /--restart/ });
      const result = await run(files, { restart: true });
      assert.deepEqual([result.outcome, result.resumed], ["complete", false]);
      assert.deepEqual(await everything(files.to), await everything(files.from));
    }));

  it("--restart deletes no rows of an app that was started on an unfinished copy", () =>
    withSource(async (files) => {
      await assert.rejects(run(files, {}, failingAt(30, { steps: 0 })), /crash at/);
      const insert = "INSERT INTO quota_usage (company_id, resource, used) SELECT id, 'exams', 1 FROM companies LIMIT 1";
      await onDatabase(files.to, (target) => target.run(insert));
      const before = await everything(files.to);
      await assert.rejects(run(files, { restart: true }), { name: "TransferError", message: /has rows already: quota_usage \(4\)/ });
      assert.deepEqual(await everything(files.to), before);
    }));

  it("an older run ends as soon as a newer one took over", () =>
    withSource(async (files) => {
      const later: { run?: Promise<TransferResult> } = {};
      const overtaken = (writer: Writer): Writer =>
        new Proxy(writer, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name);
            if (typeof value !== "function") return value;
            return async (...args: unknown[]): Promise<unknown> => {
              if (name === "write" && (args[2] as TableState).table === "orders") await (later.run ??= run(files));
              return await (value as (...given: unknown[]) => Promise<unknown>).apply(target, args);
            };
          },
        });
      await assert.rejects(run(files, {}, overtaken), /another run of this transfer began meanwhile/);
      assert.equal((await later.run)?.outcome, "complete");
      assert.deepEqual(await everything(files.to), await everything(files.from));
    }));
});

describe("F1 addresses of a transfer", () => {
  it("a path, sqlite:PATH, postgres://, and a file that holds one", () =>
    inDirectory((directory) => {
      const file = path.join(directory, "to.txt");
      writeFileSync(file, "postgres://owner:secret@db.example:5433/app\n");
      assert.deepEqual(parseAddress("--from", "sqlite:/data/app.db"), { kind: "sqlite", file: "/data/app.db" });
      assert.deepEqual(parseAddress("--from", "app.db"), { kind: "sqlite", file: path.resolve("app.db") });
      const url = "postgres://owner:secret@db.example:5433/app";
      assert.deepEqual(parseAddress("--to", `file:${file}`, undefined), { kind: "postgres", url, authorities: undefined });
      return Promise.resolve();
    }));

  it("RDS has to prove who it is, without being told", () => {
    const address = parseAddress("--to", "postgres://owner@x.abc.eu-west-1.rds.amazonaws.com:5432/app", undefined);
    assert.deepEqual(address, {
      kind: "postgres",
      url: "postgres://owner@x.abc.eu-west-1.rds.amazonaws.com:5432/app?sslmode=verify-full",
      authorities: "rds",
    });
  });

  it("one sentence for what is no address, without its password", () => {
    const bad: readonly (readonly [string, RegExp])[] = [
      ["mysql://me:secret@host/db", /^--to is "mysql:\/\/…@host\/db"; allowed: sqlite:PATH/],
      ["", /^--to is ""; allowed/],
      ["postgres://host", /^--to is no usable address; allowed: postgres:\/\/user/],
      ["file:/nowhere/at/all", /^--to: cannot read \/nowhere\/at\/all \(ENOENT\)$/],
      ["postgres://a@b/c?sslmode=prefer", /^--to: sslmode "prefer" is not allowed/],
    ];
    for (const [text, message] of bad) assert.throws(() => parseAddress("--to", text, undefined), { name: "TransferError", message });
  });
});
