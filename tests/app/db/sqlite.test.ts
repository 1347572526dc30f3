import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { DatabaseBusyError } from "../../../app/src/db/database";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { describeDatabaseContract } from "./database-contract";
import { inDirectory } from "./support";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

describeDatabaseContract("SQLite", async () => {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-contract-"));
  const database = await SqliteDatabase.open({ file: path.join(directory, "sub", "app.db") });
  return {
    database,
    close: async () => {
      await database.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
});

describe("SQLite: locks and durability", () => {
  it("uses the write-ahead log, foreign keys, and fsync at each commit", () =>
    inDirectory(async (directory) => {
      const database = await SqliteDatabase.open({ file: path.join(directory, "app.db") });
      const pragma = async (name: string) => Object.values((await database.get(`PRAGMA ${name}`)) ?? {})[0] as unknown;
      assert.equal(await pragma("journal_mode"), "wal");
      assert.equal(await pragma("foreign_keys"), 1);
      assert.equal(await pragma("synchronous"), 2, "FULL");
      await database.close();
    }));

  it("waits for another process's lock without stopping the event loop, then gives up with a clear error", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "app.db");
      const database = await SqliteDatabase.open({ file, lockWaitMs: 300 });
      await database.transaction((transaction) => transaction.script("CREATE TABLE t (a INTEGER)"));
      const other = new DatabaseSync(file);
      other.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
      let turns = 0;
      let waiting = true;
      const write = database.run("INSERT INTO t VALUES (2)").finally(() => (waiting = false));
      const failed = assert.rejects(
        write,
        (error) => error instanceof DatabaseBusyError && /locked by other writers for \d+ ms/.test(error.message),
      );
      while (waiting) {
        turns += 1;
        assert.deepEqual(await database.all("SELECT a FROM t"), [], "readers go on, and see what was committed");
        await setImmediate();
      }
      await failed;
      assert.ok(turns > 50, `the event loop turned ${turns} times`);

      const second = database.run("INSERT INTO t VALUES (2)");
      other.exec("COMMIT");
      assert.equal(await second, 1, "and goes on as soon as the lock is free");
      other.close();
      await database.close();
    }));

  it("refuses a file that is no database", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "app.db");
      writeFileSync(file, "this is no database, ".repeat(100));
      await assert.rejects(SqliteDatabase.open({ file }), /not a database/);
    }));
});
