import { parseArgs } from "node:util";
import { printStatus, printSwitchover } from "./commands";
import { log, reasonOf } from "./log";
import { serve } from "./serve";
import { readSettings } from "./settings";

const USAGE = "use: serve | status | switchover [--to NODE]";

/** The operator: `serve` is the service; the other commands ask it, from inside its container. */
async function main(): Promise<number> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { to: { type: "string" } } });
  const [command, ...rest] = positionals;
  if (rest.length > 0 || (values.to !== undefined && command !== "switchover")) throw new Error(USAGE);
  switch (command) {
    case "serve":
      await serve(readSettings(process.env));
      return 0;
    case "status":
      return printStatus(readSettings(process.env));
    case "switchover":
      return printSwitchover(readSettings(process.env), values.to);
    default:
      throw new Error(`${command === undefined ? "no command" : `command "${command}" is unknown`}; ${USAGE}`);
  }
}

main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    if (process.argv[2] === "serve") log("error", reasonOf(error));
    else process.stderr.write(`${reasonOf(error)}\n`);
    process.exitCode = 1;
  },
);
