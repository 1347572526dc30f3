/** What a statement takes and returns. Booleans are 0 and 1, times are ISO 8601 text in UTC with milliseconds. */
export type SqlValue = string | number | null;

/** Parameterised statements. Parameters are written `?`; a dialect with another notation translates them. */
export interface Queries {
  /** Every row. Callers bound the number of rows with LIMIT. */
  all<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]>;
  /** The first row, or `undefined`. */
  get<Row extends object>(sql: string, parameters?: readonly SqlValue[]): Promise<Row | undefined>;
  /** Executes a statement; the number of rows it changed. */
  run(sql: string, parameters?: readonly SqlValue[]): Promise<number>;
}

/** The statements of one transaction. */
export interface Transaction extends Queries {
  /** Executes several statements without parameters, separated by semicolons; for migrations. */
  script(sql: string): Promise<void>;
}

/** How a transaction relates to others, and to failures of the network. */
export interface TransactionOptions {
  /**
   * Transactions with the same key wait for each other, everywhere, and those with different keys do not. What happens under a key is
   * only in order with respect to that key. A tenant's transactions have their company as key; see `TenantScope.transaction`.
   * @default none: the transaction has the effect it would have if all ran one after the other; on Postgres that is SERIALIZABLE, so
   * `work` may run again when it meets another one.
   */
  readonly lock?: string;
  /**
   * Running `work` once more after it has been committed does no harm, because it looks for what the first run left. Only then
   * is it run again when the connection is lost during COMMIT.
   * @default false
   */
  readonly idempotent?: boolean;
}

/** A place in the primary's log of writes, as `pg_lsn` writes it: replicas that have replayed it have seen the write. */
export type WriteMark = string;

/** How full a pool of connections is. */
export interface PoolFigures {
  /** Most connections it may open. */
  readonly max: number;
  readonly open: number;
  readonly inUse: number;
  readonly idle: number;
  /** Requests that wait for a connection. */
  readonly waiting: number;
}

/** One read replica as its monitor sees it. */
export interface ReplicaFigures {
  /** Host, port and database; never the password. */
  readonly name: string;
  /** It is the primary at the moment, and not read as a replica; nothing is wrong with that. */
  readonly primary: boolean;
  /** It is read. */
  readonly healthy: boolean;
  /** How far it is behind the primary, ms; `null` when that is not known. */
  readonly lagMs: number | null;
  readonly latencyMs: number | null;
  readonly reads: number;
  readonly failures: number;
  readonly lastError: string | null;
  readonly pool: PoolFigures;
}

/** What a database can tell about its connections; an embedded one has none. */
export interface DatabaseFigures {
  readonly pool: PoolFigures | undefined;
  /** Of several databases: the pools of those after the first, by name. @default none */
  readonly shardPools?: Readonly<Record<string, PoolFigures>>;
  readonly replicas: readonly ReplicaFigures[];
  /** Reads that asked for a replica and went to the primary, by reason. */
  readonly fallbacks: { readonly behind: number; readonly unhealthy: number; readonly failed: number };
  /** Attempts that were repeated after a lost connection, or after meeting another transaction. */
  readonly retries: number;
}

/** Where the rows of one company are reached: a {@link Database} itself, or one of several. */
export type TenantDatabase = Pick<Database, "all" | "get" | "run" | "transaction" | "reader" | "writeMark" | "maxLagMs">;

/**
 * The database as the app sees it: `db/sqlite.ts` and `db/postgres.ts` implement it. One contract test suite runs against each.
 */
