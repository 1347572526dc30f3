import { commonTable } from "./checks";
import { TransferError, TransferStopped } from "./failure";
import { Meter } from "./progress";
import type { Reader, Table } from "./store";
import { CARRIED_TABLES } from "./tables";
import { Batches, type TransferOptions } from "./transfer";
import { RowsChecksum } from "./values";

type Options = Pick<TransferOptions, "signal" | "onProgress">;

/**
 * Which tables of two databases that nobody writes to differ and how, in words, such as `orders (12 rows against 11)`, the other's first: all whose numbers of rows
 * do; where none does, the first with other values.
 * @throws TransferStopped after the signal
 */
export async function differences(one: Reader, other: Reader, { signal, onProgress }: Options): Promise<string[]> {
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
