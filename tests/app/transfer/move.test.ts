import assert from "node:assert/strict";
import path from "node:path";
import { DatabaseMovedError } from "../../../app/src/db/database";
import { migrate } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { runOpen } from "../../../app/src/transfer/open-command";
import { reopenIfSame } from "../../../app/src/transfer/reopen";
import { HeldSqliteReader, SqliteReader, SqliteWriter } from "../../../app/src/transfer/sqlite-store";
import { transfer } from "../../../app/src/transfer/transfer";
import { fillTables } from "../../support/transfer-rows";
import { inDirectory, MIGRATIONS } from "../db/support";

const INSERT = "UPDATE companies SET name = 'Written'";

const REOPENING = { run: "this opening", beforeOpen: (): Promise<void> => Promise.resolve() };

describe("F1 A10 a SQLite file whose rows are moved", () => {
  const onFile = (work: (app: SqliteDatabase, file: string) => Promise<void>): Promise<void> =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "app.db");
      const app = await SqliteDatabase.open({ file, lockWaitMs: 100 });
      await migrate(app, MIGRATIONS);
      await fillTables(app, 1, 2);
      try {
        await work(app, file);
      } finally {
        await app.close();
      }
    });

  it("writes are refused while it is held, reads are not; let go, both go on", () =>
    onFile(async (app, file) => {
      const held = new HeldSqliteReader(file);
      await assert.rejects(app.run(INSERT), { name: "DatabaseBusyError" });
      assert.equal((await app.all("SELECT id FROM companies")).length, 1);
      assert.equal(app.hasMoved(), false);
      // Those in line do not wait one after the other.
      const start = performance.now();
      const line = await Promise.allSettled(Array.from({ length: 30 }, () => app.run(INSERT)));
      assert.ok(line.every(({ status }) => status === "rejected"));
      assert.ok(performance.now() - start < 1500, `${performance.now() - start} ms for 30 writes that may wait 100 ms each`);
      await held.close();
      assert.equal(await app.run(INSERT), 1);
    }));

  it("sealed it is only read, by processes that have it open and by later ones; whoever waited for the lock writes nothing either", () =>
    onFile(async (app, file) => {
      const held = new HeldSqliteReader(file);
      const waiting = await SqliteDatabase.open({ file, lockWaitMs: 5000 });
      const write = assert.rejects(waiting.run(INSERT), DatabaseMovedError);
      held.sealForGood();
      await write;
      await held.close();
      const later = await SqliteDatabase.open({ file });
      for (const database of [app, waiting, later]) {
        assert.equal(database.hasMoved(), true);
        await assert.rejects(database.run(INSERT), DatabaseMovedError);
        assert.equal((await database.all("SELECT id FROM companies WHERE name <> 'Written'")).length, 1);
      }
      await Promise.all([waiting.close(), later.close()]);
    }));

  /** A sealed file, and the other side, which got its rows. */
  const sealed = (work: (app: SqliteDatabase, file: string, other: string) => Promise<void>): Promise<void> =>
    onFile(async (app, file) => {
      const other = `${file}.other`;
      const [held, target] = [new HeldSqliteReader(file), new SqliteWriter(other)];
      await transfer(held, target, { beforeComplete: () => held.sealForGood() });
      await Promise.all([held.close(), target.close()]);
      await work(app, file, other);
    });

  it("the seal is taken off when the other side has just the same rows: who has the file open writes again, and where the rows came back from is known", () =>
    sealed(async (app, file, other) => {
      const written = await SqliteDatabase.open({ file: other });
      await written.run("UPDATE sqlite_sequence SET seq = 4711 WHERE name = 'event_outbox'");
      await written.close();
      const source = new SqliteReader(other);
      const failing = (): Promise<void> => Promise.reject(new Error("the other side cannot be closed"));
      await assert.rejects(reopenIfSame(file, source, { ...REOPENING, beforeOpen: failing }), /cannot be closed/);
      assert.equal(app.hasMoved(), true);
      const result = await reopenIfSame(file, source, REOPENING);
      assert.deepEqual([result?.outcome, result?.to], ["already", `sqlite:${file}`]);
      assert.ok((result?.rows ?? 0) > 10);
      assert.equal(app.hasMoved(), false);
      assert.equal(await app.run(INSERT), 1);
      const [state] = await app.all("SELECT state, source, run, finished_at IS NOT NULL AS finished FROM data_transfer");
      assert.deepEqual({ ...state }, { state: "complete", source: `sqlite:${other}`, run: REOPENING.run, finished: 1 });
      const epoch = Number((await app.get<{ epoch: number }>("SELECT epoch FROM redis_fence"))?.epoch);
      assert.ok(epoch > (await source.epoch()), "what a cache holds from the other side is never believed");
      const counter = await app.get<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'event_outbox'");
      assert.equal(counter?.seq, 4711, "an event of the other side that is gone by now had that position");
      assert.equal(await reopenIfSame(file, source, REOPENING), undefined, "it is not sealed any more");
      assert.equal(await reopenIfSame(`${file}.none`, source, REOPENING), undefined);
      await source.close();
    }));

  it("it stays on when the other side has another row, or another value in one", () =>
    sealed(async (app, file, other) => {
      for (const change of ["UPDATE companies SET name = 'Newer'", "DELETE FROM order_statistics"]) {
        const written = await SqliteDatabase.open({ file: other });
        await written.run(change);
        await written.close();
        const source = new SqliteReader(other);
        assert.equal(await reopenIfSame(file, source, REOPENING), undefined, change);
        await source.close();
      }
      assert.equal(app.hasMoved(), true);
      await assert.rejects(app.run(INSERT), DatabaseMovedError);
    }));

  it("transfer.js --open: without Postgres only when that is said; a file without a seal is told from a mistake", () =>
    sealed(async (app, file) => {
      const said: string[] = [];
      const output = { stdout: { write: (text: string) => said.push(text) }, stderr: { write: () => true } };
      const open = (postgres: string | undefined, giveUp: boolean, name = file): Promise<void> =>
        runOpen({ open: name, postgres, giveUp }, output, new AbortController().signal);
      await assert.rejects(open(undefined, false), { message: /--unless-written is missing/, hint: /--give-up-postgres/ });
      await assert.rejects(open("postgres://owner:x@127.0.0.1:1/app", true), { message: /are both there/ });
      await assert.rejects(open("other.db", false), { message: /--unless-written is a SQLite file/ });
      await assert.rejects(open(undefined, true, "postgres://owner:x@127.0.0.1:1/app"), { message: /--open is an address of Postgres/ });
      await assert.rejects(open("postgres://owner:x@127.0.0.1:1/app", false), { message: /cannot be used/ });
      assert.equal(app.hasMoved(), true, "none of these changed anything");
      await open(undefined, true);
      assert.match(said.join(""), /app\.db is open: the app writes to it again; Postgres was not asked/);
      assert.equal(await app.run(INSERT), 1);
      await assert.rejects(open(undefined, true), { message: /is not sealed/ });
    }));
});
