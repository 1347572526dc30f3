import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DatabaseBusyError, type Database, type Transaction } from "./database";

/** One numbered SQL file. */
export interface Migration {
  readonly version: number;
  /** File name without its directory, e.g. `0001_companies.sql`. */
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file, 64 hex digits; line endings count as `\n`, because Git may change them. */
  readonly checksum: string;
}

/** The schema of the database and this version of the app do not fit; the message is one sentence for the operator. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

const FILE_NAME = /^(\d{4})_[a-z0-9_]+\.sql$/;

/**
 * Reads the migrations of a directory in order.
 * @throws MigrationError for a wrong file name, a number used twice, or a gap in the numbers.
 */
export function readMigrations(directory: string): Migration[] {
  const names = readdirSync(directory).filter((name) => name.endsWith(".sql"));
  return names.sort().map((name, index) => {
    const number = FILE_NAME.exec(name)?.[1];
    if (number === undefined)
      throw new MigrationError(`Migration "${name}" has a wrong name; use four digits and words, such as 0002_invoices.sql.`);
    const version = Number(number);
    if (version !== index + 1) {
      throw new MigrationError(
        `Migration "${name}" has number ${version} where ${index + 1} is expected; numbers start at 1 and have no gaps.`,
      );
    }
    const sql = readFileSync(path.join(directory, name), "utf8").replaceAll("\r\n", "\n");
    return { version, name, sql, checksum: createHash("sha256").update(sql).digest("hex") };
  });
}

interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
}

/** One process at a time; and each looks whether a migration is there already, so that running it again does no harm. */
const ALONE = { lock: "schema migrations", idempotent: true } as const;

/**
 * Longest wait of a migration for a table that others use, ms (Postgres). Whoever comes later waits behind it, readers too, so it has to be
 * well below what a request waits (DB_LOCK_TIMEOUT_MS, 5 s). Then the migration lets them pass, and tries again.
 */
const TABLE_WAIT_MS = 1000;

/** Pause until it tries again, ms: whoever waited behind it is served by then. */
const PAUSE_MS = 1000;

/** How long it goes on trying, ms. */
const PATIENCE_MS = 600_000;

const CREATE_TABLE = `CREATE TABLE IF NOT EXISTS schema_migrations (
  version INTEGER PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at TEXT NOT NULL
)`;

/**
 * Brings the schema up to date. Each migration is one transaction together with its entry in `schema_migrations`, so a crash leaves
 * it applied as a whole or not at all; processes that start at the same time wait for each other and apply each once. Requests that are
 * served meanwhile, by an older version of the app, are held for a second at most: no migration waits longer for a table.
 *
 * @param onApplied is told of each at once: one that makes an index may take long.
 * @returns the names it applied, in order.
 * @throws MigrationError when an applied migration was changed, or the database is newer than this version of the app.
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  onApplied: (name: string) => void = () => undefined,
): Promise<string[]> {
  await database.transaction((transaction) => transaction.script(CREATE_TABLE), ALONE);
  verifyApplied(await readApplied(database), migrations);
  const done: string[] = [];
  for (const migration of migrations) {
    if (!(await inBetween(() => database.transaction((transaction) => applyOnce(database, transaction, migration), ALONE)))) continue;
    onApplied(migration.name);
    done.push(migration.name);
  }
  return done;
}

/**
 * Makes sure, without changing anything, that the schema has all that this version of the app needs.
 *
 * Migrations it does not know are no error here, other than in {@link migrate}: while a newer version is rolled out, or rolled back, instances
 * of this one go on, and may have to start.
 * @returns the names of those, in order.
 * @throws MigrationError when migrations are missing, or an applied one was changed.
 */
export async function verifySchema(database: Database, migrations: readonly Migration[]): Promise<string[]> {
  const applied = (await hasTable(database)) ? await readApplied(database) : [];
  const known = new Set(migrations.map(({ version }) => version));
  verifyApplied(
    applied.filter(({ version }) => known.has(version)),
    migrations,
  );
  const there = new Set(applied.map(({ version }) => version));
  const missing = migrations.filter(({ version }) => !there.has(version)).map(({ name }) => name);
  if (missing.length > 0) {
    throw new MigrationError(
      `The database lacks ${missing.join(", ")}, and MIGRATIONS is external; run "node main.js migrate" of this version as the owner of the tables, or set MIGRATIONS to auto.`,
    );
  }
  return applied.filter(({ version }) => !known.has(version)).map(({ name }) => name);
}

async function hasTable(database: Database): Promise<boolean> {
  const sql =
    database.kind === "sqlite"
      ? "SELECT 1 AS found FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'"
      : "SELECT 1 AS found WHERE to_regclass('schema_migrations') IS NOT NULL";
  return (await database.get(sql)) !== undefined;
}

/** Tries until the tables are free for long enough. @throws DatabaseBusyError when they are not for ten minutes. */
async function inBetween(attempt: () => Promise<boolean>): Promise<boolean> {
  const start = performance.now();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof DatabaseBusyError) || performance.now() - start > PATIENCE_MS) throw error;
      await delay(PAUSE_MS);
    }
  }
}

function readApplied(database: Database): Promise<AppliedMigration[]> {
  return database.all<AppliedMigration>("SELECT version, name, checksum FROM schema_migrations ORDER BY version");
}

function verifyApplied(applied: readonly AppliedMigration[], migrations: readonly Migration[]): void {
  for (const { version, name, checksum } of applied) {
    const known = migrations.find((migration) => migration.version === version);
    if (known === undefined) {
      throw new MigrationError(
        `The database has migration ${name}, which this version of the app does not know; start a version that does, or restore a backup from before it.`,
      );
    }
    if (known.checksum !== checksum) {
      throw new MigrationError(
        `Migration ${known.name} differs from the one applied to this database; restore the file and put the change into a new migration.`,
      );
    }
  }
}

/** `false` when another process was faster. */
async function applyOnce(database: Database, transaction: Transaction, migration: Migration): Promise<boolean> {
  const existing = await transaction.get<AppliedMigration>("SELECT version, name, checksum FROM schema_migrations WHERE version = ?", [
    migration.version,
  ]);
  if (existing !== undefined) {
    verifyApplied([existing], [migration]);
    return false;
  }
  // The wait for another process that migrates, which is over by now, may have been longer.
  if (database.kind === "postgres") await transaction.script(`SET LOCAL lock_timeout = ${TABLE_WAIT_MS}`);
  await transaction.script(migration.sql);
  await transaction.run("INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)", [
    migration.version,
    migration.name,
    migration.checksum,
    new Date().toISOString(),
  ]);
  return true;
}
