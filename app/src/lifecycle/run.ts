import cluster from "node:cluster";
import { Primary } from "../cluster/primary";
import type { AppConfig } from "../config";
import { ConfigError, loadConfig } from "../config";
import { createLogger } from "../observability/logger";
// Names the instance, before anything is forked that needs the name.
import "../realtime/instance-id";
import { runSingleProcess } from "./single-process";
import type { StartWorker } from "./types";
import { failure } from "./failure";
import { takeHeap } from "./heap-limit";
import { failBoot, WorkerProcess } from "./worker-process";

/** The program the process manager runs. Both are loaded late, so that the primary holds none of the serving code in memory. */
export interface App {
  readonly startWorker: StartWorker<AppConfig>;
  /** Runs once before the first worker starts (migrations); a failure ends the process with its message. */
  prepare(config: AppConfig): Promise<void>;
  /** Runs once in the primary before it starts workers: what it answers them (`cluster/channel.ts`). @default nothing */
  inPrimary?(config: AppConfig): Promise<void>;
}

/** Exit status for a mistake in the environment or on the command line. */
const EXIT_USAGE = 2;

/**
 * Runs this process as what it is: the primary, one of its workers, or all in one. Every worker executes the same file again, and so does a
 * single process that is given a heap; a program calls this once at its start, in every process.
 */
export async function runApp(app: App): Promise<void> {
  if (cluster.isWorker) {
    await runWorker(app);
    return;
  }
  const config = configOrExit();
  const { workers, heapMb, residentLimitMb } = config.cluster;
  // Workers are given theirs when they are forked.
  const hasHeap = workers > 1 || takeHeap(heapMb);
  const logger = createLogger(config, { role: workers === 1 ? "single" : "primary" });
  logger.info({ phase: config.phase, environment: config.environment, workers, heapMb, residentLimitMb, port: config.port }, "starting");
  if (heapMb !== undefined && residentLimitMb !== undefined && heapMb > residentLimitMb) {
    logger.warn(
      { heapMb, residentLimitMb },
      "WORKER_HEAP_MB is more than a worker's part of the container's memory; the kernel may kill before V8 collects",
    );
  }
  if (!hasHeap)
    logger.warn({ heapMb }, "a single process cannot set its own heap here; what counts is Node's: start it with --max-old-space-size");
  try {
    await app.prepare(config);
    if (workers === 1) await runSingleProcess(config, logger, app.startWorker);
    else {
      await app.inPrimary?.(config);
      new Primary(config, logger).start();
    }
  } catch (error) {
    logger.fatal(failure(error), "could not start");
    process.exit(1);
  }
}

async function runWorker(app: App): Promise<void> {
  // Both reach every process of a terminal's foreground group; the primary turns them into a drain or a reload.
  process.on("SIGINT", () => undefined);
  process.on("SIGHUP", () => undefined);
  try {
    const config = loadConfig();
    await new WorkerProcess(config, createLogger(config, { worker: cluster.worker?.id })).run(app.startWorker);
  } catch (error) {
    await failBoot(error);
  }
}

/** The configuration, or the list of what is wrong with it on stderr and the end of the process. */
export function configOrExit(): AppConfig {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`The configuration is not usable:\n${error.violations.map((text) => `  - ${text}`).join("\n")}\n`);
    process.exit(EXIT_USAGE);
  }
}
