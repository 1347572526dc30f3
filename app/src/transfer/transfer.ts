import { checkEmpty, checkMigrations, checkUndivided, checkUnlisted, commonTable } from "./checks";
import { TransferError, TransferStopped } from "./failure";
import { Meter, type RowsProgress, type TransferProgress } from "./progress";
import type { Reader, Table, TableState, TransferState, Writer } from "./store";
import { CARRIED_TABLES, LEFT_TABLES } from "./tables";
import { RowsChecksum, type Value } from "./values";

/** How a transfer is done. */
export interface TransferOptions {
  /** Only looks, and tells what would be carried. @default false */
  readonly dryRun?: boolean;
  /** Begins anew where a former run left rows behind and did not finish. Never touches rows of anybody else. @default false */
  readonly restart?: boolean;
  /** Tables of the source, other than the app's, that may stay behind. @default none */
  readonly leave?: readonly string[];
  /** Stops between two batches. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  /** A former transfer of the same source that is complete: nothing more to do, or a target with rows like any other. @default "accept" */
  readonly earlier?: "accept" | "refuse";
  /** When all rows were compared, before the target is told so: the last moment at which the source may still be used. */
  readonly beforeComplete?: () => void | Promise<void>;
}

/** One table of a finished transfer. */
export interface TableResult {
  readonly table: string;
  readonly rows: number;
  /** Of the rows of both sides, see RowsChecksum; absent of a dry run. */
  readonly checksum?: string;
}

/** What a transfer did. */
export interface TransferResult {
  readonly from: string;
  readonly to: string;
  /** `already`: a former run had finished it, and nothing was done now. */
  readonly outcome: "complete" | "already" | "dry-run";
  /** A former run was interrupted, and this one went on. */
  readonly resumed: boolean;
  readonly rows: number;
  readonly seconds: number;
  /** Of copying; 0 when nothing was copied. */
  readonly rowsPerSecond: number;
  readonly tables: readonly TableResult[];
  /** Tables that stayed behind, and why. */
  readonly left: Readonly<Record<string, string>>;
}

/** Rows of the first batch of a table; the next ones are as large as {@link BATCH_CHARACTERS} allows. */
const FIRST_BATCH = 100;
/** Most rows of a batch: what an interruption repeats at most. */
const MOST_ROWS = 5000;
/** Text of one batch, characters: bounds the memory, because a row may hold a document's text. */
const BATCH_CHARACTERS = 4_000_000;

/**
 * Carries all rows of the app from one database to another: schema by the app's migrations, rows in batches by primary key, each with how far
 * it came in one transaction, then counters, then every row of both sides compared. Whatever interrupts it, the same call goes on.
 *
 * The source is read in one snapshot and never written; what others write there meanwhile is not carried.
 * @throws TransferError when it may not or cannot be done, or when the two sides differ at the end; TransferStopped after the signal.
 */
export async function transfer(source: Reader, target: Writer, options: TransferOptions = {}): Promise<TransferResult> {
  const { dryRun = false, leave = [] } = options;
  const started = performance.now();
  if (source.name === target.name) throw new TransferError(`source and target are the same database, ${source.name}`);
  await checkMigrations(source, "source");
  await checkUnlisted(source, leave);
  await checkUndivided(source);
  const hasSchema = await checkMigrations(target, "target");
  const before = hasSchema ? await target.state() : undefined;
  if (before?.state === "complete" && before.source === source.name && options.earlier !== "refuse")
    return alreadyDone(source, target, before);
  if (options.restart !== true) refuseRowsOfOthers(source, target, before);
  if (hasSchema && before?.state !== "copying") await checkEmpty(target);
  const counts = new Map<string, number>();
  for (const table of CARRIED_TABLES) counts.set(table, await source.count(table));
  if (dryRun)
    return resultOf(
      source,
      target,
      "dry-run",
      [...counts].map(([table, rows]) => ({ table, rows })),
      { seconds: secondsSince(started) },
    );

  await target.migrate();
  const tables: Table[] = [];
  for (const name of CARRIED_TABLES) tables.push(await commonTable(name, source, target));
  await target.begin(source.name, before?.finishedAt ?? null);
  // No other run writes any more, so the numbers are exact; until now one may have gone on, or begun.
  const now = await target.state();
  const goesOn = before?.state !== "complete" && options.restart !== true;
  if (goesOn) refuseRowsOfOthers(source, target, now);
  const known = goesOn ? (now?.tables ?? []) : [];
  if (!goesOn && now !== undefined) {
    // An app that was started on an unfinished copy has rows of its own there.
    if (before?.state !== "complete") await checkEmpty(target, now.tables);
    await target.clear(tables, source.name);
  }
  const run = new Run(source, target, counts, options);
  const copying = performance.now();
  await target.beforeRows();
  const copied = await run.copy(tables, known);
  await run.finish();
  const copySeconds = (performance.now() - copying) / 1000;
  const compared = await run.compare(tables, copied, known);
  for (const table of tables) {
    const last = await source.counter(table);
    if (last !== undefined) await target.setCounter(table, last);
  }
  const epoch = await source.epoch();
  await options.beforeComplete?.();
  await target.complete(epoch);
  const rows = compared.reduce((sum, table) => sum + table.rows, 0) - known.reduce((sum, table) => sum + table.rows, 0);
  const seconds = secondsSince(started);
  return resultOf(source, target, "complete", compared, {
    resumed: known.length > 0,
    seconds,
    rowsPerSecond: Math.round(rows / copySeconds),
  });
}

