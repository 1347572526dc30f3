import { textOutput } from "../lib/outputs";
import type { Expected } from "./types";

/** Defaults that differ between phases, see stacks/config.ts. */
const DEFAULT_INSTANCES: Readonly<Record<string, number>> = { database: 3 };
const DEFAULT_POSTGRES_NODES = 3;

/**
 * What has to be there.
 * @param config plain values by full key, e.g. `phased-stack:port`
 * @param outputs of the stack: what it has, also where it was configured otherwise since
 */
export function expectedOf(config: Readonly<Record<string, string>>, phase: string, outputs: Readonly<Record<string, unknown>>): Expected {
  const number = (key: string): number | undefined => {
    const value = config[`phased-stack:${key}`];
    return value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;
  };
  return {
    phase,
    appInstances: number("appInstances") ?? DEFAULT_INSTANCES[phase],
    workers: number("workers"),
    postgresNodes: phase === "database" ? (number("postgresNodes") ?? DEFAULT_POSTGRES_NODES) : undefined,
    brokers: textOutput(outputs, "kafkaBrokers")?.split(",").length ?? 0,
    monitoring: textOutput(outputs, "prometheusUrl") !== undefined,
    backups: phase === "database" && config["phased-stack:backups"] !== "false",
    apiLimit: { perSecond: number("apiRequestsPerSecond") ?? 100, burst: number("apiBurst") ?? 100 },
  };
}
