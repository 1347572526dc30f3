import type { Command } from "commander";
import { runTransfer, TRANSFER_HELP } from "../../app/src/transfer/command";
import { TransferError, TransferStopped } from "../../app/src/transfer/failure";
import { InterruptedError, UserError } from "../lib/errors";
import { interrupted } from "../lib/interrupt";

interface MigrateDataOptions {
  readonly from: string;
  readonly to: string;
  readonly dryRun?: boolean;
  readonly restart?: boolean;
  readonly leave?: readonly string[];
  readonly json?: boolean;
}

/** `npm run migrate:data`: all rows of the app from one database to another (F1). */
export function register(program: Command): void {
  program
    .command("migrate-data")
    .description("carry all rows of the app from one database to another: SQLite, Postgres, RDS; resumable, compared at the end")
    .requiredOption("--from <address>", "database to read: sqlite:PATH, a path, postgres://… or file:PATH")
    .requiredOption("--to <address>", "empty database to fill, likewise")
    .option("--dry-run", "only look: what would be carried, and whether it may be")
    .option("--restart", "delete what an unfinished transfer left in the target, and begin anew")
    .option("--leave <table...>", "tables of the source, other than the app's, that may stay behind")
    .option("--json", "the result as one JSON document")
    .addHelpText("after", TRANSFER_HELP)
    .action((options: MigrateDataOptions) => run(options));
}

async function run(options: MigrateDataOptions): Promise<void> {
  try {
    await runTransfer(options, process, interrupted);
  } catch (error) {
    if (error instanceof TransferError) throw new UserError(error.message, error.hint);
    if (!(error instanceof TransferStopped)) throw databaseError(error);
    console.error(error.message);
    throw new InterruptedError();
  }
}

/** What a database says, in its own words: a full disk, a lost connection, a right that is missing. Anything else is a bug of this project. */
function databaseError(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error || "errcode" in error)) return error;
  return new UserError(`the transfer stopped: ${error.message}`, "What was copied stays; the same command goes on from there");
}
