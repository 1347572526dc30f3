import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { assetDirectory } from "../assets";
import { migrate, readMigrations } from "../db/migrate";
import { MOVED_VERSION, SqliteDatabase } from "../db/sqlite";
import { TransferError } from "./failure";
import type { IndexProgress } from "./progress";
import { plainIndexes } from "./sqlite-indexes";
import * as state from "./state";
import type { Applied, Column, Reader, Table, TableState, TransferState, Writer } from "./store";
import { canonical, kindOfType, type Value } from "./values";

/** Longest wait for the write lock of others, ms; the app's own transactions take a few. */
const LOCK_WAIT_MS = 30_000;

/**
 * Memory for pages of a file that is filled, KiB, and as much again for sorting while an index is made. With SQLite's own 2 MB, pages that do not
 * fit are written again and again.
 */
const WRITE_CACHE_KIB = 65_536;

const BEGIN = { snapshot: "BEGIN; ", held: "BEGIN IMMEDIATE; ", nothing: "" } as const;

/** One SQLite file, read by a connection of its own. */
export class SqliteReader implements Reader {
  readonly kind = "sqlite";
  readonly name: string;
  protected readonly connection: DatabaseSync;

  /**
   * @param options.begin what everything is read in: one snapshot, one that others cannot write beside, or none. @default "snapshot"
   * @throws TransferError when there is no such file, or it is no database.
   */
  constructor(file: string, options: { readonly ifMissing?: "refuse" | "create" | "pretend"; readonly begin?: keyof typeof BEGIN } = {}) {
    const { ifMissing = "refuse", begin = "snapshot" } = options;
    this.name = `sqlite:${path.resolve(file)}`;
    const isMissing = !existsSync(file);
    if (isMissing && ifMissing === "refuse") throw new TransferError(`there is no SQLite database at ${path.resolve(file)}`);
    try {
      const opened = isMissing && ifMissing === "pretend" ? ":memory:" : file;
      this.connection = new DatabaseSync(opened, { timeout: LOCK_WAIT_MS, enableForeignKeyConstraints: true });
      // The first statement fixes what the snapshot holds.
      this.connection.exec(`${BEGIN[begin]}SELECT count(*) FROM sqlite_schema`);
    } catch (error) {
      throw new TransferError(`${path.resolve(file)} cannot be used as a SQLite database: ${(error as Error).message}`);
    }
  }

  tables(): Promise<ReadonlySet<string>> {
    const rows = this.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'");
    return Promise.resolve(new Set(rows.map(([name]) => String(name))));
  }

  async migrations(): Promise<readonly Applied[]> {
    if (!(await this.tables()).has("schema_migrations")) return [];
    return this.rows("SELECT version, name, checksum FROM schema_migrations ORDER BY version").map(([version, name, checksum]) => ({
      version: Number(version),
      name: String(name),
      checksum: String(checksum),
    }));
  }

  describe(name: string): Promise<Table> {
    const rows = this.rows(`SELECT name, type, pk FROM pragma_table_info(?) ORDER BY name`, [name]);
    const columns = rows.map(([column, type]): Column => ({ name: String(column), kind: kindOfType(String(type)) }));
    const key = rows.filter(([, , place]) => Number(place) > 0).sort(([, , a], [, , b]) => Number(a) - Number(b));
    return Promise.resolve({ name, columns, key: key.map(([column]) => String(column)) });
  }

  count(table: string): Promise<number> {
    return Promise.resolve(Number(this.rows(`SELECT count(*) FROM ${table}`)[0]?.[0] ?? 0));
  }

  read(table: Table, after: readonly Value[] | undefined, limit: number): Promise<Value[][]> {
    const { key, columns } = table;
    const where = after === undefined ? "" : `WHERE (${key.join(", ")}) > (${key.map(() => "?").join(", ")})`;
    const sql = `SELECT ${columns.map(({ name }) => name).join(", ")} FROM ${table.name} ${where} ORDER BY ${key.join(", ")} LIMIT ?`;
    const kinds = new Map(columns.map(({ name, kind }) => [name, kind]));
    const parameters = (after ?? []).map((value, index) => bound(kinds.get(key[index] ?? ""), value));
    const rows = this.rows(sql, [...parameters, limit]);
    return Promise.resolve(rows.map((row) => row.map((value, index) => textOf(columns[index]?.kind ?? "text", value))));
  }

