import { answerDrains } from "../cluster/drain-worker";
import { answerLocally } from "../cluster/ipc";
import { MemoryPolicy, sampleMemory } from "../cluster/memory-monitor";
import type { ClusterStatus } from "../cluster/types";
import type { AppConfig } from "../config";
import type { Logger } from "../observability/logger";
import { collectProcessMetrics, registry } from "../observability/metrics";
import type { RunningWorker, StartWorker } from "./types";
import { drain, exitOnUnhandledError, relieveMemory } from "./worker-process";

const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const;

/** Said to whoever asks a single process to reload; nobody could take over meanwhile. */
const NO_RELOAD = "a single process cannot be reloaded; restart it, or set WORKERS to 2 or more";

/** One process that does it all: development, and `WORKERS=1` (feature C2). Same memory policy and same shutdown as a worker. */
export async function runSingleProcess(config: AppConfig, logger: Logger, startWorker: StartWorker<AppConfig>): Promise<void> {
  exitOnUnhandledError(logger);
  let stopping = false;
  answerLocally({
    status: () => localStatus(config, stopping),
    metrics: () => registry.metrics(),
    reload: () => Promise.resolve({ ok: false, replaced: 0, kept: 1, durationMs: 0, reason: NO_RELOAD }),
  });
  answerDrains(() => "alone");
  const running = await startWorker(config, { workerId: 1, clustered: false });
  collectProcessMetrics();
  const stop = (signal: keyof typeof SIGNAL_EXIT): void => {
    if (stopping) {
      logger.warn({ signal }, "second signal: ending at once");
      process.exit(SIGNAL_EXIT[signal]);
    }
    stopping = true;
    logger.info({ signal, drainDelayMs: config.drainDelayMs, shutdownTimeoutMs: config.shutdownTimeoutMs }, "shutting down");
    void drain(running, "instance", config, logger).then(() => {
      logger.info("shut down");
      process.exit(0);
    });
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
  process.on("SIGHUP", () => logger.warn(NO_RELOAD));
  watchMemory(config, running, logger);
  logger.info({ port: running.port, phase: config.phase }, "ready");
}

function watchMemory(config: AppConfig, running: RunningWorker, logger: Logger): void {
  const policy = new MemoryPolicy(config.cluster.memoryGcIntervalMs);
  let warned = false;
  const check = async (relieved: boolean): Promise<void> => {
    const { pressure } = sampleMemory(config.cluster);
    const action = policy.decide(pressure, relieved);
    if (action === "replace") {
      // Nobody can take over here; say it once until it is over.
      if (!warned) logger.error({ pressure }, "memory stays high after cleanup, and a single process cannot be replaced without a gap");
      warned = true;
    } else if (action === "none") warned = false;
    else {
      logger.warn({ pressure, action }, "memory is high");
      const thorough = await relieveMemory(action, running);
      if (thorough) await check(true);
    }
  };
  setInterval(() => void check(false), config.cluster.memoryIntervalMs).unref();
}

function localStatus(config: AppConfig, stopping: boolean): ClusterStatus {
  const uptimeSeconds = Math.round(process.uptime() * 1000) / 1000;
  const worker = { id: 1, pid: process.pid, uptimeSeconds };
  return {
    phase: config.phase,
    clustering: false,
    worker,
    primary: { pid: process.pid, uptimeSeconds },
    workersWanted: 1,
    workers: [
      {
        ...worker,
        slot: 1,
        state: stopping ? "draining" : "ready",
        restarts: 0,
        lastPingSeconds: null,
        missedPings: 0,
        memory: sampleMemory(config.cluster),
      },
    ],
    respawns: { limitPerMinute: config.cluster.respawnLimit, usedLastMinute: 0, total: 0 },
    reloads: { completed: 0, failed: 0, running: false, last: null },
    stopping,
  };
}
