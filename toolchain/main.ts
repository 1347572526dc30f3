import { existsSync } from "node:fs";
import path from "node:path";
import { Command, CommanderError } from "commander";
import { coloursFor } from "./lib/colours";
import { UserError } from "./lib/errors";
import { installInterruptHandling } from "./lib/interrupt";

/** What `--help` lists. Each command is a file of that name in commands/, loaded only when it is the one to run. */
const COMMANDS: Readonly<Record<string, string>> = {
  up: "prepare the machine, bring the stack up, print its addresses",
  down: "remove the stack",
  status: "what is not well, instances, workers, Postgres, Redis, queues of the running stack",
  drift: "what differs from what was deployed: containers changed or removed by hand, and the like",
  restart: "rolling restart of the app or another service",
  failover: "make another Postgres node the primary, with no failed request",
  "migrate-data": "carry all rows of the app from one database to another",
  backup: "make a backup of Postgres now, or read all of them and compare checksums",
  restore: "bring Postgres back to a moment in the past, from its backups",
  verify: "prove the running stack against the feature list",
  load: "send a load to the running stack and judge it: percentiles, errors, a report with plots",
  "preview-prod": "preview the production stack without a login: resources, broken rules, monthly cost",
  doctor: "check the machine without changing anything",
  env: 'print the environment for the plain Pulumi CLI: eval "$(npm run -s env)"',
  prepare: "prepare the machine: Docker Engine, Pulumi CLI, plugins, base images",
  bench: "measure: provisioning time and more",
  chaos: "break a stack of phase database in every way there is",
  test: "prove the project: types, lint, unit, integration",
};

interface CommandModule {
  register(program: Command): void;
}

async function main(args: readonly string[]): Promise<void> {
  const program = new Command("phased-stack")
    .description("Runs a command of this project. Each is an npm script as well: npm run up -- --help")
    .exitOverride()
    .configureOutput({ outputError: () => undefined })
    .showHelpAfterError(false);
  const name = args[0];
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    for (const [command, description] of Object.entries(COMMANDS)) program.command(command).description(description);
    process.stdout.write(program.helpInformation());
    return;
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new UserError(`unknown command "${name}"; there are: ${Object.keys(COMMANDS).join(", ")}`);
  }
  const file = path.join(__dirname, "commands", `${name}.ts`);
  if (!existsSync(file)) throw new Error(`toolchain/commands/${name}.ts is missing`);
  const module = (await import(file)) as CommandModule;
  module.register(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ outputError: () => undefined });
  await program.parseAsync(args, { from: "user" });
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    const help = process.argv[2] === undefined ? "" : ` (see: npm run ${npmScript(process.argv[2])} -- --help)`;
    process.stderr.write(`${coloursFor(process.stderr).red("error:")} ${error.message.replace(/^error: /, "")}${help}\n`);
    return 1;
  }
  if (error instanceof UserError) {
    process.stderr.write(
      `${coloursFor(process.stderr).red("error:")} ${error.message}\n${error.hint === undefined ? "" : `fix: ${error.hint}\n`}`,
    );
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `${text}\n${coloursFor(process.stderr).red("error:")} this is a bug of phased-stack, please report it with the lines above\n`,
  );
  return 1;
}

/** The npm script of a command where it has another name; npm itself reserves "prepare". */
const NPM_SCRIPTS: Readonly<Record<string, string>> = {
  prepare: "prepare-machine",
  "preview-prod": "preview:prod",
  "migrate-data": "migrate:data",
};

function npmScript(command: string): string {
  return NPM_SCRIPTS[command] ?? command;
}

installInterruptHandling();
main(process.argv.slice(2)).then(
  () => leave(process.exitCode ?? 0),
  (error: unknown) => leave(report(error)),
);

/** Ends the process once what was printed has gone out: a pipe may take it later. */
function leave(code: number | string): void {
  process.stdout.write("", () => process.exit(code));
}