  counter(table: Table): Promise<string | undefined> {
    const declared = this.rows("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", [table.name])[0]?.[0];
    if (!/\bAUTOINCREMENT\b/i.test(String(declared))) return Promise.resolve(undefined);
    return Promise.resolve(String(this.rows("SELECT seq FROM sqlite_sequence WHERE name = ?", [table.name])[0]?.[0] ?? 0));
  }

  epoch(): Promise<number> {
    return Promise.resolve(Number(this.rows("SELECT epoch FROM redis_fence WHERE id = 1")[0]?.[0] ?? 0));
  }

  close(): Promise<void> {
    if (this.connection.isOpen) this.connection.close();
    return Promise.resolve();
  }

  protected rows(sql: string, parameters: readonly SQLInputValue[] = []): SqlRow[] {
    return this.prepared(sql).all(...parameters) as unknown as SqlRow[];
  }

  /** Arrays instead of objects, and whole numbers as they are, however large. */
  protected prepared(sql: string): StatementSync {
    const statement = this.connection.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return statement;
  }
}

type SqlRow = readonly (string | number | bigint | Uint8Array | null)[];

function textOf(kind: Column["kind"], value: SqlRow[number]): Value {
  if (value === null) return null;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return canonical(kind, String(value));
}

/** As a STRICT table wants it. */
function bound(kind: Column["kind"] | undefined, value: Value): SQLInputValue {
  if (value === null) return null;
  if (kind === "integer" || kind === "boolean") return BigInt(value);
  if (kind === "number") return Number(value);
  return kind === "bytes" ? Buffer.from(value, "hex") : value;
}

/**
 * A SQLite file whose writers wait, from before the first row is read: they are refused after a few seconds, readers notice nothing. Whatever
 * ends this process lets them go on.
 */
export class HeldSqliteReader extends SqliteReader {
  /** @throws TransferError when somebody else writes for too long. */
  constructor(file: string) {
    super(file, { begin: "held" });
  }

  /** A former run came to the end, or nearly. */
  get hasMoved(): boolean {
    return Number(this.rows("PRAGMA user_version")[0]?.[0]) === MOVED_VERSION;
  }

  /** For good: no version of the app that knows of it writes to this file again. Ends the snapshot. */
  sealForGood(): void {
    this.connection.exec(`PRAGMA user_version = ${MOVED_VERSION}; COMMIT`);
  }

  /**
   * Undoes {@link sealForGood}: whoever has the file open writes to it again, from the next transaction on. Ends the snapshot.
   * @param source where the rows are taken to have come back from: a later move that finds rows there must not take them for older ones
   * @param run a UUID of this opening
   * @param epoch of the fence there; the file's is raised above it
   * @param counters what columns that count by themselves gave last there: nothing that was seen under such a number gets it again
   */
  takeSealOff(source: string, run: string, epoch: number, counters: readonly { readonly table: string; readonly last: string }[]): void {
    const now = new Date().toISOString();
    this.connection.exec(`${state.CREATE_STATE}DELETE FROM data_transfer; ${state.FORGET_TABLES}`);
    this.connection.prepare(state.TAKE_OVER).run(source, run, now, null);
    this.connection.prepare(state.COMPLETE).run(now);
    this.connection.prepare(state.RAISE_FENCE).run(epoch, epoch);
    const count = this.connection.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?");
    for (const { table, last } of counters) count.run(BigInt(last), table);
    this.connection.exec("PRAGMA user_version = 0; COMMIT");
  }
}

/** A SQLite file that is filled; it is made when it does not exist. */
export class SqliteWriter extends SqliteReader implements Writer {
  readonly #file: string;
  /** Of this filling, and kept in the file. */
  readonly run = randomUUID();

