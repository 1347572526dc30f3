import { parseArgs } from "node:util";
import { reporter, runTransfer, TRANSFER_HELP } from "./command";
import { TransferError, TransferStopped } from "./failure";
import { MOVE_DIRECTIONS, runMove } from "./move-command";
import { OPEN_HELP, runOpen } from "./open-command";

const USAGE = `Usage: node transfer.js --from ADDRESS --to ADDRESS [--dry-run] [--restart] [--leave TABLE]… [--json]
       node transfer.js --open FILE (--unless-written ADDRESS | --give-up-postgres)`;

/** Exit status: 1 it cannot be done, 2 a mistake on the command line, 130 stopped by a signal. */
const EXIT = { failed: 1, usage: 2, stopped: 130 } as const;

/**
 * The program `transfer.js` of the image: the same as `npm run migrate:data`, where only the image is. With `--move`, which containers of a
 * switch of phase are started with, it holds the writes of the app meanwhile; with `--open` it takes such a move back.
 */
async function main(): Promise<number> {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        from: { type: "string" },
        to: { type: "string" },
        leave: { type: "string", multiple: true },
        "dry-run": { type: "boolean" },
        restart: { type: "boolean" },
        json: { type: "boolean" },
        move: { type: "string" },
        "done-file": { type: "string" },
        open: { type: "string" },
        "unless-written": { type: "string" },
        "give-up-postgres": { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}\n`);
    return EXIT.usage;
  }
  const { from, to, leave = [], restart = false, json = false, help = false } = values;
  if (help) {
    process.stdout.write(`${USAGE}\n${TRANSFER_HELP}${OPEN_HELP}`);
    return 0;
  }
  const { open, "unless-written": postgres, "give-up-postgres": giveUp = false } = values;
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => controller.abort());
  try {
    if (open !== undefined) {
      await runOpen({ open, postgres, giveUp }, process, controller.signal);
      return 0;
    }
    if (from === undefined || to === undefined) {
      process.stderr.write(`${from === undefined ? "--from" : "--to"} is missing\n${USAGE}\n`);
      return EXIT.usage;
    }
    const direction = MOVE_DIRECTIONS.find((one) => one === values.move);
    if (direction !== undefined) {
      await runMove({ direction, from, to, doneFile: values["done-file"] ?? "/tmp/moved" }, reporter(process.stderr), controller.signal);
      return 0;
    }
    if (values.move !== undefined) throw new TransferError(`--move is "${values.move}"; allowed: ${MOVE_DIRECTIONS.join(", ")}`);
    await runTransfer({ from, to, leave, restart, json, dryRun: values["dry-run"] ?? false }, process, controller.signal);
    return 0;
  } catch (error) {
    if (!(error instanceof TransferError || error instanceof TransferStopped)) {
      process.stderr.write(`error: ${(error as Error).message}\n`);
      return EXIT.failed;
    }
    const hint = error instanceof TransferError && error.hint !== undefined ? `fix: ${error.hint}\n` : "";
    process.stderr.write(`error: ${error.message}\n${hint}`);
    return error instanceof TransferStopped ? EXIT.stopped : EXIT.failed;
  }
}

void main().then((status) => (process.exitCode = status));
