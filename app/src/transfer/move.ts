import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { migrate, readMigrations } from "../db/migrate";
import { MOVED_VERSION, SqliteDatabase } from "../db/sqlite";
import { assetDirectory } from "../assets";
import { foreignRows } from "./checks";
import { differences } from "./differences";
import { TargetFilledError, TransferError, UnknownHostError } from "./failure";
import { HeldPostgres } from "./held-postgres";
import { PostgresWriter } from "./postgres-store";
import { reopenIfSame } from "./reopen";
import { HeldSqliteReader, SqliteWriter } from "./sqlite-store";
import { alreadyDone, transfer, type TransferOptions, type TransferResult } from "./transfer";

/** Which part of the options a move leaves to its caller. */
type MoveOptions = Pick<TransferOptions, "signal" | "onProgress">;

/** What the name of a file that is being filled goes on with, after that of the file it is to become. */
const INCOMING = ".incoming";

const KEEP_APART = "To leave the SQLite file where it is and use Postgres as it is: pulumi config set moveData false";

const NEVER_THERE =
  "If no update to phase database ever came to its end, the rows are in the SQLite file still. To leave Postgres behind: take the file's seal off if it " +
  "has one (npm run status says so; docs/runbooks/sealed-file.md), then pulumi config set moveData false";

const NEWER_FILE =
  "To keep what was written, finish the move: pulumi config set phase cluster, and pulumi up. To give that up, and go on with what Postgres has: pulumi config set moveData false, and pulumi up";

/**
 * Moves the rows of a running phase `cluster` to Postgres. While it runs, the app on the file is refused its writes and reads on. If it fails or
 * is killed, the app writes on, and the next move copies everything anew. At its end the file is sealed: it is kept, and only read.
 * @returns `undefined` when there is no file: nothing to move.
 * @throws TransferError also when both sides have rows.
 */
export async function moveToPostgres(file: string, url: string, options: MoveOptions): Promise<TransferResult | undefined> {
  removeCopies(`${file}${INCOMING}`);
  if (isNothing(file)) return undefined;
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
}

/**
 * Copies all rows of Postgres into a new SQLite file, for the way back to phase `cluster`. While it runs the app on Postgres is refused its writes
 * and reads on. If it fails or is killed, the app writes on. At its end Postgres is sealed: it is only read, also after a restart or a failover,
 * until {@link openPostgres}. The former file is kept beside the new one. One that was sealed and has just these rows stays, and its seal is taken
 * off: nothing was written to Postgres, most often because no app ever ran there.
 * @returns `undefined` when it was done before and nobody wrote to Postgres since, or when Postgres never took over from the file that is there.
 * @throws TransferError also when it was done before, and Postgres is open or does not answer.
 */
export async function moveToSqlite(url: string, file: string, options: MoveOptions): Promise<MovedBack | undefined> {
  const copy = copyIn(file);
  let source: HeldPostgres;
  try {
    source = await HeldPostgres.connect(url);
  } catch (error) {
    // The container was made or started again after Postgres had gone: what it is to do is done. One that only does not answer may have newer rows.
    if (copy !== undefined && error instanceof UnknownHostError) return undefined;
    if (error instanceof TransferError) throw new TransferError(error.message, error.hint ?? NEVER_THERE);
    throw error;
  }
  try {
    if (isInUse(file) && !(await hasTakenOver(source))) return undefined;
    if (copy === undefined) return await copyBack(source, file, options);
    if ((await source.sealedFor()) === copy.run) return undefined;
    throw new TransferError(
      `the rows were copied back at ${copy.at}, and both the SQLite file and Postgres may have been written since`,
      "Choose one with pulumi config set moveData false: phase database goes on with what Postgres has, phase cluster with what the file has",
    );
  } finally {
    await source.close();
  }
}

async function copyBack(source: HeldPostgres, file: string, options: MoveOptions): Promise<MovedBack> {
  await source.hold();
  removeCopies(`${file}${INCOMING}`);
  // A name of its own: an older attempt that is ending may still have its file open.
  const incoming = `${file}${INCOMING}-${randomUUID()}`;
  try {
    const run = randomUUID();
    const reopened = await reopenIfSame(file, source, { ...options, run, beforeOpen: () => source.seal(run) });
    if (reopened !== undefined) return { result: reopened, kept: undefined };
    const target = new SqliteWriter(incoming);
    let result: TransferResult;
    try {
      // Before the copy can be used: whatever happens from then on, one of the two is written at most.
      result = await transfer(source, target, { ...options, beforeComplete: () => source.seal(target.run) });
    } finally {
      await target.close();
    }
    // Whoever took over from this attempt ended its connection, and may have opened Postgres.
    const isCurrent = async (): Promise<boolean> => (await source.sealedFor()) === target.run;
    return { result, kept: await putInPlace(incoming, file, isCurrent) };
  } catch (error) {
    // The copy is not in place, so the app may write on where it was; with room to do so, in case it was a full disk that the copy failed of.
    // This one alone: a newer attempt, which ended this one, may be filling its own.
    removeCopies(incoming);
    // Without a connection Postgres stays sealed until the next update; what is to be told is why it failed.
    await source.unseal().catch(() => undefined);
    throw error;
  }
}

