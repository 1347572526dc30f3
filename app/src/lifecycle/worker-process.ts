import cluster from "node:cluster";
import { setTimeout as delay } from "node:timers/promises";
import { receiveFromPrimary } from "../cluster/channel";
import type { FromPrimary } from "../cluster/ipc";
import { isOurs, sendToPrimary, settleAnswer } from "../cluster/ipc";
import { collectGarbage, type Relief, sampleMemory } from "../cluster/memory-monitor";
import type { AppConfig } from "../config";
import type { Logger } from "../observability/logger";
import { collectProcessMetrics, metricsSnapshot } from "../observability/metrics";
import { failure } from "./failure";
import type { DrainScope, RunningWorker, StartWorker } from "./types";

/** Longest wait until the primary lets a drained worker go, in milliseconds. */
const FAREWELL_MS = 2000;

/** Longest wait until the reason of a failed boot is written to the channel, in milliseconds. */
const LAST_WORDS_MS = 1000;

/** Readiness and connections first, then requests in flight, then everything behind them. */
export async function drain(running: RunningWorker, scope: DrainScope, config: AppConfig, logger: Logger): Promise<void> {
  running.beginDrain(scope);
  await delay(config.drainDelayMs);
  const startedAt = performance.now();
  await running.close(config.shutdownTimeoutMs);
  logger.info({ scope, closedInMs: Math.round(performance.now() - startedAt) }, "drained");
}

/** @returns whether what remains is live memory: see {@link MemoryPolicy.decide}. */
export async function relieveMemory(how: Relief, running: RunningWorker): Promise<boolean> {
  if (how === "cleanup") await running.cleanupMemory();
  collectGarbage(how !== "collect");
  return how !== "collect";
}

/** Ends the process on an error nobody handled: its state is unknown, and the primary starts a clean one. */
export function exitOnUnhandledError(logger: Logger): void {
  const fatal = (error: unknown): void => {
    logger.fatal({ err: error }, "unhandled error");
    process.exit(1);
  };
  process.on("uncaughtException", fatal);
  process.on("unhandledRejection", fatal);
}

/** One worker under the primary, from boot to exit. */
export class WorkerProcess {
  private running: RunningWorker | undefined;
  private leaving = false;
  private onReleased: (() => void) | undefined;

  constructor(
    private readonly config: AppConfig,
    private readonly logger: Logger,
  ) {}

  async run(startWorker: StartWorker<AppConfig>): Promise<void> {
    exitOnUnhandledError(this.logger);
    process.on("message", (message: unknown) => {
      if (isOurs(message)) this.onMessage(message as FromPrimary);
    });
    try {
      this.running = await startWorker(this.config, { workerId: cluster.worker?.id ?? 0, clustered: true });
    } catch (error) {
      this.logger.fatal(failure(error), "the worker could not start");
      await failBoot(error);
      return;
    }
    collectProcessMetrics();
    // Starting leaves more garbage than an idle worker ever collects.
    collectGarbage(true);
    // Only now: while it boots, the default action (to end) is the right one.
    process.on("SIGTERM", () => void sendToPrimary({ phased: "replace-me" }));
    setInterval(() => this.reportMemory(false), this.config.cluster.memoryIntervalMs).unref();
    this.reportMemory(false);
    await sendToPrimary({ phased: "ready", port: this.running.port });
  }

  private onMessage(message: FromPrimary): void {
    switch (message.phased) {
      case "ping":
        void sendToPrimary({ phased: "pong" });
        return;
      case "answer":
        settleAnswer(message);
        return;
      case "broadcast":
      case "channel-answers":
        receiveFromPrimary(message);
        return;
      case "pull-metrics":
        void metricsSnapshot().then((snapshot) => sendToPrimary({ phased: "metrics", id: message.id, snapshot }));
        return;
      case "relieve":
        void this.relieve(message.how);
        return;
      case "released":
        this.onReleased?.();
        return;
      case "drain":
        void this.leave(message.scope);
    }
  }

  private reportMemory(relieved: boolean): void {
    void sendToPrimary({ phased: "memory", memory: sampleMemory(this.config.cluster), relieved });
  }

  private async relieve(how: Relief): Promise<void> {
    // The primary decides on the sample after this whether it helped.
    if (this.running !== undefined) this.reportMemory(await relieveMemory(how, this.running));
  }

  /**
   * The primary may have handed over a connection just before it learned that this worker listens no more. Node gives it back by itself
   * and another worker takes it, but only while this process lives; otherwise its client would wait for ever. The channel keeps the order
   * of messages, so everything handed over has arrived when the answer has, and has been given back when the last message is written.
   */
  private async sayFarewell(): Promise<void> {
    const released = new Promise<void>((resolve) => (this.onReleased = resolve));
    await sendToPrimary({ phased: "leaving", snapshot: await metricsSnapshot() });
    await released;
    await sendToPrimary({ phased: "pong" });
  }

  private async leave(scope: DrainScope): Promise<void> {
    if (this.running === undefined) return;
    if (this.leaving) {
      // The instance ends while this worker is being replaced: from now on readiness fails as well.
      if (scope === "instance") this.running.beginDrain(scope);
      return;
    }
    this.leaving = true;
    await drain(this.running, scope, this.config, this.logger);
    await Promise.race([this.sayFarewell(), delay(FAREWELL_MS)]);
    process.exit(0);
  }
}

/** Tells the primary in one sentence why this worker cannot serve, and ends. */
export async function failBoot(error: unknown): Promise<never> {
  const reason = `could not start: ${failure(error).reason}`;
  await Promise.race([sendToPrimary({ phased: "boot-failed", reason }), delay(LAST_WORDS_MS)]);
  process.exit(1);
}
