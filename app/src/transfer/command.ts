import { openSource, openTarget, parseAddress, sortBeside } from "./address";
import { progressLine, type TransferProgress } from "./progress";
import { transfer, type TransferResult } from "./transfer";

/** What is given on the command line; see {@link TRANSFER_HELP}. */
export interface TransferCommand {
  readonly from: string;
  readonly to: string;
  readonly dryRun?: boolean;
  readonly restart?: boolean;
  readonly leave?: readonly string[];
  readonly json?: boolean;
}

/** The same for `npm run migrate:data` and for the program of the image. */
export const TRANSFER_HELP = `
Addresses: sqlite:PATH or a path; postgres://user:password@host:5432/database, as the owner of the tables and not through a pooler in
transaction mode; file:PATH of a file that holds one of these, so that no password is on a command line. RDS servers have to prove who they
are (sslmode=verify-full by Amazon's authorities); other authorities: DATABASE_CA.

The target gets its tables from the app's migrations and has to be empty; the source is read in one snapshot and never changed. Rows that
are written to the source while the transfer runs are not carried: stop the app, or its writes, first. Ctrl-C, a crash or a lost
connection: the same command goes on from the last batch. At the end all rows of both sides are compared.

Examples:
  npm run migrate:data -- --from sqlite:app.db --to postgres://owner:secret@localhost:5432/app --dry-run
  npm run migrate:data -- --from file:from.txt --to file:to.txt --json
`;

/** Between two lines of progress where there is no terminal, ms; on one, the line is drawn again. */
const LINE_EVERY_MS = 5000;
const REDRAW_EVERY_MS = 200;

/** Where a command writes. */
export interface TransferOutput {
  /** The result. */
  readonly stdout: { write(text: string): unknown };
  /** Progress. */
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
}

/**
 * Runs a transfer from the command line to its last line.
 * @throws TransferError, TransferStopped
 */
export async function runTransfer(
  command: TransferCommand,
  { stdout, stderr }: TransferOutput,
  signal: AbortSignal,
): Promise<TransferResult> {
  const { dryRun = false, restart = false, leave = [], json = false } = command;
  const [from, to] = [parseAddress("--from", command.from), parseAddress("--to", command.to)];
  sortBeside(to);
  const source = await openSource(from);
  try {
    const target = await openTarget(to, dryRun);
    const shown = reporter(stderr);
    try {
      const result = await transfer(source, target, { dryRun, restart, leave, signal, onProgress: shown.show });
      shown.end();
      stdout.write(json ? `${JSON.stringify(result)}\n` : report(result));
      return result;
    } finally {
      shown.end();
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Shows progress on a stream: one line that is drawn again on a terminal, else a line now and then. */
export function reporter(stream: TransferOutput["stderr"]): {
  readonly show: (progress: TransferProgress) => void;
  readonly end: () => void;
} {
  let drawn = false;
  let last = performance.now();
  return {
    show(progress) {
      const now = performance.now();
      if (now - last < (stream.isTTY === true ? REDRAW_EVERY_MS : LINE_EVERY_MS)) return;
      last = now;
      stream.write(stream.isTTY === true ? `\r\u001b[2K${progressLine(progress)}` : `${progressLine(progress)}\n`);
      drawn = stream.isTTY === true;
    },
    end() {
      if (drawn) stream.write("\r\u001b[2K");
      drawn = false;
    },
  };
}

function report({ from, to, outcome, resumed, rows, seconds, rowsPerSecond, tables, left }: TransferResult): string {
  const number = (value: number): string => value.toLocaleString("en");
  const width = Math.max(...tables.map(({ table }) => table.length));
  const lines = tables
    .filter((table) => table.rows > 0)
    .map(({ table, rows: count, checksum }) => {
      const checked = checksum === undefined ? "" : `  ${checksum}`;
      return `  ${table.padEnd(width)}  ${number(count).padStart(12)}${checked}`;
    });
  const what = {
    complete: `${number(rows)} rows carried${resumed ? ", going on from an interrupted run," : ""} in ${number(seconds)} s (${number(rowsPerSecond)} rows/s copied); both sides compared, no difference.`,
    already: `This transfer was finished before: ${number(rows)} rows; nothing was done now.`,
    "dry-run": `${number(rows)} rows would be carried; nothing was changed.`,
  }[outcome];
  return [
    `From ${from}`,
    `To   ${to}`,
    ...lines,
    `Left behind: ${Object.keys(left).join(", ")} (reasons: app/src/transfer/tables.ts)`,
    what,
    "",
  ].join("\n");
}
