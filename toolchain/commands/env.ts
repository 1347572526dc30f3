import type { Command } from "commander";
import { pulumiEnvironment } from "../lib/pulumi-env";
import { exportLines } from "../lib/shell";

/** `npm run env`: shell lines that let the plain Pulumi CLI work on this project's stacks. */
export function register(program: Command): void {
  program
    .command("env")
    .description("print the environment for the plain Pulumi CLI, as lines for sh, bash or zsh")
    .addHelpText("after", '\nExample:\n  eval "$(npm run -s env)"; pulumi up -s dev')
    .action(() => {
      process.stdout.write(exportLines(pulumiEnvironment().env));
    });
}
