import { randomUUID } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import type { Authorities } from "../db/tls";
import { isConflict } from "../db/postgres-errors";
import { commonTable } from "./checks";
import { TransferError, TransferStopped } from "./failure";
import { Meter } from "./progress";
import { connected, PostgresWriter } from "./postgres-store";
import { HeldSqliteReader } from "./sqlite-store";
import * as state from "./state";
import type { Reader, Table } from "./store";
import { CARRIED_TABLES, LEFT_TABLES } from "./tables";
import { Batches, type TransferOptions, type TransferResult } from "./transfer";
import { RowsChecksum } from "./values";

type Options = Pick<TransferOptions, "signal" | "onProgress">;

/** How often it is tried to have all tables at once. */
const LOCK_ATTEMPTS = 10;

/** What a file says of the side its rows came back from, when nobody asked that side. */
const GIVEN_UP = "postgres: given up, not asked";

/** What to do where Postgres and the file are not the same. */
const GIVE_UP =
  "Go on with Postgres: repair what the update failed of, and npm run up. To leave behind what was written to Postgres since the move, and only " +
  "when nothing runs on it any more: --give-up-postgres instead of --unless-written";

/**
 * The short way back: a sealed file with exactly the rows that Postgres has is written again, where it is and by whoever has it open.
 * @param source held, so that nobody writes to it
 * @param options.run of this opening, kept in the file
 * @param options.beforeOpen when all rows were compared: the last moment at which the other side may still be the one that is written
 * @returns `undefined` when the file is not sealed, or Postgres has other rows than the file.
 */
export async function reopenIfSame(
  file: string,
  source: Reader,
  options: Options & { readonly run: string; readonly beforeOpen: () => Promise<void> },
): Promise<TransferResult | undefined> {
  if (!existsSync(file) || statSync(file).size === 0) return undefined;
  const started = performance.now();
  const held = new HeldSqliteReader(file);
  try {
    if (!held.hasMoved || (await differences(held, source, options)).length > 0) return undefined;
    const tables = await counted(held);
    const [epoch, last] = [await source.epoch(), await counters(source)];
    await options.beforeOpen();
    held.takeSealOff(source.name, options.run, epoch, last);
    return {
      ...{ from: source.name, to: held.name, outcome: "already", resumed: false, rows: tables.reduce((sum, { rows }) => sum + rows, 0) },
      ...{ seconds: Math.round(performance.now() - started) / 1000, rowsPerSecond: 0, tables, left: LEFT_TABLES },
    };
  } finally {
    await held.close();
  }
}

/**
 * Takes a move to Postgres back: the file is written again, and the copy in Postgres, which has exactly the same rows, is deleted, so that whoever
 * still runs on Postgres finds nobody to write for, and so that the next move begins anew.
 * @returns number of rows that both sides had.
 * @throws TransferError when Postgres has other rows, or cannot be asked; nothing was changed then.
 */
export async function takeBack(
  file: string,
  postgres: { url: string; authorities?: Authorities | undefined },
  options: Options,
): Promise<number> {
  const held = new HeldSqliteReader(file);
  try {
    const copy = await PostgresCopy.open(postgres.url, postgres.authorities);
    try {
      if ((await copy.state()) === undefined) {
        throw new TransferError(
          `no rows of ${held.name} were ever moved to ${copy.name}`,
          "Name the Postgres that has them; where that is lost: --give-up-postgres instead of --unless-written",
        );
      }
      await copy.hold();
      const different = await differences(held, copy, options);
      if (different.length > 0) {
        const why = held.hasMoved ? "they were written there since the move" : `and ${held.name} is not sealed: the app writes to it`;
        throw new TransferError(
          `${copy.name} has other rows than ${held.name}: ${different.join(", ")}; ${why}; nothing was changed`,
          GIVE_UP,
        );
      }
      const rows = (await counted(held)).reduce((sum, table) => sum + table.rows, 0);
      const last = await counters(copy);
      await copy.empty();
      // Before the last word of Postgres: whatever ends this here leaves rows on both sides, which is noticed, and never on none.
      if (held.hasMoved) held.takeSealOff(copy.name, randomUUID(), await copy.epoch(), last);
      await copy.commit();
      return rows;
    } finally {
      await copy.close();
    }
  } finally {
    await held.close();
  }
}