/** @throws TransferError when a transfer from somewhere else was interrupted */
function refuseRowsOfOthers(source: Reader, target: Reader, state: TransferState | undefined): void {
  if (state?.state !== "copying" || state.source === source.name) return;
  throw new TransferError(
    `the target ${target.name} has rows of an unfinished transfer from ${state.source}`,
    "Finish that one, or delete its rows and begin anew with --restart",
  );
}

/** What a transfer that was finished before did. */
export function alreadyDone(source: Reader, target: Writer, state: TransferState): TransferResult {
  return resultOf(source, target, "already", finished(state));
}

function secondsSince(started: number): number {
  return Math.round(performance.now() - started) / 1000;
}

function resultOf(
  source: Reader,
  target: Writer,
  outcome: TransferResult["outcome"],
  tables: readonly TableResult[],
  more: Partial<TransferResult> = {},
): TransferResult {
  return {
    ...{ from: source.name, to: target.name, outcome, resumed: false, rows: tables.reduce((sum, { rows }) => sum + rows, 0) },
    ...{ seconds: 0, rowsPerSecond: 0, tables, left: LEFT_TABLES, ...more },
  };
}

function finished({ tables }: TransferState): TableResult[] {
  const order = new Map<string, number>(CARRIED_TABLES.map((name, index) => [name, index]));
  const sorted = [...tables].sort((a, b) => (order.get(a.table) ?? 0) - (order.get(b.table) ?? 0));
  return sorted.map(({ table, rows, checksum }) => ({ table, rows, checksum }));
}

/** The work on the rows. */
class Run {
  constructor(
    private readonly source: Reader,
    private readonly target: Writer,
    private readonly counts: ReadonlyMap<string, number>,
    private readonly options: TransferOptions,
  ) {}

  /** @returns what was read of each table, former runs included. */
  async copy(tables: readonly Table[], known: readonly TableState[]): Promise<TableState[]> {
    const meter = this.#meter();
    const states: TableState[] = [];
    for (const table of tables) {
      let reached = known.find((one) => one.table === table.name) ?? emptyState(table);
      meter.add(reached.rows, { earlier: true });
      const checksum = new RowsChecksum({ text: reached.checksum, rows: reached.rows });
      const batches = new Batches(this.source, table, reached.lastKey ?? undefined);
      // The next batch is read while this one is written.
      for (let reading = batches.next(); ;) {
        const rows = await reading;
        this.#stopIfAsked();
        const isLast = rows.length === 0;
        // A table without a row is noted as well: it was copied.
        if (isLast && reached.rows > 0) break;
        if (!isLast) reading = batches.next();
        for (const row of rows) checksum.add(row);
        reached = { table: table.name, rows: checksum.rows, checksum: checksum.toString(), lastKey: batches.keyOf(rows.at(-1)) };
        await this.#written(this.target.write(table, rows, reached), isLast ? undefined : reading);
        meter.add(rows.length);
        this.#report("copying", table, reached.rows, meter);
        if (isLast) break;
      }
      states.push(reached);
    }
    return states;
  }

  /** Makes of the copied rows what was put off. */
  finish(): Promise<void> {
    return this.target.afterRows((index) => {
      this.#stopIfAsked();
      this.options.onProgress?.(index);
    });
  }

