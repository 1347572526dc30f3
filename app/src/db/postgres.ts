import { AsyncLocalStorage } from "node:async_hooks";
import type { QueryResult } from "pg";
import { CommitUnknownError, DatabaseBusyError, DatabaseHeldError, DatabaseUnavailableError } from "./database";
import type { Database, DatabaseFigures, Queries, SqlValue, Transaction, TransactionOptions, WriteMark } from "./database";
import { KeyedLine } from "./keyed-line";
import {
  ConnectFailedError,
  ConnectionLostError,
  isConflict,
  isLockTimeout,
  isLoss,
  isRefusal,
  preparedFailure,
  translateError,
} from "./postgres-errors";
import { PostgresPool, type PostgresConnection, type PostgresPoolOptions } from "./postgres-pool";
import { LOOK, type Looked, PostgresSeal, type PostgresSealOptions } from "./postgres-seal";
import { isRead, numberedParameters } from "./postgres-sql";
import { CURRENT_MARK, refuseUnreplicated, transact } from "./postgres-transaction";
import { ReplicaSet, type ReplicaOptions } from "./replicas";
import { retrying } from "./retry";

/** How a Postgres database is opened. */
export interface PostgresOptions {
  /** The primary, or a pooler in front of it. */
  readonly primary: PostgresPoolOptions;
  /** Servers that may answer reads; @default none */
  readonly replicas?: ReplicaOptions;
  /** Longest wait for a lock, milliseconds. @default 5000 */
  readonly lockWaitMs?: number;
  /** Longest time to go on trying when the server is away, milliseconds; a failover fits in. @default 15000 */
  readonly retryMs?: number;
  /** Looks regularly whether the rows are moved to SQLite. @default not looked at: writes find out by themselves */
  readonly seal?: PostgresSealOptions;
}

const defaults = { lockWaitMs: 5000, retryMs: 15_000 } as const;

type Work<Result> = (transaction: Transaction) => Promise<Result>;

/**
 * Postgres through pools of connections, by itself or behind PgBouncer in transaction mode.
 *
 * What is repeated after a failure, and what is not: reads always; a transaction as long as COMMIT has not been sent; afterwards, and for
 * a single writing statement, only when it is certain that nothing happened. All else is a {@link CommitUnknownError}.
 */
export class PostgresDatabase implements Database {
  readonly kind = "postgres";
  readonly maxLagMs?: number;
  readonly #pool: PostgresPool;
  readonly #replicas: ReplicaSet | undefined;
  readonly #seal: PostgresSeal | undefined;
  readonly #lockWaitMs: number;
  readonly #retryMs: number;
  readonly #inside = new AsyncLocalStorage<true>();
  readonly #line = new KeyedLine();
  #retries = 0;

