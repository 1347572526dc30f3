import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { migrate, readMigrations } from "../db/migrate";
import { MOVED_VERSION, SqliteDatabase } from "../db/sqlite";
import { assetDirectory } from "../assets";
import { TargetFilledError, TransferError } from "./failure";
import { PostgresReader, PostgresWriter } from "./postgres-store";
import { HeldSqliteReader, SqliteWriter } from "./sqlite-store";
import { CARRIED_TABLES } from "./tables";
import { transfer, type TransferOptions, type TransferResult } from "./transfer";

/** Which part of the options a move leaves to its caller. */
type MoveOptions = Pick<TransferOptions, "signal" | "onProgress">;

const KEEP_APART = "To leave the SQLite file where it is and use Postgres as it is: pulumi config set moveData false";

/**
 * Moves the rows of a running phase `cluster` to Postgres. While it runs, the app on the file is refused its writes and reads on. If it fails or
 * is killed, the app writes on, and the next move copies everything anew. At its end the file is sealed: it is kept, and only read.
 * @returns `undefined` when there is no file: nothing to move.
 * @throws TransferError also when both sides have rows.
 */
export async function moveToPostgres(file: string, url: string, options: MoveOptions): Promise<TransferResult | undefined> {
  if (!existsSync(file) || statSync(file).size === 0) return undefined;
  await bringUpToDate(file);
  const source = new HeldSqliteReader(file);
  try {
    const target = await PostgresWriter.open(url);
    try {
      const { hasMoved } = source;
      const state = (await target.state())?.state;
      if (hasMoved && state === undefined) {
        throw new TransferError(
          `${source.name} was moved before, and the Postgres it was moved to is not this one, which is empty`,
          KEEP_APART,
        );
      }
      return await transfer(source, target, {
        ...options,
        // Sealed means that all rows were compared: what is missing is the last step. Otherwise the app wrote on meanwhile.
        restart: !hasMoved,
        earlier: hasMoved ? "accept" : "refuse",
        beforeComplete: () => {
          if (!hasMoved) source.sealForGood();
        },
      });
    } finally {
      await target.close();
    }
  } catch (error) {
    if (error instanceof TargetFilledError) throw new TransferError(error.message, KEEP_APART);
    throw error;
  } finally {
    await source.close();
  }
}

/** As every start of the app does: an older version goes on with the newer schema. */
async function bringUpToDate(file: string): Promise<void> {
  const database = await SqliteDatabase.open({ file });
  try {
    if (!database.hasMoved()) await migrate(database, readMigrations(assetDirectory("migrations/sqlite")));
  } finally {
    await database.close();
  }
}

/** What a move back did. */
export interface MovedBack {
  readonly result: TransferResult;
  /** Where the file that was there before is kept; `undefined` when there was none. */
  readonly kept: string | undefined;
  /** Postgres is held until it is gone: nobody writes to what was left. */
  readonly source: PostgresReader;
}

/**
 * Copies all rows of Postgres into a new SQLite file, for the way back to phase `cluster`. While it runs, and until Postgres is gone or
 * the connection is closed, the app on Postgres is refused its writes and reads on. The former file is kept beside the new one.
 * @returns `undefined` when it was done before and Postgres is gone.
 * @throws TransferError also when it was done before and Postgres is still there.
 */
export async function moveToSqlite(url: string, file: string, options: MoveOptions): Promise<MovedBack | undefined> {
  const isThere = movedBackAt(file);
  let source: PostgresReader;
  try {
    source = await PostgresReader.hold(url, CARRIED_TABLES);
  } catch (error) {
    // The container was started again after Postgres had gone: what it is to do is done.
    if (isThere === undefined || !(error instanceof TransferError)) throw error;
    return undefined;
  }
  if (isThere !== undefined) {
    await source.close();
    throw new TransferError(
      `the rows were copied back at ${isThere}, and both the SQLite file and Postgres may have been written since`,
      "Go on in phase database (pulumi config set phase database) or leave what Postgres has behind: pulumi config set moveData false",
    );
  }
  const incoming = `${file}.incoming`;
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${incoming}${suffix}`, { force: true });
  try {
    const target = new SqliteWriter(incoming);
    let result: TransferResult;
    try {
      result = await transfer(source, target, options);
    } finally {
      await target.close();
    }
    return { result, kept: putInPlace(incoming, file), source };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** When the rows of this file came back from Postgres; `undefined` when they did not, or have moved on since. */
function movedBackAt(file: string): string | undefined {
  if (!existsSync(file) || statSync(file).size === 0) return undefined;
  const connection = new DatabaseSync(file);
  try {
    const { user_version: version } = connection.prepare("PRAGMA user_version").get() as { readonly user_version: number };
    if (version === MOVED_VERSION) return undefined;
    if (connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'data_transfer'").get() === undefined) return undefined;
    const done = connection.prepare("SELECT finished_at FROM data_transfer WHERE state = 'complete' AND source LIKE 'postgres:%'").get();
    return done === undefined ? undefined : String(done["finished_at"]);
  } finally {
    connection.close();
  }
}

/** @returns where the former file is kept. */
function putInPlace(incoming: string, file: string): string | undefined {
  whole(incoming);
  const kept = existsSync(file) ? `${file}.before-${new Date().toISOString().replace(/[:.]/g, "-")}` : undefined;
  if (kept !== undefined) {
    whole(file);
    renameSync(file, kept);
  }
  renameSync(incoming, file);
  return kept;
}

/** Everything in the file itself, and nothing in a log beside it: only then may it have another name. */
function whole(file: string): void {
  const connection = new DatabaseSync(file);
  connection.exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE");
  connection.close();
}
