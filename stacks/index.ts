import "./early";
import * as pulumi from "@pulumi/pulumi";
import { loadConfig, type Phase, type StackConfig } from "./config";
import { type PhaseOutputs, stackOutputs } from "./outputs";

/** The phases of this version. Each is loaded only when it is chosen: a local stack never pays for a cloud's libraries. */
const phases: Partial<Record<Phase, (config: StackConfig) => Promise<PhaseOutputs>>> = {
  cluster: async (config) => (await import("./cluster.js")).cluster(config),
  database: async (config) => (await import("./database.js")).database(config),
};

/** The program: validated configuration → the chosen phase (which checks its target first) → the same outputs in every phase. */
async function program(): Promise<Record<string, pulumi.Output<string>>> {
  const config = loadConfig();
  const phase = phases[config.phase];
  if (phase === undefined) throw new pulumi.RunError(missingPhase(config.phase));
  return stackOutputs(config.phase, await phase(config));
}

function missingPhase(phase: Phase): string {
  const available = Object.keys(phases).join(", ");
  return `phase ${phase} is not part of this version, which provides phases ${available}; go back with: pulumi config set phase cluster`;
}

export = program;
