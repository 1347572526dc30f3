import assert from "node:assert/strict";
import path from "node:path";
import { DatabaseMovedError } from "../../../app/src/db/database";
import { migrate } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { HeldSqliteReader } from "../../../app/src/transfer/sqlite-store";
import { fillTables } from "../../support/transfer-rows";
import { inDirectory, MIGRATIONS } from "../db/support";

const INSERT = "UPDATE companies SET name = 'Written'";

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
});
