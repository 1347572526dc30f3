import { cpus, release, totalmem } from "node:os";
import { formatBytes } from "../../lib/table";
import { canPin, type Generator } from "./load";

/** Where and how figures were taken. */
export interface Surroundings {
  /** YYYY-MM-DD */
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  readonly generator: Generator;
  readonly pinned: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly failed: number;
  /** Processes that wanted to run, over the last minute, before and after: above 1 or so, others were working too. */
  readonly loadAverage: readonly number[];
}

/** The machine, and the program that runs here: the same that the servers run on. */
export function machine(): Pick<Surroundings, "date" | "machine" | "node" | "pinned"> {
  const [processor] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} cores (${processor?.model.trim() ?? "unknown"}), ${formatBytes(totalmem())}, ${process.platform} ${release()}`,
    node: process.versions.node,
    pinned: canPin(),
  };
}
