import type { Command } from "commander";
import { Option } from "commander";
import { prepareMachine } from "../machine";
import type { Phase } from "../machine/types";
import { PHASES } from "../machine/types";

interface PrepareOptions {
  readonly phase: Phase;
  readonly kafka: boolean;
  readonly official: boolean;
}

/** `npm run prepare-machine`: what `npm run up` and `npm test` do first, on its own. */
export function register(program: Command): void {
  program
    .command("prepare")
    .description("prepare the machine: Docker Engine, Pulumi CLI, plugins, base images; does nothing that is done already")
    .addOption(new Option("--phase <phase>", "install the plugins this phase needs").choices(PHASES).default("cluster"))
    .option("--kafka", "with phase database: Kafka's image too", false)
    .option("--official", "try the official downloads again where a stand-in is installed", false)
    .addHelpText(
      "after",
      "\nExamples:\n  npm run prepare-machine\n  npm run prepare-machine -- --phase cloud\n  npm run prepare-machine -- --official",
    )
    .action(async (options: PrepareOptions) => prepareMachine(options));
}