/** Takes the seal off without asking Postgres. @throws TransferError when there is none. */
export async function openUnasked(file: string): Promise<void> {
  const held = new HeldSqliteReader(file);
  try {
    if (!held.hasMoved) throw new TransferError(`${held.name} is not sealed: the app writes to it, and there is nothing to do`);
    held.takeSealOff(GIVEN_UP, randomUUID(), await held.epoch(), []);
  } finally {
    await held.close();
  }
}

/** Which tables differ and how, in words: all whose numbers of rows do; where none does, the first with other values. */
async function differences(one: Reader, other: Reader, { signal, onProgress }: Options): Promise<string[]> {
  const [has, hasOther] = [await one.tables(), await other.tables()];
  const missing = CARRIED_TABLES.filter((name) => !has.has(name) || !hasOther.has(name));
  if (missing.length > 0) return missing.map((name) => `${name} (not on both sides)`);
  const counts: { readonly name: string; readonly rows: number }[] = [];
  const found: string[] = [];
  for (const name of CARRIED_TABLES) {
    const [rows, others] = [await one.count(name), await other.count(name)];
    counts.push({ name, rows });
    if (rows !== others) found.push(`${name} (${others} rows against ${rows})`);
  }
  if (found.length > 0) return found;
  const meter = new Meter(counts.reduce((sum, { rows }) => sum + rows, 0));
  for (const { name, rows } of counts.filter((table) => table.rows > 0)) {
    let table: Table;
    try {
      table = await commonTable(name, one, other);
    } catch (error) {
      // One side has migrations that the other has not.
      if (error instanceof TransferError) return [`${name} (other columns)`];
      throw error;
    }
    const [sum, otherSum] = [await checksum(one, table, signal), await checksum(other, table, signal)];
    meter.add(rows);
    const { rowsPerSecond, secondsLeft } = meter;
    onProgress?.({ step: "comparing", table: name, rows, of: rows, rowsPerSecond, secondsLeft });
    if (sum !== otherSum) return [`${name} (other values in ${rows} rows)`];
  }
  return [];
}

async function checksum(side: Reader, table: Table, signal: AbortSignal | undefined): Promise<string> {
  const sum = new RowsChecksum();
  const batches = new Batches(side, table, undefined);
  for (let rows = await batches.next(); rows.length > 0; rows = await batches.next()) {
    if (signal?.aborted === true) throw new TransferStopped("nothing was changed");
    for (const row of rows) sum.add(row);
  }
  return sum.toString();
}

async function counted(side: Reader): Promise<{ readonly table: string; readonly rows: number }[]> {
  const tables: { readonly table: string; readonly rows: number }[] = [];
  for (const table of CARRIED_TABLES) tables.push({ table, rows: await side.count(table) });
  return tables;
}

async function counters(side: Reader): Promise<{ readonly table: string; readonly last: string }[]> {
  const found: { readonly table: string; readonly last: string }[] = [];
  for (const name of CARRIED_TABLES) {
    const last = await side.counter(await side.describe(name));
    if (last !== undefined) found.push({ table: name, last });
  }
  return found;
}

/** The rows that a move put into Postgres, in one transaction that ends with {@link commit}, or with the connection and without any change. */
class PostgresCopy extends PostgresWriter {
  static override async open(url: string, authorities?: Authorities): Promise<PostgresCopy> {
    return new PostgresCopy(...(await connected(url, authorities)));
  }

  /** Its writers wait from now on; readers notice nothing. */
  async hold(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.script("BEGIN ISOLATION LEVEL REPEATABLE READ");
        await this.script(`LOCK TABLE ${CARRIED_TABLES.join(", ")}, data_transfer IN SHARE ROW EXCLUSIVE MODE`);
        return;
      } catch (error) {
        // Met a transaction that has some of the tables and waits for others.
        if (!isConflict(error) || attempt === LOCK_ATTEMPTS) throw error;
        await this.script("ROLLBACK");
      }
    }
  }

  /** As a move that has begun and copied nothing. */
  async empty(): Promise<void> {
    await this.script(`TRUNCATE ${CARRIED_TABLES.join(", ")}`);
    await this.script(state.FORGET_TABLES);
    await this.run(state.TAKE_OVER, ["", "taken back", new Date().toISOString()]);
  }

  async commit(): Promise<void> {
    await this.script("COMMIT");
  }
}
