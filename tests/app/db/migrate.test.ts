import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { createHash } from "node:crypto";
import { migrate, MigrationError, readMigrations, type Migration, verifySchema } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { inDirectory, MIGRATIONS } from "./support";

function migration(version: number, sql: string): Migration {
  const name = `${String(version).padStart(4, "0")}_step.sql`;
  return { version, name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
}

const one = migration(1, "CREATE TABLE one (a INTEGER)");
const two = migration(2, "CREATE TABLE two (a INTEGER); INSERT INTO two VALUES (1)");

describe("migrations", () => {
  const withFile = (work: (database: SqliteDatabase, file: string) => Promise<void>) =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "app.db");
      const database = await SqliteDatabase.open({ file });
      await work(database, file).finally(() => database.close());
    });

  it("applies each once, in order, and records it", () =>
    withFile(async (database) => {
      assert.deepEqual(await migrate(database, [one]), [one.name]);
      assert.deepEqual(await migrate(database, [one, two]), [two.name]);
      assert.deepEqual(await migrate(database, [one, two]), []);
      const rows = await database.all<{ version: number; checksum: string }>(
        "SELECT version, checksum FROM schema_migrations ORDER BY version",
      );
      assert.deepEqual(
        rows.map((row) => ({ ...row })),
        [one, two].map(({ version, checksum }) => ({ version, checksum })),
      );
    }));

  it("applies each once when several start at the same time", () =>
    withFile(async (first, file) => {
      const others = await Promise.all(Array.from({ length: 3 }, () => SqliteDatabase.open({ file })));
      const applied = await Promise.all([first, ...others].map((database) => migrate(database, [one, two])));
      assert.deepEqual(applied.flat().sort(), [one.name, two.name]);
      assert.equal((await first.all("SELECT a FROM two")).length, 1);
      await Promise.all(others.map((database) => database.close()));
    }));

  it("leaves nothing of a migration that fails half way, and goes on once it is right", () =>
    withFile(async (database) => {
      const broken = migration(2, "CREATE TABLE two (a INTEGER); INSERT INTO two VALUES (1); INSERT INTO nowhere VALUES (1)");
      await assert.rejects(migrate(database, [one, broken]), /nowhere/);
      assert.equal(await database.get("SELECT 1 FROM sqlite_schema WHERE name = 'two'"), undefined);
      assert.deepEqual(await migrate(database, [one, two]), [two.name]);
    }));

  it("refuses an applied migration that was changed, and a database from a newer version", () =>
    withFile(async (database) => {
      await migrate(database, [one, two]);
      const changed = migration(1, "CREATE TABLE one (a TEXT)");
      await assert.rejects(migrate(database, [changed, two]), (error) => {
        assert.ok(error instanceof MigrationError);
        assert.match(error.message, /^Migration 0001_step\.sql differs from the one applied/);
        return true;
      });
      await assert.rejects(migrate(database, [one]), /has migration 0002_step\.sql, which this version of the app does not know/);
    }));

  it("A14 looks without changing anything: what is missing and what was changed is told, what a newer version added is not its business", () =>
    withFile(async (database) => {
      const missing = async (): Promise<string> => {
        const error: unknown = await verifySchema(database, [one, two]).catch((reason: unknown) => reason);
        assert.ok(error instanceof MigrationError);
        return error.message;
      };
      assert.match(
        await missing(),
        /^The database lacks 0001_step\.sql, 0002_step\.sql, and MIGRATIONS is external; run "node main\.js migrate"/,
      );
      assert.deepEqual(await database.all("SELECT name FROM sqlite_schema"), [], "nothing was made");
      const told: string[] = [];
      await migrate(database, [one], (name) => void told.push(name));
      assert.deepEqual(told, [one.name]);
      assert.match(await missing(), /^The database lacks 0002_step\.sql, and/);
      await migrate(database, [one, two]);
      assert.deepEqual(await verifySchema(database, [one, two]), []);
      assert.deepEqual(await verifySchema(database, [one]), [two.name]);
      const changed = migration(1, "CREATE TABLE one (a TEXT)");
      await assert.rejects(
        verifySchema(database, [changed, two]),
        /^MigrationError: Migration 0001_step\.sql differs from the one applied/,
      );
    }));

  it("refuses wrong names, numbers used twice and gaps", () =>
    inDirectory((directory) => {
      const write = (name: string): void => writeFileSync(path.join(directory, name), "SELECT 1");
      write("0001_first.sql");
      write("README.md");
      assert.equal(readMigrations(directory).length, 1);
      write("0003_third.sql");
      assert.throws(() => readMigrations(directory), /number 3 where 2 is expected/);
      write("0002_second.sql");
      write("0002_twice.sql");
      assert.throws(() => readMigrations(directory), /number 2 where 3 is expected/);
      write("0000-x.sql");
      assert.throws(() => readMigrations(directory), /"0000-x\.sql" has a wrong name/);
      return Promise.resolve();
    }));

  it("counts a file with Windows line endings as the same file", () =>
    inDirectory((directory) => {
      const file = path.join(directory, "0001_first.sql");
      writeFileSync(file, "SELECT 1;\nSELECT 2;\n");
      const unix = readMigrations(directory)[0]?.checksum;
      writeFileSync(file, "SELECT 1;\r\nSELECT 2;\r\n");
      assert.equal(readMigrations(directory)[0]?.checksum, unix);
      return Promise.resolve();
    }));

  it("the app's own migrations make a sound schema", () =>
    withFile(async (database) => {
      assert.equal((await migrate(database, MIGRATIONS)).length, MIGRATIONS.length);
      assert.deepEqual(await database.all("PRAGMA foreign_key_check"), []);
      assert.equal((await database.get<{ integrity_check: string }>("PRAGMA integrity_check"))?.integrity_check, "ok");
    }));
});
