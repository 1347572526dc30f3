import { createHash } from "node:crypto";
import type { QueryResult } from "pg";
import { CommitUnknownError, ConstraintError, DoomedTransactionError, type SqlValue, type Transaction, type WriteMark } from "./database";
import { isConflict, isLockTimeout, isLoss, isRefusal, preparedFailure, translateError } from "./postgres-errors";
import type { PostgresConnection } from "./postgres-pool";
import { numberedParameters } from "./postgres-sql";

/** A transaction that sends nothing for this long is ended by the server, ms: its process hangs, and others wait for its locks. */
const IDLE_IN_TRANSACTION_MS = 15_000;

/** Where the primary's log of writes stands now. */
export const CURRENT_MARK = "SELECT pg_current_wal_lsn()::text AS mark";

/** How one transaction is run. */
export interface TransactOptions<Result> {
  readonly work: (transaction: Transaction) => Promise<Result>;
  readonly lock: string | undefined;
  readonly lockWaitMs: number;
  /** Whether to ask where in the log of writes the commit is; costs no further round trip. */
  readonly marked: boolean;
  /** Whether statements may be prepared ones. */
  readonly prepared: boolean;
}

/** Runs one transaction from BEGIN to COMMIT, or to ROLLBACK when anything fails. */
export async function transact<Result>(
  connection: PostgresConnection,
  options: TransactOptions<Result>,
): Promise<{ readonly result: Result; readonly mark: WriteMark | undefined }> {
  const statements = new TransactionStatements(connection, options.lockWaitMs, options.prepared);
  let result: Result;
  try {
    await connection.query(beginning(options.lock, options.lockWaitMs));
    result = await options.work(statements);
    await statements.end();
  } catch (error) {
    await statements.end().catch(() => undefined);
    // A connection that cannot even roll back is closed by its pool, which rolls back as well.
    if (!connection.useless) await connection.query("ROLLBACK").catch(() => undefined);
    // What `work` made of a lost connection is less telling than the loss, which may be worth another attempt.
    throw statements.outage ?? translateError(error, options.lockWaitMs);
  }
  return { result, mark: await commit(connection, options.marked) };
}

/** One text, so that beginning is one round trip. Everything in it ends with the transaction, so nothing is left behind in a pooler's session. */
function beginning(lock: string | undefined, lockWaitMs: number): string {
  const settings = `SET LOCAL lock_timeout = ${lockWaitMs}; SET LOCAL idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`;
  if (lock === undefined) return `BEGIN ISOLATION LEVEL SERIALIZABLE; ${settings}`;
  // Read committed: each statement sees what those who held the lock before have committed. A serializable transaction would see the
  // state from before it waited.
  return `BEGIN ISOLATION LEVEL READ COMMITTED; ${settings}; SELECT pg_advisory_xact_lock(${lockNumber(lock)})`;
}

/** 64 bits of a hash: two keys that share one only wait for each other needlessly. */
export function lockNumber(key: string): bigint {
  return createHash("sha256").update(key).digest().readBigInt64BE(0);
}

/** No deadline of the server's: a COMMIT it cancels while it waits for a standby is committed all the same. */
async function commit(connection: PostgresConnection, marked: boolean): Promise<WriteMark | undefined> {
  let results: QueryResult | QueryResult[];
  try {
    results = await connection.query(marked ? `COMMIT; ${CURRENT_MARK}` : "COMMIT");
  } catch (error) {
    const translated = translateError(error, 0);
    // Checks that wait for the commit. Any other error may have come after it.
    if (isConflict(error) || translated instanceof ConstraintError) throw translated;
    throw new CommitUnknownError("the connection was lost during COMMIT", error);
  }
  const [committed, after] = Array.isArray(results) ? (results as QueryResult[]) : [results];
  // COMMIT of a failed transaction is a ROLLBACK, without an error.
  if (committed?.command !== "COMMIT") throw new DoomedTransactionError();
  refuseUnreplicated(connection);
  return (after?.rows[0] as { mark: WriteMark } | undefined)?.mark;
}

/** A commit that stopped waiting for its standby is only on the primary, and would be lost with it. */
export function refuseUnreplicated(connection: PostgresConnection): void {
  if (connection.committedAlone()) throw new CommitUnknownError("the primary committed it without the confirmation of a standby");
}

/** The statements of one transaction, one after the other, also when they are not awaited. */
class TransactionStatements implements Transaction {
  /** The error that says more about the server than about the statement. */
  outage: unknown;
  readonly #connection: PostgresConnection;
  readonly #lockWaitMs: number;
  readonly #prepared: boolean;
  #line: Promise<unknown> = Promise.resolve();
  #doomed = false;
  #ended = false;

  constructor(connection: PostgresConnection, lockWaitMs: number, prepared: boolean) {
    this.#connection = connection;
    this.#lockWaitMs = lockWaitMs;
    this.#prepared = prepared;
  }

  async all<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]> {
    return (await this.#statement(sql, parameters)).rows as Row[];
  }

  async get<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row | undefined> {
    return (await this.#statement(sql, parameters)).rows[0] as Row | undefined;
  }

  async run(sql: string, parameters?: readonly SqlValue[]): Promise<number> {
    return (await this.#statement(sql, parameters)).rowCount ?? 0;
  }

  async script(sql: string): Promise<void> {
    await this.#send(() => this.#connection.query(sql));
  }

  /** Waits for the statement under way. @throws DoomedTransactionError when one has failed. */
  async end(): Promise<void> {
    await this.#line;
    this.#ended = true;
    if (this.#doomed) throw new DoomedTransactionError();
  }

  #statement(sql: string, parameters?: readonly SqlValue[]): Promise<QueryResult> {
    const text = numberedParameters(sql);
    return this.#send(() =>
      this.#prepared ? this.#connection.statementInside(text, parameters) : this.#connection.query(text, parameters),
    );
  }

  #send(ask: () => Promise<QueryResult>): Promise<QueryResult> {
    const result = this.#line.then(async () => {
      if (this.#ended) throw new Error("The transaction is over; use its queries only while its work runs.");
      if (this.#doomed) throw new DoomedTransactionError();
      try {
        return await ask();
      } catch (error) {
        this.#doomed = true;
        if (isConflict(error) || isLoss(error) || isRefusal(error) || isLockTimeout(error) || preparedFailure(error) !== undefined) {
          this.outage = translateError(error, this.#lockWaitMs);
          throw this.outage;
        }
        throw translateError(error, this.#lockWaitMs);
      }
    });
    this.#line = result.catch(() => undefined);
    return result;
  }
}
