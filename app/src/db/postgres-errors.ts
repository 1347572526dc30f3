import { DatabaseError } from "pg";
import { ConstraintError, DatabaseBusyError, InvalidValueError } from "./database";

/** No connection could be made: nothing was sent, so whatever was to be done can be tried again. */
export class ConnectFailedError extends Error {
  override readonly name = "ConnectFailedError";
  constructor(server: string, cause: unknown) {
    super(`${server} cannot be reached (${describe(cause)})`, { cause });
  }
}

/** The connection ended, or stopped answering, after something was sent: whether it had an effect is not known. */
export class ConnectionLostError extends Error {
  override readonly name = "ConnectionLostError";
  constructor(
    server: string,
    cause: unknown,
    /** The server was silent for the whole deadline, so asking again is unlikely to help. */
    readonly silent = false,
  ) {
    super(`${server} ${silent ? "stopped answering" : "ended the connection"} (${describe(cause)})`, { cause });
  }
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const code = "code" in cause && typeof cause.code === "string" ? `${cause.code}: ` : "";
  // A connection tried on several addresses of a name fails with an empty message and the code.
  return `${code}${cause.message}`;
}

/** SQLSTATE of what a server (or PgBouncer) answered; `undefined` for every other error. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}

// https://www.postgresql.org/docs/17/errcodes-appendix.html
const CONSTRAINTS: Readonly<Record<string, ConstraintError["constraint"]>> = {
  "23502": "not-null",
  "23503": "foreign-key",
  "23505": "unique",
  "23514": "check",
};

/**
 * States after which a connection is of no use: 08xxx connection exception (also whatever PgBouncer says about its server), 57P01–05
 * shutdown, crash, start-up and session timeouts, 25P03 idle in a transaction for too long, 53300 too many connections; 25006 read-only: the
 * server is not the primary any more.
 */
const USELESS = /^(?:08...|57P0[1-5]|25P03|53300|25006)$/;

/** Whether the connection an error came over should be closed instead of being used again. */
export function endsConnection(error: unknown): boolean {
  const state = sqlState(error);
  return state === undefined || USELESS.test(state) || isFromStandby(error);
}

/**
 * The server refused cleanly for a reason that passes: 25006 not the primary, 53100 no space on its disk, 53200 no memory, 53300 too many
 * connections, 57P03 starting up.
 */
const REFUSED = /^(?:25006|53[1-3]00|57P03)$/;

/** Lost by the server, or by PgBouncer, with a message: 08xxx, 57P01 administrator's shutdown, 57P02 crash of another process. */
const LOST = /^(?:08...|57P01|57P02)$/;

/** Met another transaction: 40001 not serialisable (on a replica: in the way of replay), 40P01 deadlock. */
const CONFLICT = /^(?:40001|40P01)$/;

/**
 * What PgBouncer says to a client that waits for a server connection, so before anything was sent to a server: it can reach none, none
 * became free in time, or it ends itself. Whatever else it says with the same state may come after the statement has had its effect.
 */
const NEVER_SENT = /^(?:server login has been failing|query_wait_timeout$|server shutting down$)/;

function wasNeverSent(error: unknown): boolean {
  return sqlState(error) === "08P01" && NEVER_SENT.test((error as DatabaseError).message);
}

/**
 * A standby refuses to begin a serializable transaction, before anything could meet 25006: 0A000 with the function's name, because the
 * message, "cannot use serializable mode in a hot standby", is in the server's language.
 */
function isFromStandby(error: unknown): boolean {
  return sqlState(error) === "0A000" && (error as DatabaseError).routine === "call_enum_check_hook";
}

/** Nothing was done, and trying again may work. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ConnectFailedError || REFUSED.test(sqlState(error) ?? "") || wasNeverSent(error) || isFromStandby(error);
}

/** The connection was lost under a statement that may have had its effect. */
export function isLoss(error: unknown): boolean {
  return error instanceof ConnectionLostError || (LOST.test(sqlState(error) ?? "") && !wasNeverSent(error));
}

/** The transaction was undone because of another one. */
export function isConflict(error: unknown): boolean {
  return CONFLICT.test(sqlState(error) ?? "");
}

/**
 * A prepared statement is of no use, found before anything was done. `changed`: 0A000, a migration changed what it returns (by the function's
 * name, because the message is in the server's language). `lost`: 26000, the server does not have it, or 42P05, has it from another client,
 * both of which a pooler in between does that does not keep statements apart.
 */
export function preparedFailure(error: unknown): "changed" | "lost" | undefined {
  const state = sqlState(error);
  if (state === "26000" || state === "42P05") return "lost";
  return state === "0A000" && (error as DatabaseError).routine === "RevalidateCachedQuery" ? "changed" : undefined;
}

/** 55P03: the lock wait was over. */
export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === "55P03";
}

/** What the contract of `Database` promises in place of the server's own errors; everything else as it is. */
export function translateError(error: unknown, lockWaitMs: number): unknown {
  if (!(error instanceof DatabaseError)) return error;
  const constraint = CONSTRAINTS[error.code ?? ""];
  if (constraint !== undefined) return new ConstraintError(constraint, constraintColumns(error), error);
  if (isLockTimeout(error)) return new DatabaseBusyError(lockWaitMs, error);
  // Class 22: text where a number belongs, a number out of range, a character that text cannot hold.
  if (error.code?.startsWith("22") === true) return new InvalidValueError(error);
  return error;
}

/** As SQLite names them: `table.column`. Only the detail has the columns of a key: `Key (company_id, number)=(…) already exists.` */
function constraintColumns({ table, column, detail }: DatabaseError): string[] {
  if (table === undefined) return [];
  const columns = column ?? /\(([^()]+)\)=\(/.exec(detail ?? "")?.[1] ?? "";
  return columns.split(", ").flatMap((name) => (name === "" ? [] : [`${table}.${name}`]));
}