  /** Reads every row of the target, and of the source what this run has not read. @throws TransferError naming tables that differ. */
  async compare(tables: readonly Table[], copied: readonly TableState[], known: readonly TableState[]): Promise<TableResult[]> {
    const meter = this.#meter();
    const results: TableResult[] = [];
    const differences: string[] = [];
    for (const [index, table] of tables.entries()) {
      const read = copied[index] ?? emptyState(table);
      // What a former run read may have been changed since.
      const isRead = !known.some((one) => one.table === table.name && one.rows > 0);
      const wanted = isRead ? read : await this.#scan(this.source, table, undefined);
      const found = await this.#scan(this.target, table, meter);
      if (wanted.rows !== found.rows || wanted.checksum !== found.checksum) {
        const rows = wanted.rows === found.rows ? `other values in ${found.rows} rows` : `${wanted.rows} rows against ${found.rows}`;
        differences.push(`${table.name} (${rows})`);
      }
      results.push({ table: table.name, rows: found.rows, checksum: found.checksum });
    }
    if (differences.length === 0) return results;
    throw new TransferError(
      `the two sides differ: ${differences.join(", ")}`,
      known.length > 0
        ? "The source was changed while the transfer was interrupted; copy everything anew with --restart"
        : "Somebody wrote to the target meanwhile; stop whatever uses it, and copy everything anew with --restart",
    );
  }

  async #scan(side: Reader, table: Table, meter: Meter | undefined): Promise<{ readonly rows: number; readonly checksum: string }> {
    const checksum = new RowsChecksum();
    const batches = new Batches(side, table, undefined);
    for (let rows = await batches.next(); rows.length > 0; rows = await batches.next()) {
      this.#stopIfAsked();
      for (const row of rows) checksum.add(row);
      meter?.add(rows.length);
      if (meter !== undefined) this.#report("comparing", table, checksum.rows, meter);
    }
    return { rows: checksum.rows, checksum: checksum.toString() };
  }

  /** A batch that cannot be written is told of, not the one that was being read ahead. */
  async #written(writing: Promise<void>, reading: Promise<unknown> | undefined): Promise<void> {
    reading?.catch(() => undefined);
    await writing;
  }

  #meter(): Meter {
    return new Meter([...this.counts.values()].reduce((sum, count) => sum + count, 0));
  }

  #report(step: RowsProgress["step"], table: Table, rows: number, meter: Meter): void {
    const { rowsPerSecond, secondsLeft } = meter;
    this.options.onProgress?.({ step, table: table.name, rows, of: this.counts.get(table.name) ?? rows, rowsPerSecond, secondsLeft });
  }

  #stopIfAsked(): void {
    if (this.options.signal?.aborted === true) throw new TransferStopped();
  }
}

function emptyState({ name }: Table): TableState {
  return { table: name, rows: 0, checksum: new RowsChecksum().toString(), lastKey: null };
}

/** The rows of a table, batch by batch, as large as memory allows. */
export class Batches {
  readonly #side: Reader;
  readonly #table: Table;
  readonly #key: readonly number[];
  #after: readonly Value[] | undefined;
  #limit = FIRST_BATCH;

  constructor(side: Reader, table: Table, after: readonly Value[] | undefined) {
    this.#side = side;
    this.#table = table;
    this.#after = after;
    this.#key = table.key.map((column) => table.columns.findIndex(({ name }) => name === column));
  }

  /** Empty after the last row. */
  async next(): Promise<Value[][]> {
    const rows = await this.#side.read(this.#table, this.#after, this.#limit);
    if (rows.length === 0) return rows;
    this.#after = this.keyOf(rows.at(-1)) ?? undefined;
    const characters = rows.reduce((sum, row) => sum + row.reduce((all, value) => all + (value?.length ?? 0), 0), 0);
    const fitting = Math.floor((BATCH_CHARACTERS * rows.length) / Math.max(1, characters));
    // At most ten times as many as before: the rows that come may be longer than those so far.
    this.#limit = Math.max(1, Math.min(fitting, MOST_ROWS, this.#limit * 10));
    return rows;
  }

  keyOf(row: readonly Value[] | undefined): Value[] | null {
    return row === undefined ? null : this.#key.map((index) => row[index] ?? null);
  }
}
