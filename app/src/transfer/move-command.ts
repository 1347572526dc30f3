import { writeFileSync } from "node:fs";
import { parseAddress, sortBeside } from "./address";
import type { reporter } from "./command";
import { TransferError, TransferStopped } from "./failure";
import { moveToPostgres, moveToSqlite, openPostgres } from "./move";
import type { TransferResult } from "./transfer";

/** `open-postgres`: nothing is moved; a Postgres that was left for SQLite is written again, whatever the file has. */
export const MOVE_DIRECTIONS = ["to-postgres", "to-sqlite", "open-postgres"] as const;
export type MoveDirection = (typeof MOVE_DIRECTIONS)[number];

/** What the containers of a switch of phase are told; see components/local/data-move. */
export interface MoveCommand {
  readonly direction: MoveDirection;
  readonly from: string;
  readonly to: string;
  /** Written when all is done: what the container's health check looks for. */
  readonly doneFile: string;
}

/** One line a table with rows goes to the container's log, where `docker logs` finds it. */
function told(result: TransferResult): string {
  const tables = result.tables
    .filter(({ rows }) => rows > 0)
    .map(({ table, rows, checksum }) => `  ${table}: ${rows} rows, ${checksum ?? ""}`);
  return [
    ...tables,
    `${result.rows} rows from ${result.from} to ${result.to} in ${result.seconds} s, both sides compared, no difference (${result.outcome})`,
    "",
  ].join("\n");
}

/** What is said of a Postgres that is written again. */
const OPENED = "the move back to SQLite is given up: Postgres is written again\n";

/** Does it to the end. @throws TransferError, TransferStopped */
export async function runMove(command: MoveCommand, progress: ReturnType<typeof reporter>, signal: AbortSignal): Promise<void> {
  try {
    await move(command, progress, signal);
  } catch (error) {
    throw error instanceof TransferStopped ? new TransferStopped("the app writes on where it was, and the next update begins anew") : error;
  }
}

async function move(command: MoveCommand, progress: ReturnType<typeof reporter>, signal: AbortSignal): Promise<void> {
  const { direction } = command;
  const [from, to] = [parseAddress("--from", command.from), parseAddress("--to", command.to)];
  sortBeside(to);
  const options = { signal, onProgress: progress.show };
  const done = (text: string): void => {
    process.stdout.write(text);
    writeFileSync(command.doneFile, text);
  };
  if (direction === "to-postgres" && from.kind === "sqlite" && to.kind === "postgres") {
    if (await openPostgres(from.file, to.url, "refuse", options)) process.stdout.write(OPENED);
    const result = await moveToPostgres(from.file, to.url, options);
    done(result === undefined ? `there is no ${from.file}: nothing to move\n` : told(result));
  } else if (direction === "open-postgres" && from.kind === "sqlite" && to.kind === "postgres") {
    const wasSealed = await openPostgres(from.file, to.url, "give up", options);
    done(wasSealed ? OPENED : "Postgres was not left for SQLite: nothing to do\n");
  } else if (direction === "to-sqlite" && from.kind === "postgres" && to.kind === "sqlite") {
    const moved = await moveToSqlite(from.url, to.file, options);
    done(
      moved === undefined
        ? "the rows are in this file, and no Postgres has others: nothing to move\n"
        : `${told(moved.result)}${moved.kept === undefined ? "" : `the former file is kept as ${moved.kept}\n`}`,
    );
  } else throw new TransferError(`move ${direction} does not go from ${from.kind} to ${to.kind}`);
}
