import { AsyncLocalStorage } from "node:async_hooks";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { DatabaseBusyError, DatabaseMovedError, DoomedTransactionError } from "./database";
import type { Database, DatabaseFigures, Queries, SqlValue, Transaction } from "./database";
import { isBusy, translating } from "./sqlite-errors";

/** How a SQLite file is opened. */
export interface SqliteOptions {
  /** Path of the database file; its directory is created. */
  readonly file: string;
  /** Longest wait for another process's write lock, in milliseconds. @default 5000 */
  readonly lockWaitMs?: number;
  /**
   * `full`: an acknowledged write is on disk before the answer leaves, so it survives a power cut; one fsync a commit (measured: 0.36 ms
   * on an SSD against 0.014 ms). `normal`: it survives the death of any process and of the container, but a power cut or a
   * crash of the kernel may lose the last moments. Neither can corrupt the file. @default "full"
   */
  readonly synchronous?: "full" | "normal";
  /**
   * How long an answer of {@link SqliteDatabase.changeMark} holds at most, milliseconds; 0 in tests where one process plays several.
   * @default 0.2, less than a client needs to hear of a change and ask another process
   */
  readonly changeMarkHoldsMs?: number;
}

const defaults = { lockWaitMs: 5000, synchronous: "full", changeMarkHoldsMs: 0.2 } as const;

/** Waits inside SQLite, which stop this process's event loop, end here (ms). Most write transactions elsewhere are shorter. */
const BLOCKING_WAIT_MS = 5;

/** Longest pause between two tries for the lock, ms; drawn at random so that waiting processes do not march in step. */
const RETRY_PAUSE_MS = 20;

/** Tries that found the write lock taken belong together when they are no further apart, ms: somebody holds it all the time. */
const HELD_GAP_MS = 1000;

/** Prepared statements kept. The app has a few dozen; the bound is against a programming error. */
const STATEMENT_LIMIT = 256;

/** The log is cut back to this after a checkpoint, in bytes, so that one burst of writes does not keep the space. */
const JOURNAL_SIZE_LIMIT_BYTES = 64 * 1024 ** 2;

/** `PRAGMA user_version` of a file whose rows were moved to another database: "MOVE" in ASCII. It changes in a transaction, as rows do. */
export const MOVED_VERSION = 0x4d4f5645;

/**
 * The embedded database: one connection a process on a file that several processes, and containers of the same host, share.
 *
 * Write-ahead log: readers never wait for the writer. `node:sqlite` is synchronous, so waiting for a lock inside SQLite would stop
 * the event loop for up to the whole wait; here a process tries for a few milliseconds, then waits outside SQLite.
 */
