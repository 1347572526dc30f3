import { closeSync, openSync, writeSync } from "node:fs";
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
  /** Whether the cores were kept from halting, see {@link keepAwake}. */
  readonly awake: boolean;
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

/** Where Linux takes the longest time, in µs, that a core may need to wake up; it holds for as long as the file is open. */
const WAKE_UP_LIMIT = "/dev/cpu_dma_latency";

/**
 * Keeps the cores from halting while something is measured, where this system lets us. On a virtual machine waking up the core of the
 * load generator is the sender's work, and was measured as 20 µs of each answer of a server that is slower than the generator, and none
 * of one that keeps it busy: ratios would be of that instead of the servers.
 *
 * @returns how to end it; `undefined` where it cannot be done.
 */
export function keepAwake(): (() => void) | undefined {
  let file: number;
  try {
    file = openSync(WAKE_UP_LIMIT, "w");
  } catch {
    // Another system, or not the rights: the section of BENCHMARKS.md says that the cores were left alone.
    return undefined;
  }
  writeSync(file, Buffer.alloc(4));
  return () => closeSync(file);
}