  constructor(options: PostgresOptions) {
    this.#pool = new PostgresPool(options.primary);
    this.#lockWaitMs = options.lockWaitMs ?? defaults.lockWaitMs;
    this.#retryMs = options.retryMs ?? defaults.retryMs;
    if (options.replicas !== undefined && options.replicas.servers.length > 0) {
      this.#replicas = new ReplicaSet(options.replicas, (deadlineMs) =>
        this.#pool.use((connection) => currentMark(connection, deadlineMs)),
      );
      this.maxLagMs = this.#replicas.maxLagMs;
    }
    if (options.seal !== undefined) this.#seal = new PostgresSeal(() => this.#look(), options.seal);
  }

  /** Opens the connections kept when idle and looks at replicas and seal for the first time, as far as they can be reached. */
  async warm(): Promise<void> {
    await Promise.all([this.#pool.warm(), this.#replicas?.start(), this.#seal?.start()]);
  }

  hasMoved(): boolean {
    return this.#seal?.standing === "sealed";
  }

  async all<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]> {
    return (await this.#single(sql, parameters)).rows as Row[];
  }

  async get<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row | undefined> {
    return (await this.#single(sql, parameters)).rows[0] as Row | undefined;
  }

  async run(sql: string, parameters?: readonly SqlValue[]): Promise<number> {
    return (await this.#single(sql, parameters)).rowCount ?? 0;
  }

  async transaction<Result>(work: Work<Result>, options: TransactionOptions = {}): Promise<Result> {
    if (this.#inside.getStore() === true) throw new Error("A transaction may not start another one; use the transaction it was given.");
    const { lock, idempotent = false } = options;
    let lost: CommitUnknownError | undefined;
    const begun = performance.now();
    let prepared = true;
    const attempt = () => {
      // Nor does anybody wait in line for what is refused.
      this.#refuseWhileHeld();
      return this.#inLine(lock, begun, () =>
        this.#writing((connection) =>
          transact(connection, {
            work: (transaction) => this.#inside.run(true, () => work(transaction)),
            lock,
            lockWaitMs: this.#lockWaitMs,
            marked: this.#replicas !== undefined,
            prepared,
          }),
        ),
      );
    };
    const repeatable = (error: unknown): boolean => {
      if (preparedFailure(error) !== undefined) {
        // Other statements of it may fail for the same reason; without names none does.
        prepared = false;
        return true;
      }
      if (!idempotent || !wasLostInCommit(error)) return isRepeatable(error);
      lost ??= error;
      return true;
    };
    try {
      const { result, mark } = await this.#retrying(attempt, repeatable);
      this.#replicas?.wrote(mark);
      return result;
    } catch (error) {
      // An earlier attempt may have been committed, so a later one that found no server does not mean that nothing was written.
      const isOutage = error instanceof DatabaseUnavailableError || error instanceof DatabaseBusyError;
      const told = isOutage && lost !== undefined ? lost : error;
      if (told instanceof CommitUnknownError) this.#replicas?.wrote(undefined);
      throw told;
    }
  }

  reader(afterWrite?: WriteMark): Queries {
    return this.#replicas?.reader(this, afterWrite) ?? this;
  }

  writeMark(): WriteMark | undefined {
    return this.#replicas?.writeMark();
  }

  figures(): DatabaseFigures {
    const replicas = this.#replicas?.figures() ?? { replicas: [], fallbacks: { behind: 0, unhealthy: 0, failed: 0 } };
    return { pool: this.#pool.figures, ...replicas, retries: this.#retries };
  }

  async ping(): Promise<number> {
    const start = performance.now();
    await this.#pool.use((connection) => connection.query("SELECT 1"));
    return performance.now() - start;
  }

  /** Nothing is kept here that could be rebuilt: idle connections close by themselves. */
  shrink(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    this.#seal?.stop();
    await this.#replicas?.close();
    await this.#pool.close();
  }

  /** One statement that is its own transaction. */
  async #single(sql: string, parameters: readonly SqlValue[] = []): Promise<QueryResult> {
    // Waiting for another connection while holding one: enough of these, and everyone waits for ever.
    if (this.#inside.getStore() === true) throw new Error("Inside a transaction use only the queries it was given.");
    const statement = numberedParameters(sql);
    const attempt = isRead(sql)
      ? () => this.#pool.use((connection) => connection.statement(statement, parameters))
      : () => this.#writing((connection) => this.#write(connection, statement, parameters));
    return this.#retrying(attempt, isRepeatable);
  }

  /** @throws DatabaseHeldError before it takes a connection */
  async #writing<Result>(work: (connection: PostgresConnection) => Promise<Result>): Promise<Result> {
    this.#refuseWhileHeld();
    return this.#pool.use(work);
  }

  /** While the rows are copied, writers would wait for a lock, each with a connection that readers then do not get. */
  #refuseWhileHeld(): void {
    if (this.#seal?.standing === "held") throw new DatabaseHeldError();
  }

  /** Asked once: the next look is soon enough. */
  async #look(): Promise<Looked> {
    const { rows } = await this.#pool.use((connection) => connection.statement(LOOK));
    return rows[0] as Looked;
  }

  async #write(connection: PostgresConnection, statement: string, parameters: readonly SqlValue[]): Promise<QueryResult> {
    let result: QueryResult;
    try {
      result = await connection.statement(statement, parameters);
    } catch (error) {
      if (!isLoss(error)) throw error;
      this.#replicas?.wrote(undefined);
      throw new CommitUnknownError("the connection was lost while a statement ran", error);
    }
    refuseUnreplicated(connection);
    // The statement has its own commit, so its place in the log can only be asked for afterwards.
    if (this.#replicas !== undefined) this.#replicas.wrote(await currentMark(connection).catch(() => undefined));
    return result;
  }

  /** @param begun when the first attempt was */
  async #inLine<Result>(lock: string | undefined, begun: number, work: () => Promise<Result>): Promise<Result> {
    if (lock === undefined) return work();
    // Whoever is at the head of the line waits for the server like everyone else: a failover is no lock that somebody holds. The line that it
    // left behind takes its time as well, in which nobody loses his place.
    const isExcused = (): boolean => this.#pool.wasSilentSince(begun - this.#retryMs);
    const more = (): number => (isExcused() ? Math.max(0, begun + this.#retryMs - performance.now()) : 0);
    const leave = await this.#line.enter(lock, this.#lockWaitMs, more);
    if (leave === undefined) {
      if (isExcused()) throw new ConnectFailedError(this.#pool.name, `no answer for a part of ${this.#retryMs} ms`);
      throw new DatabaseBusyError(this.#lockWaitMs, undefined);
    }
    try {
      return await work();
    } finally {
      leave();
    }
  }

  async #retrying<Result>(attempt: () => Promise<Result>, retryable: (error: unknown) => boolean): Promise<Result> {
    try {
      return await retrying(attempt, { budgetMs: this.#retryMs, retryable, onRetry: () => (this.#retries += 1) });
    } catch (error) {
      // What the seal answers, too.
      const isBusy = isLockTimeout(error) || (error instanceof DatabaseBusyError && !(error instanceof DatabaseHeldError));
      if (isBusy) void this.#seal?.look();
      if (isConflict(error)) throw new DatabaseBusyError(this.#retryMs, error);
      if (isRefusal(error) || isLoss(error)) throw new DatabaseUnavailableError((error as Error).message, error);
      throw translateError(error, this.#lockWaitMs);
    }
  }
}

/**
 * Whether the same may be done again: nothing of it was kept. A write that was lost when it could have been committed is a
 * {@link CommitUnknownError} by now. A server that was silent until the deadline is not asked again: the caller has waited enough.
 */
function isRepeatable(error: unknown): boolean {
  return isRefusal(error) || isConflict(error) || (isLoss(error) && !isSilent(error));
}

/** Lost with its connection; a commit that no standby confirmed has no cause, and asking again would not confirm it. */
function wasLostInCommit(error: unknown): error is CommitUnknownError {
  return error instanceof CommitUnknownError && error.cause !== undefined && !isSilent(error.cause);
}

function isSilent(error: unknown): boolean {
  return error instanceof ConnectionLostError && error.silent;
}

async function currentMark(connection: PostgresConnection, deadlineMs?: number): Promise<WriteMark> {
  const { rows } = await connection.query(CURRENT_MARK, [], deadlineMs);
  return (rows[0] as { mark: WriteMark }).mark;
}
