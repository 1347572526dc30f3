import type { ClusterConfig } from "../config";
import type { WorkerHandle } from "./worker-handle";

/**
 * Pings every worker that serves. The answer comes from the worker's event loop, so a stopped process and a busy loop both stay
 * silent. Misses are counted, not measured in time: after a machine slept, one late answer is one miss, not a reason to kill.
 */
export class HealthMonitor {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly config: Pick<ClusterConfig, "healthIntervalMs" | "healthMisses">,
    private readonly workers: () => readonly WorkerHandle[],
    private readonly giveUpOn: (worker: WorkerHandle) => void,
  ) {}

  start(): void {
    this.timer = setInterval(() => this.round(), this.config.healthIntervalMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private round(): void {
    for (const worker of this.workers()) {
      // A starting worker has its boot timeout, a draining one its deadline.
      if (worker.state !== "ready") continue;
      if (worker.awaitsPong) worker.missedPings += 1;
      if (worker.missedPings >= this.config.healthMisses) {
        this.giveUpOn(worker);
        continue;
      }
      worker.awaitsPong = true;
      worker.send({ phased: "ping" });
    }
  }
}
