import type { IndexProgress } from "./progress";
import type { Value, ValueKind } from "./values";

/** A column as the database declares it. */
export interface Column {
  readonly name: string;
  readonly kind: ValueKind;
}

/** A table as both sides have it, columns in the order of their names. */
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Columns of the primary key, in its order. */
  readonly key: readonly string[];
}

/** An applied migration. */
export interface Applied {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
}

/** Reads one database in one snapshot: whatever others write meanwhile is not seen. */
export interface Reader {
  /** Host and database, or the file; never a password. */
  readonly name: string;
  readonly kind: "sqlite" | "postgres";
  /** Names of all tables. */
  tables(): Promise<ReadonlySet<string>>;
  /** Empty when the schema was never made. */
  migrations(): Promise<readonly Applied[]>;
  /** In the order of the columns' names; and the primary key. */
  describe(table: string): Promise<Table>;
  count(table: string): Promise<number>;
  /**
   * Rows in the order of the primary key, values canonical and in the order of `table.columns`.
   * @param after key of the last row that is known; @default from the first on
   */
  read(table: Table, after: readonly Value[] | undefined, limit: number): Promise<Value[][]>;
  /** What the column that counts by itself gave last; `undefined` for a table without one, `"0"` when it gave none yet. */
  counter(table: Table): Promise<string | undefined>;
  /** The fence's epoch, see cache/fence.ts. */
  epoch(): Promise<number>;
  close(): Promise<void>;
}

/** How far one table has come. */
export interface TableState {
  readonly table: string;
  readonly rows: number;
  /** Of the rows that were read, see RowsChecksum. */
  readonly checksum: string;
  /** Key of the last row; `null` before the first. */
  readonly lastKey: readonly Value[] | null;
}

/** What the database that is filled knows of its transfer. */
export interface TransferState {
  /** `copying` until every row was compared, `complete` from then on. */
  readonly state: "copying" | "complete";
  /** {@link Reader.name} of where the rows come from. */
  readonly source: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly tables: readonly TableState[];
}

/** The database that is filled. */
export interface Writer extends Reader {
  /** Makes the app's schema, by the app's own migrations. */
  migrate(): Promise<void>;
  /** `undefined` when no transfer ever began. */
  state(): Promise<TransferState | undefined>;
  /**
   * Begins, or takes over one that was interrupted: another run that still writes is stopped by it.
   * @param source {@link Reader.name}
   * @param finishedAt of the state that was found, `null` when no run came to its end
   * @throws TransferError when one did since.
   */
  begin(source: string, finishedAt: string | null): Promise<void>;
  /** Deletes all rows of these tables, and what is known of them, in one transaction. Only for rows of a transfer that is not complete. */
  clear(tables: readonly Table[], source: string): Promise<void>;
  /** One batch and how far the table is with it, in one transaction. @throws TransferError when another run took over. */
  write(table: Table, rows: readonly (readonly Value[])[], reached: TableState): Promise<void>;
  /** The column that counts by itself gives more than this next. */
  setCounter(table: Table, last: string): Promise<void>;
  /** Everything was compared: raises the fence and says so, in one transaction. @param epoch of the side the rows come from */
  complete(epoch: number): Promise<void>;
  /** Before the first row, also of a run that goes on: puts off what is made from all rows in less time than with each of them. */
  beforeRows(): Promise<void>;
  /** After the last row: makes what was put off, and statistics for the planner of queries. @param making told of each index first; may throw */
  afterRows(making: (index: IndexProgress) => void): Promise<void>;
}
