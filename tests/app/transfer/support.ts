import path from "node:path";
import { migrate, type Migration } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { SqliteReader, SqliteWriter } from "../../../app/src/transfer/sqlite-store";
import type { Writer } from "../../../app/src/transfer/store";
import { CARRIED_TABLES } from "../../../app/src/transfer/tables";
import { transfer, type TransferOptions, type TransferResult } from "../../../app/src/transfer/transfer";
import { fillTables } from "../../support/transfer-rows";
import { inDirectory, MIGRATIONS } from "../db/support";

/** A filled source, and a place for a target. */
export interface Files {
  readonly from: string;
  readonly to: string;
}

/** A migrated and filled source, for the time of `work`. */
export function withSource(work: (files: Files) => Promise<void>, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  return inDirectory(async (directory) => {
    const files = { from: path.join(directory, "from.db"), to: path.join(directory, "to.db") };
    await onDatabase(files.from, async (database) => {
      await migrate(database, migrations);
      if (migrations === MIGRATIONS) await fillTables(database);
    });
    await work(files);
  });
}

/** Opens a file for the time of `work`. */
export async function onDatabase<Result>(file: string, work: (database: SqliteDatabase) => Promise<Result>): Promise<Result> {
  const database = await SqliteDatabase.open({ file });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** One run, as a process would do it. */
export async function run(
  { from, to }: Files,
  options: TransferOptions = {},
  change: (writer: Writer) => Writer = (writer) => writer,
): Promise<TransferResult> {
  const source = new SqliteReader(from);
  try {
    const target = new SqliteWriter(to, options.dryRun);
    try {
      return await transfer(source, change(target), options);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Fails, as a crash would, at the n-th change of the target. */
export function failingAt(step: number, counter: { steps: number }): (writer: Writer) => Writer {
  return (writer) =>
    new Proxy(writer, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          if (["migrate", "begin", "beforeRows", "write", "afterRows", "setCounter", "complete"].includes(String(name))) {
            counter.steps += 1;
            if (counter.steps === step) throw new Error(`crash at ${String(name)}`);
          }
          return (value as (...given: unknown[]) => unknown).apply(target, args);
        };
      },
    });
}

/** All rows of all carried tables. */
export const everything = (file: string): Promise<Record<string, unknown[]>> =>
  onDatabase(file, async (database) => {
    const tables: Record<string, unknown[]> = {};
    for (const table of CARRIED_TABLES) tables[table] = await database.all(`SELECT * FROM ${table}`);
    return tables;
  });

/** All indexes that have a statement of their own. */
export const indexes = (file: string): Promise<{ readonly name: string; readonly sql: string }[]> =>
  onDatabase(file, (database) =>
    database.all("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"),
  );
