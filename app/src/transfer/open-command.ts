import { parseAddress } from "./address";
import { reporter, type TransferOutput } from "./command";
import { TransferError } from "./failure";
import { openUnasked, takeBack } from "./reopen";

/** What is given on the command line; see {@link OPEN_HELP}. */
export interface OpenCommand {
  /** The sealed file. */
  readonly open: string;
  /** The Postgres its rows were moved to, as the owner of the tables. */
  readonly postgres: string | undefined;
  /** Leaves behind whatever Postgres has, unasked. */
  readonly giveUp: boolean;
}

export const OPEN_HELP = `
Taking back a switch of phase that did not come to its end (docs/runbooks/sealed-file.md): --open FILE takes the seal off a SQLite file, and the app
writes to it again. --unless-written ADDRESS does so only when that Postgres has exactly the rows of the file, and deletes them there;
--give-up-postgres does not ask Postgres, and what was written there since the move stays behind.
`;

/** Takes the seal off a file, and tells what became of the other side. @throws TransferError, TransferStopped */
export async function runOpen(
  { open, postgres, giveUp }: OpenCommand,
  { stdout, stderr }: TransferOutput,
  signal: AbortSignal,
): Promise<void> {
  const file = parseAddress("--open", open);
  if (file.kind !== "sqlite")
    throw new TransferError("--open is an address of Postgres; allowed: sqlite:PATH or the path of a SQLite file");
  if ((postgres === undefined) !== giveUp) {
    throw new TransferError(
      `${giveUp ? "--unless-written and --give-up-postgres are both there" : "--unless-written is missing"}; one of them says what becomes of Postgres`,
      "--unless-written ADDRESS, or --give-up-postgres where Postgres is lost",
    );
  }
  if (postgres === undefined) {
    await openUnasked(file.file);
    stdout.write(
      `${file.file} is open: the app writes to it again; Postgres was not asked, and what was written there since the move is not in it\n`,
    );
    return;
  }
  const address = parseAddress("--unless-written", postgres);
  if (address.kind !== "postgres") throw new TransferError("--unless-written is a SQLite file; allowed: postgres://… or file:PATH");
  const progress = reporter(stderr);
  try {
    const rows = await takeBack(file.file, address, { signal, onProgress: progress.show });
    progress.end();
    stdout.write(
      `${file.file} is open: the app writes to it again; Postgres had the same ${rows.toLocaleString("en")} rows, and they were deleted there\n`,
    );
  } finally {
    progress.end();
  }
}
