import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DatabaseMovedError } from "../../app/src/db/database";
import { migrate } from "../../app/src/db/migrate";
import type { PostgresDatabase } from "../../app/src/db/postgres";
import { SqliteDatabase } from "../../app/src/db/sqlite";
import { moveToPostgres, moveToSqlite, openPostgres } from "../../app/src/transfer/move";
import { runOpen } from "../../app/src/transfer/open-command";
import { inDirectory, MIGRATIONS } from "../app/db/support";
import { openPostgres as openPostgresAs, POSTGRES_MIGRATIONS } from "../support/database";
import { type PostgresGroup, type PostgresUrls, rowsOf, startPostgres } from "../support/services/postgres";
import { fillTables } from "../support/transfer-rows";

const RENAME = "UPDATE companies SET name = 'Renamed' WHERE id LIKE 'c%'";

const MOVE = path.resolve("app/src/transfer/move.ts");

/** What every version of the app makes 503 with Retry-After of. */
const REFUSED = { name: "DatabaseBusyError" };

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

  /** A Postgres that an app writes to, and the file it came from. */
  function onPostgres(work: (app: PostgresDatabase, urls: PostgresUrls, file: string, directory: string) => Promise<void>): Promise<void> {
    return withApp(async (before, file, directory) => {
      const urls = await postgres.createDatabase();
      await moveToPostgres(file, urls.url, {});
      await before.close();
      const app = await openPostgresAs(urls.appUrl, { lockWaitMs: 200 });
      try {
        assert.equal(await app.run(RENAME), 3);
        await work(app, urls, file, directory);
      } finally {
        await app.close();
      }
    });
  }

  const namesIn = async (database: SqliteDatabase): Promise<unknown[]> =>
    (await database.all<{ name: string }>("SELECT DISTINCT name FROM companies")).map(({ name }) => name);

  /** Copies that are not in place. */
  const incomingBeside = (file: string): string[] => readdirSync(path.dirname(file)).filter((name) => name.includes(".incoming"));

  /** Ends every connection to a database, as a failover, a restart of the proxy or an operator does. */
  const cut = ({ url }: PostgresUrls): Promise<unknown> =>
    postgres.admin("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", [new URL(url).pathname.slice(1)]);

  /** Runs this once, when the copy is in its midst. */
  const amid = (work: () => Promise<unknown>) => {
    const results: Promise<unknown>[] = [];
    const onProgress = ({ table }: { readonly table: string }): void => {
      if (table === "orders" && results.length === 0) results.push(work());
    };
    return { onProgress, results };
  };

  /** The same in a process of its own, for which the copy stands still: it cannot come to its end first. */
  const amidInChild = (call: string, ...parameters: readonly string[]) => {
    const results: string[] = [];
    const onProgress = ({ table }: { readonly table: string }): void => {
      if (table !== "orders" || results.length > 0) return;
      const program = `require(${JSON.stringify(MOVE)}).${call}(...${JSON.stringify(parameters)}, {}).then((done) => console.log(JSON.stringify(done ?? null)))`;
      results.push(execFileSync(process.execPath, ["--import", "tsx", "--input-type=commonjs", "--eval", program], { encoding: "utf8" }));
    };
    return { onProgress, results };
  };

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
      const moved = await openPostgresAs(url);
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
      const target = await openPostgresAs(url);
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
      const other = await openPostgresAs(url);
      await other.run("INSERT INTO quota_usage (company_id, resource, used) SELECT id, 'exams', 1 FROM companies LIMIT 1");
      await assert.rejects(moveToPostgres(file, url, {}), { message: / has rows already: quota_usage \(4\)/, hint: /moveData false/ });
      assert.deepEqual(await other.all("SELECT count(*) AS count FROM quota_usage"), [{ count: 4 }]);
      await other.close();
    }));

  it("back while an instance from before still has the file open, and Postgres was written: refused with what to do, and nothing is lost", () =>
    withApp(async (app, file, directory) => {
      const { url } = await postgres.createDatabase();
      await moveToPostgres(file, url, {});
      const other = await openPostgresAs(url);
      assert.equal(await other.run(RENAME), 3);
      await other.close();
      await assert.rejects(moveToSqlite(url, file, {}), { message: /cannot be put aside/, hint: /docker stop/ });
      assert.deepEqual(
        readdirSync(directory).filter((name) => name.includes("before")),
        [],
      );
      assert.equal(app.hasMoved(), true);
      const writer = await openPostgresAs(url);
      assert.equal(await writer.run(RENAME), 3, "the copy is not in use, so Postgres still is");
      await writer.close();
      await app.close();
      assert.equal((await moveToSqlite(url, file, {}))?.result.outcome, "complete");
      const onSqlite = await SqliteDatabase.open({ file });
      assert.deepEqual(await namesIn(onSqlite), ["Renamed"]);
      await onSqlite.close();
    }));

  it("back when nothing was written to Postgres: the seal is taken off the file, and the instance that has it open writes again", () =>
    withApp(async (app, file, directory) => {
      const urls = await postgres.createDatabase();
      await moveToPostgres(file, urls.url, {});
      const other = await openPostgresAs(urls.appUrl, { lockWaitMs: 200 });
      const back = await moveToSqlite(urls.url, file, {});
      assert.deepEqual([back?.result.outcome, back?.kept, (back?.result.rows ?? 0) > 1200], ["already", undefined, true]);
      assert.equal(await app.run(RENAME), 3);
      assert.deepEqual(
        readdirSync(directory).filter((name) => !/^app\.db(?:-wal|-shm)?$/.test(name)),
        [],
      );
      await assert.rejects(other.run(RENAME), REFUSED, "sealed, as after a copy");
      assert.equal(await moveToSqlite(urls.url, file, {}), undefined, "begun again it has nothing to do");
      await assert.rejects(openPostgres(file, urls.url, "refuse"), /written after .*: companies/);
      assert.equal(await app.run(RENAME), 3);
      await other.close();
    }));

  it("taken back by hand: only when Postgres has the same rows, which it then has no more; the next move takes along what was written since", () =>
    withApp(async (app, file) => {
      const urls = await postgres.createDatabase();
      const said: string[] = [];
      const output = { stdout: { write: (text: string) => said.push(text) }, stderr: { write: () => true } };
      const open = (): Promise<void> => runOpen({ open: file, postgres: urls.url, giveUp: false }, output, new AbortController().signal);
      await assert.rejects(open(), /no rows of .* were ever moved to /);
      await moveToPostgres(file, urls.url, {});
      const other = await openPostgresAs(urls.appUrl);
      for (const [change, undo, what] of [
        ["UPDATE companies SET name = name || '+'", "UPDATE companies SET name = rtrim(name, '+')", /companies \(other values in 3 rows\)/],
        ["UPDATE quota_usage SET used = used + 1", "UPDATE quota_usage SET used = used - 1", /quota_usage \(other values in \d+ rows\)/],
      ] as const) {
        await other.run(change);
        await assert.rejects(open(), { message: what, hint: /--give-up-postgres/ });
        assert.equal(app.hasMoved(), true, change);
        await other.run(undo);
      }
      await open();
      assert.match(said.join(""), /is open: the app writes to it again; Postgres had the same [\d,]+ rows, and they were deleted there/);
      assert.equal(await app.run(RENAME), 3);
      assert.deepEqual(await other.all("SELECT id FROM companies"), [], "whoever still runs on Postgres has nobody to write for");
      assert.equal(await moveToSqlite(urls.url, file, {}), undefined, "the way back has nothing to do");
      await assert.rejects(open(), { message: /companies \(0 rows against 3\).* is not sealed/ });

      const again = await moveToPostgres(file, urls.url, {});
      assert.equal(again?.outcome, "complete");
      assert.deepEqual(await other.all("SELECT DISTINCT name FROM companies"), [{ name: "Renamed" }]);
      await assert.rejects(app.run(RENAME), DatabaseMovedError);
      await other.close();
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

  it("and back: the app on Postgres reads on and is refused its writes; the former file is kept; done once it is done", () =>
    onPostgres(async (app, { url }, file, directory) => {
      const during = amid(() =>
        Promise.all([
          assert.rejects(
            app.transaction((t) => t.run(RENAME)),
            REFUSED,
          ),
          app.all("SELECT id FROM companies"),
        ]),
      );
      const back = await moveToSqlite(url, file, { onProgress: during.onProgress });
      await Promise.all(during.results);
      assert.equal(during.results.length, 1);
      assert.equal(back?.result.outcome, "complete");
      assert.match(path.basename(back.kept ?? ""), /^app\.db\.before-20/);
      assert.deepEqual(
        readdirSync(directory).filter((name) => !name.startsWith("app.db.before-")),
        ["app.db"],
      );
      const onSqlite = await SqliteDatabase.open({ file });
      assert.equal(onSqlite.hasMoved(), false);
      assert.equal(await onSqlite.run("UPDATE companies SET name = 'Home' WHERE name = 'Renamed'"), 3);
      assert.equal(await moveToSqlite(url, file, {}), undefined, "Postgres is as it was left: done, and the file goes on");
      assert.deepEqual(await namesIn(onSqlite), ["Home"]);
      await onSqlite.close();
      await assert.rejects(moveToSqlite("postgres://owner:x@127.0.0.1:1/app", file, {}), {
        message: /cannot be used/,
        hint: /moveData false/,
      });
      assert.equal(await moveToSqlite("postgres://owner:x@postgres-proxy.invalid:5432/app", file, {}), undefined, "Postgres is gone: done");
    }));

  it("and back: what refuses the writes is in Postgres, and outlasts every connection, the server and its start", () =>
    onPostgres(async (_, urls, file) => {
      assert.ok(await moveToSqlite(urls.url, file, {}));
      const tries = async (): Promise<void> => {
        const app = await openPostgresAs(urls.appUrl, { lockWaitMs: 20_000 });
        const start = performance.now();
        await assert.rejects(app.run("UPDATE companies SET name = 'Late'"), REFUSED);
        await assert.rejects(app.run("DELETE FROM orders WHERE id = 'none'"), REFUSED);
        await assert.rejects(
          app.transaction(
            (transaction) => transaction.run("INSERT INTO quota_usage (company_id, resource, used) VALUES ('c', 'late', 1)"),
            {
              lock: "company",
            },
          ),
          REFUSED,
        );
        assert.ok(performance.now() - start < 5000, "at once, not after a wait for a lock");
        await assert.rejects(rowsOf(urls.url, "TRUNCATE order_items"), { code: "55P03" });
        assert.deepEqual(await app.all("SELECT DISTINCT name FROM companies"), [{ name: "Renamed" }]);
        assert.equal(await app.run("UPDATE leases SET owner = 'none' WHERE name = 'none'"), 0, "what is not carried is not concerned");
        await app.close();
      };
      await tries();
      await cut(urls);
      await tries();
      await postgres.kill();
      await postgres.start();
      await tries();
    }));

  it("and back: writers that wait for the copy are refused when it is sealed, and none of them gets in between", () =>
    onPostgres(async (app, { url, appUrl }, file) => {
      const patient = await openPostgresAs(appUrl, { lockWaitMs: 60_000 });
      const waiting = amid(() =>
        Promise.all(
          Array.from({ length: 5 }, () =>
            assert.rejects(
              patient.transaction((t) => t.run("UPDATE companies SET name = 'Late'")),
              REFUSED,
            ),
          ),
        ),
      );
      assert.ok(await moveToSqlite(url, file, { onProgress: waiting.onProgress }));
      await Promise.all(waiting.results);
      assert.equal(waiting.results.length, 1);
      assert.deepEqual(await app.all("SELECT DISTINCT name FROM companies"), [{ name: "Renamed" }]);
      await patient.close();
    }));

  it("and back: a copy whose connection is lost fails, nothing is put in place, and the app writes on", () =>
    onPostgres(async (_, urls, file) => {
      // Whoever begins such a move ends the connections of others; what becomes of this one here is what becomes of it after a failover.
      const during = amidInChild("openPostgres", file, urls.url, "refuse");
      await assert.rejects(moveToSqlite(urls.url, file, { onProgress: during.onProgress }));
      assert.equal(during.results.length, 1);
      assert.deepEqual(incomingBeside(file), [], "it may have failed for want of room, which the app needs");
      const app = await openPostgresAs(urls.appUrl);
      assert.equal(await app.run(RENAME), 3);
      await app.close();
      const sealed = await SqliteDatabase.open({ file });
      assert.equal(sealed.hasMoved(), true, "the former file is where it was");
      await sealed.close();
      assert.equal((await moveToSqlite(urls.url, file, {}))?.result.outcome, "complete");
    }));

  it("and back: an attempt that fails removes its own copy alone, as a newer one may be filling another", () =>
    onPostgres(async (_, { url }, file) => {
      const stop = new AbortController();
      const onProgress = ({ table }: { readonly table: string }): void => {
        if (table !== "orders" || stop.signal.aborted) return;
        writeFileSync(`${file}.incoming-newer`, "rows");
        stop.abort();
      };
      await assert.rejects(moveToSqlite(url, file, { onProgress, signal: stop.signal }), { name: "TransferStopped" });
      assert.deepEqual(incomingBeside(file), [`${path.basename(file)}.incoming-newer`]);
    }));

  it("and back: a newer attempt ends an older one that runs still, before it seals anything", () =>
    onPostgres(async (app, { url }, file) => {
      const older = amidInChild("openPostgres", file, url, "refuse");
      await assert.rejects(moveToSqlite(url, file, { onProgress: older.onProgress }));
      assert.deepEqual(
        older.results.map((line) => JSON.parse(line) as unknown),
        [false],
      );
      assert.equal(await app.run(RENAME), 3, "given up by an update to phase database, it must not come to its end behind it");
      const newer = amidInChild("moveToSqlite", url, file);
      await assert.rejects(moveToSqlite(url, file, { onProgress: newer.onProgress }));
      const [back] = newer.results.map((line) => JSON.parse(line) as Awaited<ReturnType<typeof moveToSqlite>>);
      assert.equal(back?.result.outcome, "complete");
    }));

  it("given up: Postgres is written again and the file is sealed, as if it had been moved; the next way back has every row", () =>
    onPostgres(async (app, { url }, file, directory) => {
      assert.equal(await openPostgres(file, url, "refuse"), false, "it was not left");
      await moveToSqlite(url, file, {});
      assert.equal(await openPostgres(file, url, "refuse"), true);
      const copy = await SqliteDatabase.open({ file });
      assert.equal(copy.hasMoved(), true);
      await copy.close();
      assert.equal(await app.run("UPDATE companies SET name = 'On Postgres'"), 3);
      assert.equal((await moveToPostgres(file, url, {}))?.outcome, "already");
      assert.equal((await moveToSqlite(url, file, {}))?.result.outcome, "complete");
      await assert.rejects(app.run(RENAME), REFUSED, "sealed a second time");
      const onSqlite = await SqliteDatabase.open({ file });
      assert.deepEqual(await namesIn(onSqlite), ["On Postgres"]);
      await onSqlite.close();
      assert.equal(readdirSync(directory).filter((name) => name.startsWith("app.db.before-")).length, 2);
    }));

  it("given up after the file was written: refused with what to do, both stay as they are; or its rows are given up", () =>
    onPostgres(async (app, { url }, file) => {
      await moveToSqlite(url, file, {});
      const onSqlite = await SqliteDatabase.open({ file });
      assert.equal(await onSqlite.run("UPDATE companies SET name = 'On SQLite' WHERE id LIKE 'c%'"), 3);
      await assert.rejects(openPostgres(file, url, "refuse"), {
        message: /written after .*: companies \(other values in 3 rows\)$/,
        hint: /phase cluster.*moveData false/,
      });
      await assert.rejects(app.run(RENAME), REFUSED);
      assert.equal(await onSqlite.run("UPDATE companies SET name = 'On SQLite' WHERE id LIKE 'c%'"), 3);
      assert.equal(await moveToSqlite(url, file, {}), undefined, "the move can be finished");
      assert.equal(await openPostgres(file, url, "give up"), true);
      await assert.rejects(onSqlite.run(RENAME), DatabaseMovedError);
      await onSqlite.close();
      assert.equal(await app.run(RENAME), 3);
    }));

  it("given up before the copy was in place, with and without a former file: Postgres is written again", () =>
    onPostgres(async (app, { url }, file, directory) => {
      for (const other of [file, path.join(directory, "none.db")]) {
        await moveToSqlite(url, path.join(directory, "elsewhere.db"), {});
        // As a move that was killed leaves it.
        for (const left of ["", "-wal"]) writeFileSync(`${other}.incoming-0${left}`, "rows");
        await assert.rejects(app.run(RENAME), REFUSED);
        assert.equal(await openPostgres(other, url, "refuse"), true);
        assert.deepEqual(incomingBeside(other), []);
        assert.equal(await app.run(RENAME), 3);
        rmSync(path.join(directory, "elsewhere.db"));
      }
      assert.equal((await moveToPostgres(file, url, {}))?.outcome, "already");
    }));

  it("back where both may have been written since: refused, also when Postgres is sealed for another copy by now", () =>
    onPostgres(async (app, { url }, file, directory) => {
      await moveToSqlite(url, file, {});
      assert.equal(await openPostgres(path.join(directory, "none.db"), url, "give up"), true, "by hand, with a wrong file");
      assert.equal(await app.run(RENAME), 3);
      await assert.rejects(moveToSqlite(url, file, {}), /were copied back at .*, and both/);
      assert.equal(await app.run(RENAME), 3);
      await moveToSqlite(url, path.join(directory, "elsewhere.db"), {});
      await assert.rejects(moveToSqlite(url, file, {}), /were copied back at .*, and both/);
      assert.equal(await openPostgres(file, url, "refuse"), true);
      const other = await SqliteDatabase.open({ file });
      assert.equal(other.hasMoved(), false, "what is not that copy is left as it is");
      await other.close();
    }));
});