  /** @param dryRun a file that does not exist is not made, and there is nothing in it. */
  constructor(file: string, dryRun = false) {
    super(file, { ifMissing: dryRun ? "pretend" : "create", begin: "nothing" });
    this.#file = file;
    this.connection.exec(`PRAGMA cache_size = -${WRITE_CACHE_KIB}`);
  }

  async migrate(): Promise<void> {
    const database = await SqliteDatabase.open({ file: this.#file });
    try {
      await migrate(database, readMigrations(assetDirectory("migrations/sqlite")));
    } finally {
      await database.close();
    }
  }

  async state(): Promise<TransferState | undefined> {
    if (!(await this.tables()).has("data_transfer")) return undefined;
    const row = this.rows(state.READ_STATE)[0];
    const text = (values: SqlRow): Value[] => values.map((value) => (value === null ? null : String(value)));
    return row === undefined
      ? undefined
      : state.stateOf(
          text(row) as unknown as state.StateRow,
          this.rows(state.READ_TABLES).map((table) => text(table) as unknown as state.TableRow),
        );
  }

  begin(source: string, finishedAt: string | null): Promise<void> {
    return this.#transaction(() => {
      this.connection.exec(state.CREATE_STATE);
      const taken = this.connection.prepare(state.TAKE_OVER).run(source, this.run, new Date().toISOString(), finishedAt);
      if (taken.changes === 0) throw state.finishedMeanwhile();
    });
  }

  clear(tables: readonly Table[], source: string): Promise<void> {
    return this.#continuing(() => {
      for (const { name } of [...tables].reverse()) this.connection.exec(`DELETE FROM ${name}`);
      this.connection.exec(state.FORGET_TABLES);
      this.connection.prepare(state.RESTART).run(source, new Date().toISOString());
    });
  }

  write(table: Table, rows: readonly (readonly Value[])[], reached: TableState): Promise<void> {
    const names = table.columns.map(({ name }) => name);
    return this.#continuing(() => {
      const insert = this.connection.prepare(`INSERT INTO ${table.name} (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")})`);
      for (const row of rows) insert.run(...row.map((value, index) => bound(table.columns[index]?.kind, value)));
      this.connection.prepare(state.REACHED).run(...state.reachedParameters(reached));
    });
  }

  setCounter(table: Table, last: string): Promise<void> {
    return this.#continuing(() => {
      const set = this.connection.prepare("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?");
      if (set.run(BigInt(last), table.name).changes > 0) return;
      this.connection.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)").run(table.name, BigInt(last));
    });
  }

  complete(epoch: number): Promise<void> {
    return this.#continuing(() => {
      this.connection.prepare(state.RAISE_FENCE).run(epoch, epoch);
      this.connection.prepare(state.COMPLETE).run(new Date().toISOString());
    });
  }

  /** Without indexes a row is written where the last one was; with them, in as many places as there are indexes, all over the file. */
  beforeRows(): Promise<void> {
    return this.#continuing(() => {
      for (const { name } of plainIndexes()) this.connection.exec(`DROP INDEX IF EXISTS ${name}`);
    });
  }

  /** SQLite needs no statistics: it plans the app's queries by their indexes alone. */
  async afterRows(making: (index: IndexProgress) => void): Promise<void> {
    const indexes = plainIndexes();
    for (const [place, { name, table, sql }] of indexes.entries()) {
      making({ step: "indexing", index: name, table, place: place + 1, of: indexes.length });
      await this.#continuing(() => this.connection.exec(sql));
      // Signals come in between.
      await setImmediate();
    }
  }

  #continuing(work: () => void): Promise<void> {
    return this.#transaction(() => {
      if (this.connection.prepare(state.CONTINUE).run(this.run).changes === 0) throw state.takenOver();
      work();
    });
  }

  #transaction(work: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.connection.exec("BEGIN IMMEDIATE");
      try {
        work();
        this.connection.exec("COMMIT");
        resolve();
      } catch (error) {
        if (this.connection.isTransaction) this.connection.exec("ROLLBACK");
        throw error;
      }
    });
  }
}
