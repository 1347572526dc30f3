import "./lib/early";
import type * as pulumi from "@pulumi/pulumi";
import { loadConfig, type Phase, type StackConfig } from "./config";
import { isBlindPreview } from "./lib/blind-preview";
import { type PhaseOutputs, stackOutputs } from "./outputs";

/** Each phase is loaded only when it is chosen: a local stack never pays for a cloud's libraries. */
const phases: Record<Phase, (config: StackConfig) => Promise<PhaseOutputs>> = {
  cluster: async (config) => (await import("./cluster.js")).cluster(config),
  database: async (config) => (await import("./database.js")).database(config),
  cloud: async (config) => {
    if (!config.leaveDatabase && !isBlindPreview()) await (await import("./local/volumes.js")).checkNothingOnDocker();
    return config.cloudRuntime === "kubernetes"
      ? (await import("./kubernetes.js")).kubernetes(config)
      : (await import("./cloud.js")).cloud(config);
  },
};

/** The program: validated configuration → the chosen phase (which checks its target first) → the same outputs in every phase. */
async function program(): Promise<Record<string, pulumi.Output<string>>> {
  const config = loadConfig();
  return stackOutputs(config.phase, await phases[config.phase](config));
}

export = program;
