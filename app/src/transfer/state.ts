import { TransferError } from "./failure";
import type { TableState, TransferState } from "./store";
import type { Value } from "./values";

/**
 * How far a transfer is, in the database that it fills and in the transaction of what it tells of: whatever ends a transfer, the next run
 * finds exactly what is there. Not a migration of the app: a database that was never filled by a transfer does not have it.
 */
export const CREATE_STATE = `CREATE TABLE IF NOT EXISTS data_transfer (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  state TEXT NOT NULL CHECK (state IN ('copying', 'complete')),
  source TEXT NOT NULL,
  run TEXT NOT NULL,
  started_at TEXT NOT NULL,
  finished_at TEXT
);
CREATE TABLE IF NOT EXISTS data_transfer_tables (
  table_name TEXT PRIMARY KEY NOT NULL,
  copied INTEGER NOT NULL,
  checksum TEXT NOT NULL,
  last_key TEXT
);`;

export const READ_STATE = "SELECT state, source, started_at, finished_at FROM data_transfer WHERE id = 1";
export const READ_TABLES = "SELECT table_name, copied, checksum, last_key FROM data_transfer_tables ORDER BY table_name";
/** The newest run is the one that writes; see {@link CONTINUE}. Changes nothing when a run came to its end at another time than the last parameter says. */
export const TAKE_OVER = `INSERT INTO data_transfer (id, state, source, run, started_at) VALUES (1, 'copying', ?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET run = excluded.run, state = 'copying', finished_at = NULL
  WHERE data_transfer.finished_at IS NOT DISTINCT FROM ?`;
/** Changes nothing when another run took over, or when it is over; locks the row until the transaction ends. */
export const CONTINUE = "UPDATE data_transfer SET state = state WHERE id = 1 AND run = ? AND state = 'copying'";
export const REACHED = `INSERT INTO data_transfer_tables (table_name, copied, checksum, last_key) VALUES (?, ?, ?, ?)
  ON CONFLICT (table_name) DO UPDATE SET copied = excluded.copied, checksum = excluded.checksum, last_key = excluded.last_key`;
export const FORGET_TABLES = "DELETE FROM data_transfer_tables";
/** The rows come from where this run reads, which may be another place than the run before read from. */
export const RESTART = "UPDATE data_transfer SET source = ?, started_at = ? WHERE id = 1";
export const COMPLETE = "UPDATE data_transfer SET state = 'complete', finished_at = ? WHERE id = 1";
/** As if the rows of this source had been moved here: a move away from here, to that source, was given up. */
export const GO_ON = `INSERT INTO data_transfer (id, state, source, run, started_at, finished_at) VALUES (1, 'complete', ?, '', ?, ?)
  ON CONFLICT (id) DO UPDATE SET state = 'complete', source = excluded.source, finished_at = excluded.finished_at`;
/** Above both sides, so that it is new to every Redis either of them ever had. */
export const RAISE_FENCE = "UPDATE redis_fence SET epoch = (CASE WHEN epoch > ? THEN epoch ELSE ? END) + 1 WHERE id = 1";

/** Rows of {@link READ_STATE} and {@link READ_TABLES}, all values text. */
export type StateRow = readonly [state: Value, source: Value, startedAt: Value, finishedAt: Value];
export type TableRow = readonly [table: Value, copied: Value, checksum: Value, lastKey: Value];

export function stateOf(row: StateRow, tables: readonly TableRow[]): TransferState {
  const [state, source, startedAt, finishedAt] = row;
  return {
    state: state === "complete" ? "complete" : "copying",
    source: source ?? "",
    startedAt: startedAt ?? "",
    finishedAt,
    tables: tables.map(([table, copied, checksum, lastKey]): TableState => ({
      table: table ?? "",
      rows: Number(copied),
      checksum: checksum ?? "",
      lastKey: lastKey === null ? null : (JSON.parse(lastKey) as Value[]),
    })),
  };
}

/** Parameters of {@link REACHED}. */
export function reachedParameters({ table, rows, checksum, lastKey }: TableState): [string, number, string, string | null] {
  return [table, rows, checksum, lastKey === null ? null : JSON.stringify(lastKey)];
}

/** Between the first look at the state and taking over. */
export function finishedMeanwhile(): TransferError {
  return new TransferError("another run of this transfer came to its end meanwhile; nothing was changed");
}

export function takenOver(): TransferError {
  return new TransferError("another run of this transfer began meanwhile and goes on with it; this one ends");
}
