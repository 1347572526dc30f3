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

/**
 * The database as the app sees it; `db/sqlite.ts` implements it for phase `cluster`. One contract test suite runs against every
 * implementation.
 */
export interface Database extends Queries {
  readonly kind: "sqlite" | "postgres";
  /**
   * Runs `work` in one write transaction: commits when it resolves, rolls back when it rejects. Transactions exclude each other, in
   * this process and in others. `work` uses only the transaction it is given and awaits nothing else: others wait meanwhile.
   * @throws DatabaseBusyError when another process keeps the write lock for longer than the lock wait.
   */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result>;
  /** Proves that the database answers; milliseconds it took. */
  ping(): Promise<number>;
  /** Gives back memory that can be rebuilt (statement and page caches). */
  shrink(): Promise<void>;
  /** Waits for a running transaction, then closes. Using it afterwards is an error. */
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
  override readonly name = "DatabaseBusyError";
  constructor(waitedMs: number, cause: unknown) {
    super(`The database stayed locked by other writers for ${waitedMs} ms.`, { cause });
  }
}
