import { writeFileSync } from "node:fs";
import { parseAddress } from "./address";
import type { reporter } from "./command";
import { TransferError } from "./failure";
import { moveToPostgres, moveToSqlite } from "./move";
import type { TransferResult } from "./transfer";

/** What the containers of a switch of phase are told; see components/local/data-move. */
export interface MoveCommand {
  readonly direction: "to-postgres" | "to-sqlite";
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

/** Does it to the end, and, on the way back, holds Postgres until that is gone. @throws TransferError, TransferStopped */
export async function runMove(command: MoveCommand, progress: ReturnType<typeof reporter>, signal: AbortSignal): Promise<void> {
  const [from, to] = [parseAddress("--from", command.from), parseAddress("--to", command.to)];
  const options = { signal, onProgress: progress.show };
  const done = (text: string): void => {
    process.stdout.write(text);
    writeFileSync(command.doneFile, text);
  };
  if (command.direction === "to-postgres" && from.kind === "sqlite" && to.kind === "postgres") {
    const result = await moveToPostgres(from.file, to.url, options);
    done(result === undefined ? `there is no ${from.file}: nothing to move\n` : told(result));
  } else if (command.direction === "to-sqlite" && from.kind === "postgres" && to.kind === "sqlite") {
    const moved = await moveToSqlite(from.url, to.file, options);
    if (moved === undefined) {
      done("the rows are in this file, and no Postgres has others: nothing to move\n");
      return;
    }
    const { result, kept, source } = moved;
    const ended = source.ended();
    done(`${told(result)}${kept === undefined ? "" : `the former file is kept as ${kept}\n`}`);
    await Promise.race([ended, new Promise((resolve) => signal.addEventListener("abort", resolve))]);
    await source.close();
  } else throw new TransferError(`move ${command.direction} does not go from ${from.kind} to ${to.kind}`);
}
