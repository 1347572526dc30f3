import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DatabaseMovedError } from "../../app/src/db/database";
import { migrate } from "../../app/src/db/migrate";
import { SqliteDatabase } from "../../app/src/db/sqlite";
import { moveToPostgres, moveToSqlite } from "../../app/src/transfer/move";
import { runOpen } from "../../app/src/transfer/open-command";
import { inDirectory, MIGRATIONS } from "../app/db/support";
import { openPostgres, POSTGRES_MIGRATIONS } from "../support/database";
import { type PostgresGroup, startPostgres } from "../support/services/postgres";
import { fillTables } from "../support/transfer-rows";

const RENAME = "UPDATE companies SET name = 'Renamed' WHERE id LIKE 'c%'";

describe("F1 A10 rows move between a running SQLite and a running Postgres", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.remove());

  /** A filled file that an app has open. */
  function withApp(work: (app: SqliteDatabase, file: string, directory: string) => Promise<void>): Promise<void> {
    return inDirectory(async (directory) => {
      const file = path.join(directory, "app.db");
      const app = await SqliteDatabase.open({ file, lockWaitMs: 50 });
      await migrate(app, MIGRATIONS);
      await fillTables(app, 3, 200);
      try {
        await work(app, file, directory);
      } finally {
        await app.close();
      }
    });
  }

  it("to Postgres: the app is refused its writes and reads on; stopped it writes on, and the next move has what it wrote", () =>
    withApp(async (app, file) => {
      const { url } = await postgres.createDatabase();
      const stopped = new AbortController();
      const duringFirst: string[] = [];
      const first = moveToPostgres(file, url, {
        signal: stopped.signal,
        onProgress: ({ table }) => {
          if (table !== "orders" || stopped.signal.aborted) return;
          duringFirst.push(table);
          stopped.abort();
        },
      });
      await assert.rejects(first, { name: "TransferStopped" });
      assert.deepEqual(duringFirst, ["orders"]);
      assert.equal(await app.run(RENAME), 3);

      const during: Promise<unknown>[] = [];
      const result = await moveToPostgres(file, url, {
        onProgress: () => {
          if (during.length > 0) return;
          during.push(assert.rejects(app.run(RENAME), { name: /^Database(?:Busy|Moved)Error$/ }), app.all("SELECT id FROM companies"));
        },
      });
      await Promise.all(during);
      assert.ok(during.length > 0);
      assert.equal(result?.outcome, "complete");
      assert.equal(result.resumed, false, "what the stopped move had copied may be out of date");
      await assert.rejects(app.run(RENAME), DatabaseMovedError);
      const moved = await openPostgres(url);
      assert.deepEqual(await moved.all("SELECT DISTINCT name FROM companies"), [{ name: "Renamed" }]);
      assert.deepEqual(await moved.all("SELECT count(*) AS count FROM orders"), [{ count: 600 }]);
      await moved.close();
      assert.equal((await moveToPostgres(file, url, {}))?.outcome, "already", "begun again after its end it has nothing to do");
      // A later version of the app, whose migrations the sealed file never gets: here, one that forgot the newest.
      const raw = new DatabaseSync(file);
      raw.exec("DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)");
      raw.close();
      assert.equal((await moveToPostgres(file, url, {}))?.outcome, "already", "also by a version with other migrations");
    }));

  it("to Postgres: nothing to move without a file; refused when both sides have rows, and the file stays writable", () =>
    withApp(async (app, file, directory) => {
      const { url } = await postgres.createDatabase();
      assert.equal(await moveToPostgres(path.join(directory, "none.db"), url, {}), undefined);
      const target = await openPostgres(url);
      await migrate(target, POSTGRES_MIGRATIONS);
      await fillTables(target, 1, 1);
      await target.close();
      await assert.rejects(moveToPostgres(file, url, {}), { message: / has rows already: companies \(1\)/, hint: /moveData false/ });
      assert.equal(await app.run(RENAME), 3);
    }));

  it("back from a move that was not finished: the file goes on, and nothing of the half that Postgres has is put in its place", () =>
    withApp(async (app, file, directory) => {
      const { url } = await postgres.createDatabase();
      assert.equal(await moveToSqlite(url, file, {}), undefined, "Postgres has no tables yet");
      const stopped = new AbortController();
      const onProgress = ({ table }: { readonly table: string }): void => {
        if (table === "orders") stopped.abort();
      };
      await assert.rejects(moveToPostgres(file, url, { signal: stopped.signal, onProgress }), { name: "TransferStopped" });
      assert.equal(await moveToSqlite(url, file, {}), undefined);
      assert.deepEqual(
        readdirSync(directory).filter((name) => !/^app\.db(?:-wal|-shm)?$/.test(name)),
        [],
      );
      assert.equal(await app.run(RENAME), 3);
      // An app was started on that half: what it wrote is not deleted by the next move.
      const other = await openPostgres(url);
      await other.run("INSERT INTO quota_usage (company_id, resource, used) SELECT id, 'exams', 1 FROM companies LIMIT 1");
      await assert.rejects(moveToPostgres(file, url, {}), { message: / has rows already: quota_usage \(4\)/, hint: /moveData false/ });
      assert.deepEqual(await other.all("SELECT count(*) AS count FROM quota_usage"), [{ count: 4 }]);
      await other.close();
    }));

  it("back while an instance from before still has the file open, and Postgres was written: refused with what to do, and nothing is lost", () =>
    withApp(async (app, file, directory) => {
      const { url } = await postgres.createDatabase();
      await moveToPostgres(file, url, {});
      const other = await openPostgres(url);
      assert.equal(await other.run(RENAME), 3);
      await other.close();
      await assert.rejects(moveToSqlite(url, file, {}), { message: /cannot be put aside/, hint: /docker stop/ });
      assert.deepEqual(
        readdirSync(directory).filter((name) => name.includes("before")),
        [],
      );
      assert.equal(app.hasMoved(), true);
      await app.close();
      const back = await moveToSqlite(url, file, {});
      assert.equal(back?.result.outcome, "complete");
      await back.source.close();
    }));

  it("back when nothing was written to Postgres: the seal is taken off the file, and the instance that has it open writes again", () =>
    withApp(async (app, file, directory) => {
      const urls = await postgres.createDatabase();
      await moveToPostgres(file, urls.url, {});
      const onPostgres = await openPostgres(urls.appUrl, { lockWaitMs: 200 });
      const back = await moveToSqlite(urls.url, file, {});
      assert.deepEqual([back?.result.outcome, back?.kept, (back?.result.rows ?? 0) > 1200], ["already", undefined, true]);
      assert.equal(await app.run(RENAME), 3);
      assert.deepEqual(
        readdirSync(directory).filter((name) => !/^app\.db(?:-wal|-shm)?$/.test(name)),
        [],
      );
      // Held until it is gone, as after a copy.
      const write = onPostgres.transaction((transaction) => transaction.run(RENAME), { lock: "company" });
      await assert.rejects(write, { name: "DatabaseBusyError" });
      await back?.source.close();
      // Begun again, when both may have been written.
      await assert.rejects(moveToSqlite(urls.url, file, {}), /were copied back at .*, and both/);
      await onPostgres.close();
    }));

  it("taken back by hand: only when Postgres has the same rows, which it then has no more; the next move takes along what was written since", () =>
    withApp(async (app, file) => {
      const urls = await postgres.createDatabase();
      const said: string[] = [];
      const output = { stdout: { write: (text: string) => said.push(text) }, stderr: { write: () => true } };
      const open = (): Promise<void> => runOpen({ open: file, postgres: urls.url, giveUp: false }, output, new AbortController().signal);
      await assert.rejects(open(), /no rows of .* were ever moved to /);
      await moveToPostgres(file, urls.url, {});
      const onPostgres = await openPostgres(urls.appUrl);
      for (const [change, undo, what] of [
        ["UPDATE companies SET name = name || '+'", "UPDATE companies SET name = rtrim(name, '+')", /companies \(other values in 3 rows\)/],
        ["UPDATE quota_usage SET used = used + 1", "UPDATE quota_usage SET used = used - 1", /quota_usage \(other values in \d+ rows\)/],
      ] as const) {
        await onPostgres.run(change);
        await assert.rejects(open(), { message: what, hint: /--give-up-postgres/ });
        assert.equal(app.hasMoved(), true, change);
        await onPostgres.run(undo);
      }
      await open();
      assert.match(said.join(""), /is open: the app writes to it again; Postgres had the same [\d,]+ rows, and they were deleted there/);
      assert.equal(await app.run(RENAME), 3);
      assert.deepEqual(await onPostgres.all("SELECT id FROM companies"), [], "whoever still runs on Postgres has nobody to write for");
      assert.equal(await moveToSqlite(urls.url, file, {}), undefined, "the way back has nothing to do");
      await assert.rejects(open(), { message: /companies \(0 rows against 3\).* is not sealed/ });

      const again = await moveToPostgres(file, urls.url, {});
      assert.equal(again?.outcome, "complete");
      assert.deepEqual(await onPostgres.all("SELECT DISTINCT name FROM companies"), [{ name: "Renamed" }]);
      await assert.rejects(app.run(RENAME), DatabaseMovedError);
      await onPostgres.close();
    }));

  it("a file that was opened without asking Postgres is never mixed with what Postgres has", () =>
    withApp(async (app, file) => {
      const { url } = await postgres.createDatabase();
      await moveToPostgres(file, url, {});
      await runOpen({ open: file, postgres: undefined, giveUp: true }, process, new AbortController().signal);
      assert.equal(await app.run(RENAME), 3);
      await assert.rejects(moveToPostgres(file, url, {}), { message: / has rows already: /, hint: /moveData false/ });
      await assert.rejects(moveToSqlite(url, file, {}), /were copied back at .*, and both/);
      assert.equal(await app.run(RENAME), 3);
    }));

  it("and back: the app on Postgres reads on and is refused its writes until Postgres is left; the former file is kept", () =>
    withApp(async (app, file, directory) => {
      const urls = await postgres.createDatabase();
      await moveToPostgres(file, urls.url, {});
      await app.close();
      const onPostgres = await openPostgres(urls.appUrl, { lockWaitMs: 200 });
      assert.equal(await onPostgres.run("UPDATE companies SET name = 'On Postgres' WHERE id LIKE 'c%'"), 3);
      const back = await moveToSqlite(urls.url, file, {});
      assert.equal(back?.result.outcome, "complete");
      assert.match(path.basename(back.kept ?? ""), /^app\.db\.before-20/);
      assert.deepEqual(
        readdirSync(directory).filter((name) => !name.startsWith("app.db.before-")),
        ["app.db"],
      );
      const write = onPostgres.transaction((transaction) => transaction.run("UPDATE companies SET name = 'Late'"), { lock: "company" });
      await assert.rejects(write, { name: "DatabaseBusyError" });
      assert.equal((await onPostgres.all("SELECT id FROM companies")).length, 3);
      const onSqlite = await SqliteDatabase.open({ file });
      assert.equal(onSqlite.hasMoved(), false);
      assert.equal(await onSqlite.run("UPDATE companies SET name = 'Home' WHERE name = 'On Postgres'"), 3);
      await onSqlite.close();
      await back.source.close();
      // Begun again: Postgres may have been written since, also one that is away at this moment; it must not be guessed which side counts.
      await assert.rejects(moveToSqlite(urls.url, file, {}), /were copied back at .*, and both/);
      await assert.rejects(moveToSqlite("postgres://owner:x@127.0.0.1:1/app", file, {}), {
        message: /cannot be used/,
        hint: /moveData false/,
      });
      assert.equal(await moveToSqlite("postgres://owner:x@postgres-proxy.invalid:5432/app", file, {}), undefined, "Postgres is gone: done");
      await onPostgres.close();
    }));
});