/**
 * Lets the app write to Postgres again after {@link moveToSqlite}, when that is given up: an update to phase `cluster` did not come to its end. The file
 * with the copy is sealed first: at no time both are written.
 * @param newer what is to be done with rows that were written to the file since they were copied
 * @returns whether Postgres was sealed.
 * @throws TransferError naming the tables with newer rows; nothing was changed.
 */
export async function openPostgres(
  file: string,
  url: string,
  newer: "refuse" | "give up",
  options: Pick<MoveOptions, "signal"> = {},
): Promise<boolean> {
  const postgres = await HeldPostgres.connect(url);
  try {
    // Whoever filled one was ended by the connection.
    removeCopies(`${file}${INCOMING}`);
    const sealedFor = await postgres.sealedFor();
    if (sealedFor === undefined) return false;
    if (isNothing(file)) {
      await postgres.unseal();
      return true;
    }
    // Another file than the copy has nothing to do with it, and stays as it is.
    const isCopy = copyIn(file)?.run === sealedFor;
    const source = new HeldSqliteReader(file);
    try {
      const differing = isCopy && newer === "refuse" ? await differences(postgres, source, options) : [];
      if (differing.length > 0)
        throw new TransferError(`${file} was written after the rows of Postgres were copied to it: ${differing.join(", ")}`, NEWER_FILE);
      if (isCopy) source.sealForGood();
      await postgres.unseal(source.hasMoved ? source.name : undefined);
    } finally {
      await source.close();
    }
    return true;
  } finally {
    await postgres.close();
  }
}

/** Removes what unfinished moves left: copies of all rows whose path begins like this, and their logs. */
function removeCopies(begin: string): void {
  const [directory, prefix] = [path.dirname(begin), path.basename(begin)];
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory).filter((one) => one.startsWith(prefix))) rmSync(path.join(directory, name), { force: true });
}

/** There is no such file, or nothing in it. */
function isNothing(file: string): boolean {
  return !existsSync(file) || statSync(file).size === 0;
}

/** The app writes to this file: it has the app's tables, and was not sealed. */
function isInUse(file: string): boolean {
  if (isNothing(file)) return false;
  const connection = new DatabaseSync(file);
  try {
    const { user_version: version } = connection.prepare("PRAGMA user_version").get() as { readonly user_version: number };
    return version !== MOVED_VERSION && connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'companies'").get() !== undefined;
  } finally {
    connection.close();
  }
}

/** Whether an app ever had its rows in this Postgres: it holds others than an unfinished move put there. */
async function hasTakenOver(postgres: PostgresWriter): Promise<boolean> {
  const state = await postgres.state();
  return state?.state === "complete" || (await foreignRows(postgres, state?.tables)).length > 0;
}

/** The copy of a Postgres that this file is: when it was made, and {@link SqliteWriter.run}. `undefined` when it is none, or its rows have moved on since. */
function copyIn(file: string): { readonly at: string; readonly run: string } | undefined {
  if (isNothing(file)) return undefined;
  const connection = new DatabaseSync(file);
  try {
    const { user_version: version } = connection.prepare("PRAGMA user_version").get() as { readonly user_version: number };
    if (version === MOVED_VERSION) return undefined;
    if (connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'data_transfer'").get() === undefined) return undefined;
    const done = connection
      .prepare("SELECT finished_at, run FROM data_transfer WHERE state = 'complete' AND source LIKE 'postgres:%'")
      .get();
    return done === undefined ? undefined : { at: String(done["finished_at"]), run: String(done["run"]) };
  } finally {
    connection.close();
  }
}

/** @param isCurrent asked at the last moment. @returns where the former file is kept. @throws TransferError when it is not */
async function putInPlace(incoming: string, file: string, isCurrent: () => Promise<boolean>): Promise<string | undefined> {
  whole(incoming);
  const kept = existsSync(file) ? `${file}.before-${new Date().toISOString().replace(/[:.]/g, "-")}` : undefined;
  if (kept !== undefined) whole(file);
  if (!(await isCurrent())) throw new TransferError("another attempt began meanwhile; this one ends");
  if (kept !== undefined) renameSync(file, kept);
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
