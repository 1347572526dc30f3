import type { Command } from "commander";
import { Option } from "commander";
import { UserError } from "../lib/errors";
import { plannedStack } from "../lib/outputs";
import { prepareMachine } from "../machine";
import type { Phase } from "../machine/types";
import { PHASES } from "../machine/types";

interface PrepareOptions {
  readonly stack?: string;
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
    .option("-s, --stack <name>", "what this stack's configuration needs (its phase, Kafka, docker:host) instead of --phase and --kafka")
    .option("--kafka", "with phase database: Kafka's image too", false)
    .option("--official", "try the official downloads again where a stand-in is installed", false)
    .addHelpText(
      "after",
      `
Examples:
  npm run prepare-machine
  npm run prepare-machine -- --phase cloud
  npm run prepare-machine -- --stack prod
  npm run prepare-machine -- --official`,
    )
    .action(run);
}

async function run({ stack, phase, kafka, official }: PrepareOptions, command: Command): Promise<void> {
  if (stack === undefined) {
    await prepareMachine({ phase, kafka, official });
    return;
  }
  if (kafka || command.getOptionValueSource("phase") === "cli") {
    throw new UserError("--stack says by itself which phase and services are needed; leave --phase and --kafka out");
  }
  await prepareMachine({ ...plannedStack(stack), official });
}
