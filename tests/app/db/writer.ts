/**
 * A process that writes to a shared database, for `processes.test.ts`: migrates, then inserts `count` rows (0: until it is killed),
 * each in a transaction of its own, and prints the number of each row once it is acknowledged.
 * Arguments: file, name, count.
 */
import { writeSync } from "node:fs";
import { migrate, type Migration } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";

const SCHEMA: Migration = {
  version: 1,
  name: "0001_rows.sql",
  sql: "CREATE TABLE rows_written (writer TEXT NOT NULL, number INTEGER NOT NULL, pair INTEGER NOT NULL, PRIMARY KEY (writer, number, pair))",
  checksum: "fixed",
};

async function main(): Promise<void> {
  const [file = "", name = "", count = "0"] = process.argv.slice(2);
  const database = await SqliteDatabase.open({ file });
  await migrate(database, [SCHEMA]);
  for (let number = 1; count === "0" || number <= Number(count); number++) {
    await database.transaction(async (transaction) => {
      const insert = "INSERT INTO rows_written (writer, number, pair) VALUES (?, ?, ?)";
      await transaction.run(insert, [name, number, 1]);
      await transaction.run(insert, [name, number, 2]);
    });
    // Synchronous, so that what is printed is exactly what was acknowledged when the process is killed.
    writeSync(1, `${number}\n`);
  }
  await database.close();
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