export class SqliteDatabase implements Database {
  readonly kind = "sqlite";
  readonly #connection: DatabaseSync;
  readonly #lockWaitMs: number;
  readonly #changeMarkHoldsMs: number;
  readonly #statements = new Map<string, StatementSync>();
  readonly #inside = new AsyncLocalStorage<true>();
  /** See {@link changeMark}. */
  #changeMark = 0;
  #seenVersion = -1;
  /** When the file was asked for changes, if it was in this turn of the event loop. */
  #turn: number | undefined;
  readonly #turnEnds = (): void => {
    this.#turn = undefined;
  };
  /** Since when every try to begin a transaction found the lock taken, and when the last one did. */
  readonly #held = { since: 0, at: -Infinity };
  /** Settles when the last transaction in line has ended. */
  #line: Promise<unknown> = Promise.resolve();
  /** Settles when the transaction that is open on the connection ends; everything else has to stay out of it. */
  #open: Promise<void> | undefined;

  private constructor(connection: DatabaseSync, lockWaitMs: number, changeMarkHoldsMs: number) {
    this.#connection = connection;
    this.#lockWaitMs = lockWaitMs;
    this.#changeMarkHoldsMs = changeMarkHoldsMs;
  }

  /** @throws when the file cannot be opened or is no database. */
  static async open(options: SqliteOptions): Promise<SqliteDatabase> {
    const { file, lockWaitMs, synchronous, changeMarkHoldsMs } = { ...defaults, ...options };
    mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
    const connection = new DatabaseSync(file, { timeout: BLOCKING_WAIT_MS, enableForeignKeyConstraints: true });
    const database = new SqliteDatabase(connection, lockWaitMs, changeMarkHoldsMs);
    try {
      // Several processes may create the file at the same time: the switch to WAL needs it exclusively for a moment.
      await database.#whenUnlocked(() => connection.exec("PRAGMA journal_mode = WAL"));
      await database.#whenUnlocked(() =>
        connection.exec(`PRAGMA synchronous = ${synchronous}; PRAGMA journal_size_limit = ${JOURNAL_SIZE_LIMIT_BYTES}`),
      );
    } catch (error) {
      connection.close();
      throw error;
    }
    return database;
  }

  async all<Row extends object>(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    await this.#outsideTransactions();
    return this.#whenUnlocked(() => this.#statement(sql).all(...parameters) as Row[]);
  }

  async get<Row extends object>(sql: string, parameters: readonly SqlValue[] = []): Promise<Row | undefined> {
    await this.#outsideTransactions();
    return this.#whenUnlocked(() => this.#statement(sql).get(...parameters) as Row | undefined);
  }

  run(sql: string, parameters: readonly SqlValue[] = []): Promise<number> {
    return this.transaction((transaction) => transaction.run(sql, parameters));
  }

  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    if (this.#inside.getStore() === true)
      return Promise.reject(new Error("A transaction may not start another one; use the transaction it was given."));
    const result = this.#line.then(() => this.#transact(work));
    // The next in line waits for the end, however it comes about; the caller gets the error.
    this.#line = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** One file: whoever reads it sees every write. */
  reader(): Queries {
    return this;
  }

  writeMark(): undefined {
    return undefined;
  }

  figures(): DatabaseFigures {
    return { pool: undefined, replicas: [], fallbacks: { behind: 0, unhealthy: 0, failed: 0 }, retries: 0 };
  }

  async ping(): Promise<number> {
    const start = performance.now();
    // Reads the file's header, so a file that was deleted or cut short underneath is noticed.
    await this.get("SELECT count(*) AS count FROM sqlite_schema");
    return performance.now() - start;
  }

  changeMark(): number {
    // Asking costs 6 µs, so the answer holds for the requests that one turn of the event loop finds waiting, and not for long, because
    // what runs before them may take its time.
    const now = performance.now();
    if (this.#turn !== undefined && now < this.#turn + this.#changeMarkHoldsMs) return this.#changeMark;
    if (this.#turn === undefined) setImmediate(this.#turnEnds);
    this.#turn = now;
    try {
      // Other connections' commits (https://www.sqlite.org/pragma.html#pragma_data_version); the own ones are counted at COMMIT.
      const { data_version: seen } = this.#statement("PRAGMA data_version").get() as { readonly data_version: number };
      if (seen !== this.#seenVersion) {
        this.#seenVersion = seen;
        this.#changeMark += 1;
      }
    } catch {
      // It cannot tell at this moment: as if something had changed. Whoever reads then hears of the reason.
      this.#changeMark += 1;
    }
    return this.#changeMark;
  }

  hasMoved(): boolean {
    try {
      const { user_version: version } = this.#statement("PRAGMA user_version").get() as { readonly user_version: number };
      return version === MOVED_VERSION;
    } catch (error) {
      // It cannot tell at this moment; under the write lock it always can.
      if (isBusy(error)) return false;
      throw error;
    }
  }

  async shrink(): Promise<void> {
    await this.#outsideTransactions();
    this.#statements.clear();
    this.#connection.exec("PRAGMA shrink_memory");
  }

  async close(): Promise<void> {
    await this.#line;
    this.#statements.clear();
    if (this.#connection.isOpen) this.#connection.close();
  }

  async #transact<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    let ended!: () => void;
    await this.#whenUnlocked(() => {
      this.#begin();
      // In the same tick as BEGIN: no statement of another request may slip into the transaction.
      this.#open = new Promise((resolve) => (ended = resolve));
    });
    const health = { doomed: false };
    try {
      // Under the lock, which whoever moves the rows holds from before the first row is read until this is set.
      if (this.hasMoved()) throw new DatabaseMovedError();
      const result = await this.#inside.run(true, () => work(this.#queries(health)));
      if (health.doomed) throw new DoomedTransactionError();
      // Also when COMMIT fails: nobody depends on its not having changed anything.
      this.#changeMark += 1;
      translating(() => this.#connection.exec("COMMIT"));
      return result;
    } catch (error) {
      // SQLite has already rolled back by itself after some errors (disk full).
      if (this.#connection.isTransaction) this.#connection.exec("ROLLBACK");
      throw error;
    } finally {
      this.#open = undefined;
      ended();
    }
  }

  /**
   * Whoever holds the lock for longer than the wait (a copy of all rows) holds it for the next in line as well, and each of them would wait as
   * long again: they are refused at once.
   * @throws DatabaseBusyError
   */
  #begin(): void {
    const held = this.#held;
    try {
      this.#connection.exec("BEGIN IMMEDIATE");
      held.at = -Infinity;
    } catch (error) {
      if (!isBusy(error)) throw error;
      const now = performance.now();
      if (now - held.at > HELD_GAP_MS) held.since = now;
      held.at = now;
      if (now - held.since >= this.#lockWaitMs) throw new DatabaseBusyError(Math.round(now - held.since), error);
      throw error;
    }
  }

  /** SQLite itself would go on after a failed statement. Postgres does not, so neither does this. */
  #queries(health: { doomed: boolean }): Transaction {
    const attempt = <Result>(action: () => Result): Promise<Result> =>
      new Promise((resolve) => {
        try {
          resolve(translating(action));
        } catch (error) {
          health.doomed = true;
          throw error;
        }
      });
    return {
      all: <Row extends object>(sql: string, parameters: readonly SqlValue[] = []) =>
        attempt(() => this.#statement(sql).all(...parameters) as Row[]),
      get: <Row extends object>(sql: string, parameters: readonly SqlValue[] = []) =>
        attempt(() => this.#statement(sql).get(...parameters) as Row | undefined),
      run: (sql, parameters = []) => attempt(() => Number(this.#statement(sql).run(...parameters).changes)),
      script: (sql) => attempt(() => this.#connection.exec(sql)),
    };
  }

  async #outsideTransactions(): Promise<void> {
    for (let open = this.#open; open !== undefined; open = this.#open) {
      // Waiting for the transaction one is inside of would never end.
      if (this.#inside.getStore() === true) throw new Error("Inside a transaction use only the queries it was given.");
      await open;
    }
  }

  #statement(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (this.#statements.size >= STATEMENT_LIMIT) this.#statements.clear();
    const statement = this.#connection.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  /** Runs a synchronous action as soon as no other process's lock forbids it, without stopping the event loop meanwhile. */
  async #whenUnlocked<Result>(action: () => Result): Promise<Result> {
    const start = performance.now();
    for (;;) {
      try {
        return translating(action);
      } catch (error) {
        if (!isBusy(error)) throw error;
        const waited = performance.now() - start;
        if (waited >= this.#lockWaitMs) throw new DatabaseBusyError(Math.round(waited), error);
      }
      await delay(1 + Math.random() * RETRY_PAUSE_MS);
      while (this.#open !== undefined) await this.#open;
    }
  }
}
