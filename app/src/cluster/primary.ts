import cluster from "node:cluster";
import type { AppConfig } from "../config";
import { heapOptions } from "../lifecycle/heap-limit";
import type { Logger } from "../observability/logger";
import { MetricsAggregator } from "../observability/metrics-aggregator";
import { connectWorkers, receiveFromWorker } from "./channel";
import { answerDrains, type DrainOutcome } from "./drain-worker";
import type { Answers, FromWorker, Question } from "./ipc";
import { MemoryPolicy } from "./memory-monitor";
import { PrimaryMetrics } from "./primary-metrics";
import { Reloader } from "./reload";
import { Supervisor } from "./supervisor";
import type { ClusterStatus } from "./types";
import type { WorkerHandle } from "./worker-handle";

/** Exit status of a process that a signal ended, by the convention of shells. */
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * The primary process: forks workers, watches over them, answers their questions, and turns signals into reload and shutdown.
 * It serves no request itself and loads none of the code that does.
 */
export class Primary {
  private readonly supervisor: Supervisor;
  private readonly reloader: Reloader;
  private readonly aggregator = new MetricsAggregator();
  private readonly metrics = new PrimaryMetrics();
  private readonly memoryPolicies = new WeakMap<WorkerHandle, MemoryPolicy>();

  constructor(
    private readonly config: AppConfig,
    private readonly logger: Logger,
  ) {
    this.supervisor = new Supervisor(config, logger, {
      message: (handle, message) => this.onMessage(handle, message),
      departed: (handle) => this.aggregator.depart(handle.id),
      respawned: () => this.metrics.respawns.inc(),
      exhausted: (reason) => {
        logger.fatal({ reason }, "giving up");
        process.exit(1);
      },
    });
    this.reloader = new Reloader(this.supervisor, logger);
    answerDrains((worker) => this.drainWorker(worker));
    connectWorkers((message, except) => {
      for (const handle of this.supervisor.workers) if (handle.id !== except && !handle.isBehind) handle.send(message);
    });
  }

  start(): void {
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({
      // The very file that runs, bundled or not; read anew by every worker, which is what makes a reload load new code.
      exec: process.argv[1] ?? __filename,
      args: [],
      execArgv: heapOptions(process.execArgv, this.config.cluster.heapMb),
      // Keeps numbers that JSON does not know (NaN in metrics).
      serialization: "advanced",
    });
    process.on("SIGTERM", () => this.onSignal("SIGTERM"));
    process.on("SIGINT", () => this.onSignal("SIGINT"));
    process.on("SIGHUP", () => void this.reloader.request());
    this.supervisor.start();
  }

  private onSignal(signal: keyof typeof SIGNAL_EXIT): void {
    if (this.supervisor.stopping) {
      this.logger.warn({ signal }, "second signal: ending at once");
      this.supervisor.killAll();
      process.exit(SIGNAL_EXIT[signal]);
    }
    this.logger.info({ signal, drainDelayMs: this.config.drainDelayMs, shutdownTimeoutMs: this.config.shutdownTimeoutMs }, "shutting down");
    void this.supervisor.stop().then(({ killed }) => {
      if (killed > 0) this.logger.error({ killed }, "workers did not end in time and were killed");
      else this.logger.info("shut down");
      process.exit(killed > 0 ? 1 : 0);
    });
  }

  private onMessage(handle: WorkerHandle, message: FromWorker): void {
    switch (message.phased) {
      case "memory":
        this.watchMemory(handle, message.memory.pressure, message.relieved);
        return;
      case "metrics":
        this.aggregator.receive(handle.id, message.snapshot, message.id);
        return;
      case "leaving":
        this.aggregator.receive(handle.id, message.snapshot);
        handle.send({ phased: "released" });
        return;
      case "replace-me":
        if (handle.state !== "ready") return;
        this.logger.info({ worker: handle.id }, "worker was told to end; replacing it");
        void this.supervisor.replaceWorker(handle, "signal");
        return;
      case "ask":
        void this.answer(handle, message.id, message.question);
        return;
      case "broadcast":
      case "channel-asks":
        receiveFromWorker(message, handle.id, (answer) => handle.send(answer));
        return;
      default:
    }
  }

  private drainWorker(id: number): DrainOutcome {
    const handle = this.supervisor.workers.find((worker) => worker.id === id);
    if (handle === undefined) return "unknown";
    if (handle.state === "starting") return "starting";
    if (handle.state === "ready") {
      this.logger.info({ worker: id }, "an operator asked to drain a worker; replacing it");
      void this.supervisor.replaceWorker(handle, "operator");
    }
    return "accepted";
  }

  private watchMemory(handle: WorkerHandle, pressure: number, relieved: boolean): void {
    if (handle.state !== "ready" || handle.replacementPlanned) return;
    const policy = this.memoryPolicies.get(handle) ?? new MemoryPolicy(this.config.cluster.memoryGcIntervalMs);
    this.memoryPolicies.set(handle, policy);
    const action = policy.decide(pressure, relieved);
    if (action === "none") return;
    this.metrics.memoryActions.inc({ action });
    this.logger.warn({ worker: handle.id, pressure, action }, "worker memory is high");
    if (action !== "replace") {
      handle.send({ phased: "relieve", how: action });
      return;
    }
    // A program that needs more than its limit from the start must not fork for ever.
    if (this.supervisor.budget.take().granted) void this.supervisor.replaceWorker(handle, "memory");
    else this.logger.error({ worker: handle.id }, "restart budget is used up; the worker stays although its memory is high");
  }

  private async answer(handle: WorkerHandle, id: number, question: Question): Promise<void> {
    handle.openQuestions += 1;
    try {
      handle.send({ phased: "answer", id, value: await this.answers(handle)[question]() });
    } catch (error) {
      this.logger.error({ err: error, question }, "a worker's question could not be answered");
      handle.send({ phased: "answer", id, error: (error as Error).message });
    } finally {
      handle.openQuestions -= 1;
    }
  }

  private answers(handle: WorkerHandle): Answers {
    return {
      status: () => this.status(handle),
      reload: () => this.reloader.request(),
      metrics: () => {
        const serving = this.supervisor.workers.filter((worker) => worker.state !== "starting");
        const sources = serving.map((worker) => ({
          id: worker.id,
          pull: (request: number) => worker.send({ phased: "pull-metrics", id: request }),
        }));
        return this.aggregator.collect(sources, () => this.metrics.snapshot(this.supervisor.status(), this.reloader.status));
      },
    };
  }

  private status(asking: WorkerHandle): ClusterStatus {
    const workers = this.supervisor.status();
    const uptimeSeconds = workers.find((worker) => worker.id === asking.id)?.uptimeSeconds ?? 0;
    return {
      phase: this.config.phase,
      clustering: true,
      worker: { id: asking.id, pid: asking.pid, uptimeSeconds },
      primary: { pid: process.pid, uptimeSeconds: Math.round(process.uptime() * 1000) / 1000 },
      workersWanted: this.config.cluster.workers,
      workers,
      respawns: {
        limitPerMinute: this.supervisor.budget.limit,
        usedLastMinute: this.supervisor.budget.used,
        total: this.supervisor.budget.total,
      },
      reloads: this.reloader.status,
      stopping: this.supervisor.stopping,
    };
  }
}