export interface Database extends Queries {
  readonly kind: "sqlite" | "postgres";
  /** How far behind, ms, a replica may be that {@link reader} reads; absent without replicas, where every read sees every write. */
  readonly maxLagMs?: number;
  /**
   * Runs `work` in one write transaction: commits when it resolves, rolls back when it rejects. Transactions have the effect of running
   * one after the other, in this process and in others. `work` uses only the transaction it is given and awaits nothing else: others
   * wait meanwhile. It has no effect outside of the transaction, because it may be run again. A statement that fails dooms the
   * transaction, also when `work` catches its error.
   * @throws DatabaseBusyError when others keep a lock for longer than the lock wait.
   * @throws DatabaseUnavailableError when there is no server to be had, and nothing was written.
   * @throws CommitUnknownError when the connection was lost while committing.
   */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>, options?: TransactionOptions): Promise<Result>;
  /**
   * For reads that may be a moment behind: a healthy read replica in turn, else the primary. Take one per request.
   * @param afterWrite only a replica that has seen this write.
   */
  reader(afterWrite?: WriteMark): Queries;
  /** The last write of this process; `undefined` without replicas, where every read sees every write. */
  writeMark(): WriteMark | undefined;
  figures(): DatabaseFigures;
  /**
   * A number that is another one after every commit; equal numbers mean that nothing was committed in between. What this process commits
   * counts at once, what others commit 0.2 ms later at the latest, before a client that was answered can ask here. Absent where only a
   * round trip could tell.
   */
  changeMark?(): number;
  /** Whether the rows were moved to another database: writes are refused, and readiness ends. What was known last, without a round trip. Absent where that cannot be. */
  hasMoved?(): boolean;
  /** Where the rows of this company are, of several databases; absent where there is one. Use `homeOf`. */
  ofCompany?(companyId: string): TenantDatabase;
  /** All of several databases, this one first; absent where there is one. Use `shardsOf`. */
  readonly shards?: readonly { readonly name: string; readonly database: Database }[];
  /** The one of {@link shards} with the rows of this company, where that is known without asking; it may have moved since. Absent where there is one. */
  knownHome?(companyId: string): Database | undefined;
  /** Gives a new company its place among several databases, before anything of it is written; absent where there is one. */
  admitCompany?(companyId: string): Promise<void>;
  /** Keeps an address for a user that the company is about to make; `false` when another company has it. Absent where there is one. */
  claimLogin?(email: string, companyId: string): Promise<boolean>;
  /** Companies that may have a user with this address; absent where there is one. */
  companiesOfLogin?(email: string): Promise<readonly string[]>;
  /** Proves that the database answers; milliseconds it took. */
  ping(): Promise<number>;
  /** Gives back memory that can be rebuilt (statement and page caches). */
  shrink(): Promise<void>;
  /** Waits for what was begun, then closes. Using it afterwards is an error. */
  close(): Promise<void>;
}

/** A rule of the schema refused a write. */
export class ConstraintError extends Error {
  override readonly name = "ConstraintError";
  constructor(
    readonly constraint: "unique" | "foreign-key" | "check" | "not-null",
    /** Columns as `table.column`, where the database tells them. */
    readonly columns: readonly string[],
    cause: unknown,
  ) {
    super(`A ${constraint} constraint refused the write${columns.length === 0 ? "" : ` (${columns.join(", ")})`}.`, { cause });
  }
}

/** Others held the write lock for too long; the same request may succeed a moment later. */
export class DatabaseBusyError extends Error {
  override readonly name: string = "DatabaseBusyError";
  constructor(waitedMs: number, cause: unknown, message = `The database stayed locked by other writers for ${waitedMs} ms.`) {
    super(message, { cause });
  }
}

/** All rows are being copied to another database (see transfer/move.ts), and nothing is written meanwhile. Nothing was waited for, or written. */
export class DatabaseHeldError extends DatabaseBusyError {
  override readonly name = "DatabaseHeldError";
  constructor() {
    super(0, undefined, "The rows of the database are being moved to another one, and nothing is written meanwhile.");
  }
}

/** No server could be reached, or it stopped answering. Nothing was written, so the same request may succeed later. */
export class DatabaseUnavailableError extends Error {
  override readonly name: string = "DatabaseUnavailableError";
  constructor(why: string, cause: unknown) {
    super(`The database is not available: ${why}.`, { cause });
  }
}

/** The rows are in another database now (see transfer/move.ts): this one is read until nobody asks it any more. Nothing was written. */
export class DatabaseMovedError extends DatabaseUnavailableError {
  override readonly name = "DatabaseMovedError";
  constructor() {
    super("its rows were moved to another database", undefined);
  }
}

/** An instance is started on a file whose rows were moved: it would be asked by nobody, and waited for until it is given up. */
export class SealedFileError extends Error {
  override readonly name = "SealedFileError";
  constructor(file: string) {
    super(
      `${file} is sealed: a switch of phase moved its rows to Postgres, and no instance starts on it any more. Go on with that switch (phase database, ` +
        "npm run up), or take it back as docs/runbooks/sealed-file.md says",
    );
  }
}

/** Every connection stayed in use for longer than the wait for one. */
export class PoolExhaustedError extends DatabaseUnavailableError {
  override readonly name = "PoolExhaustedError";
}

/** The server was lost, or could not replicate, while it committed: whether the write holds is not known. */
export class CommitUnknownError extends Error {
  override readonly name = "CommitUnknownError";
  constructor(why: string, cause?: unknown) {
    super(`It is not known whether the write was kept: ${why}.`, { cause });
  }
}

/** A statement failed earlier and its error was caught: nothing of the transaction can be committed. */
export class DoomedTransactionError extends Error {
  override readonly name = "DoomedTransactionError";
  constructor() {
    super("A statement of this transaction failed, so it cannot be committed; let its error end the transaction.");
  }
}

/** A value does not fit its column, such as text for a number: the mistake of whoever sent it. */
export class InvalidValueError extends Error {
  override readonly name = "InvalidValueError";
  constructor(cause: unknown) {
    super("A value does not have the form its column needs.", { cause });
  }
}
