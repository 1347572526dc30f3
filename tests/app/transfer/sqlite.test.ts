import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { migrate } from "../../../app/src/db/migrate";
import { parseAddress } from "../../../app/src/transfer/address";
import { CARRIED_TABLES } from "../../../app/src/transfer/tables";
import { fillTables } from "../../support/transfer-rows";
import { inDirectory, MIGRATIONS } from "../db/support";
import { everything, failingAt, onDatabase, run, withSource } from "./support";

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

  it("--restart deletes no rows of an app that was started on an unfinished copy", () =>
    withSource(async (files) => {
      await assert.rejects(run(files, {}, failingAt(30, { steps: 0 })), /crash at/);
      const insert = "INSERT INTO quota_usage (company_id, resource, used) SELECT id, 'exams', 1 FROM companies LIMIT 1";
      await onDatabase(files.to, (target) => target.run(insert));
      const before = await everything(files.to);
      await assert.rejects(run(files, { restart: true }), { name: "TransferError", message: /has rows already: quota_usage \(4\)/ });
      assert.deepEqual(await everything(files.to), before);
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
