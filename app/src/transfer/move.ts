import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { migrate, readMigrations } from "../db/migrate";
import { MOVED_VERSION, SqliteDatabase } from "../db/sqlite";
import { assetDirectory } from "../assets";
import { foreignRows } from "./checks";
import { TargetFilledError, TransferError, UnknownHostError } from "./failure";
import { PostgresReader, PostgresWriter } from "./postgres-store";
import { reopenIfSame } from "./reopen";
import { HeldSqliteReader, SqliteWriter } from "./sqlite-store";
import { CARRIED_TABLES } from "./tables";
import { alreadyDone, transfer, type TransferOptions, type TransferResult } from "./transfer";

/** Which part of the options a move leaves to its caller. */
type MoveOptions = Pick<TransferOptions, "signal" | "onProgress">;

const KEEP_APART = "To leave the SQLite file where it is and use Postgres as it is: pulumi config set moveData false";

const NEVER_THERE =
  "If no update to phase database ever came to its end, the rows are in the SQLite file still. To leave Postgres behind: take the file's seal off if it " +
  "has one (npm run status says so; docs/runbooks/sealed-file.md), then pulumi config set moveData false";

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
      const before = await target.state();
      // Whatever the app's schema is by now: a sealed file stays at the one it was sealed with.
      if (hasMoved && before?.state === "complete" && before.source === source.name) return alreadyDone(source, target, before);
      if (hasMoved && before === undefined) {
        throw new TransferError(
          `${source.name} was moved before, and the Postgres it was moved to is not this one, which is empty`,
          `${KEEP_APART}. To move its rows to this one: docs/runbooks/sealed-file.md takes its seal off`,
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
 * the connection is closed, the app on Postgres is refused its writes and reads on. The former file is kept beside the new one. One that was
 * sealed and has just these rows stays, and its seal is taken off: nothing was written to Postgres, most often because no app ever ran there.
 * @returns `undefined` when it was done before and Postgres is gone, or when Postgres never took over from the file that is there.
 * @throws TransferError also when it was done before, and Postgres is there or does not answer.
 */
export async function moveToSqlite(url: string, file: string, options: MoveOptions): Promise<MovedBack | undefined> {
  const isThere = movedBackAt(file);
  let source: PostgresReader;
  try {
    if (isInUse(file) && !(await hasTakenOver(url))) return undefined;
    source = await PostgresReader.hold(url, CARRIED_TABLES);
  } catch (error) {
    // The container was made or started again after Postgres had gone: what it is to do is done. One that only does not answer may have newer rows.
    if (isThere !== undefined && error instanceof UnknownHostError) return undefined;
    if (error instanceof TransferError) throw new TransferError(error.message, error.hint ?? NEVER_THERE);
    throw error;
  }
  if (isThere !== undefined) {
    await source.close();
    throw new TransferError(
      `the rows were copied back at ${isThere}, and both the SQLite file and Postgres may have been written since`,
      "Choose one with pulumi config set moveData false: phase database goes on with what Postgres has, phase cluster with what the file has",
    );
  }
  const incoming = `${file}.incoming`;
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${incoming}${suffix}`, { force: true });
  try {
    const reopened = await reopenIfSame(file, source, options);
    if (reopened !== undefined) return { result: reopened, kept: undefined, source };
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

/** The app writes to this file: it has the app's tables, and was not sealed. */
function isInUse(file: string): boolean {
  if (!existsSync(file) || statSync(file).size === 0) return false;
  const connection = new DatabaseSync(file);
  try {
    const { user_version: version } = connection.prepare("PRAGMA user_version").get() as { readonly user_version: number };
    return version !== MOVED_VERSION && connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'companies'").get() !== undefined;
  } finally {
    connection.close();
  }
}

/** Whether an app ever had its rows in this Postgres: it holds others than an unfinished move put there. @throws TransferError unreachable */
async function hasTakenOver(url: string): Promise<boolean> {
  const target = await PostgresWriter.open(url);
  try {
    const state = await target.state();
    return state?.state === "complete" || (await foreignRows(target, state?.tables)).length > 0;
  } finally {
    await target.close();
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

/**
 * Everything in the file itself, and nothing in a log beside it: only then may it have another name. Whoever had it open would delete the log of
 * the file that has its name by then.
 * @throws TransferError when somebody has it open.
 */
function whole(file: string): void {
  const connection = new DatabaseSync(file, { timeout: 5000 });
  try {
    connection.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    const { journal_mode: mode } = connection.prepare("PRAGMA journal_mode = DELETE").get() as { readonly journal_mode: string };
    if (mode !== "delete") throw new Error(`its journal stays ${mode}`);
  } catch (error) {
    throw new TransferError(
      `${file} cannot be put aside: ${(error as Error).message}`,
      "An instance of the app from before the last switch of phase still has it open: stop that one (docker ps, docker stop), and update again",
    );
  } finally {
    connection.close();
  }
}
