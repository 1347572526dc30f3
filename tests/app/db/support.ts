import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Database } from "../../../app/src/db/database";
import { migrate, readMigrations, type Migration } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { migrateAs, openPostgres } from "../../support/database";
import { freshPostgres } from "../../support/test-database";

export const MIGRATIONS: readonly Migration[] = readMigrations(path.resolve(__dirname, "../../../app/src/db/migrations/sqlite"));

/** A directory that is gone after `work`. */
export async function inDirectory<Result>(work: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = mkdtempSync(path.join(tmpdir(), "phased-db-"));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A migrated database of its own for `work`: SQLite, or Postgres where that is asked for. */
export async function withAnyDatabase<Result>(work: (database: Database) => Promise<Result>): Promise<Result> {
  const urls = await freshPostgres();
  if (urls === undefined) return withDatabase(work);
  await migrateAs(urls.url);
  const database = await openPostgres(urls.appUrl);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** A migrated SQLite database of its own for `work`. */
export function withDatabase<Result>(work: (database: SqliteDatabase, file: string) => Promise<Result>): Promise<Result> {
  return inDirectory(async (directory) => {
    const file = path.join(directory, "app.db");
    const database = await SqliteDatabase.open({ file });
    try {
      await migrate(database, MIGRATIONS);
      return await work(database, file);
    } finally {
      await database.close();
    }
  });
}
