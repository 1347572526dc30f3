import { Counter, Gauge, Registry } from "prom-client";
import type { MetricSnapshot } from "../observability/metrics-merge";
import type { ClusterStatus, WorkerState, WorkerStatus } from "./types";

const STATES: readonly WorkerState[] = ["starting", "ready", "draining", "unresponsive"];

/** What only the primary knows, as metrics. */
export class PrimaryMetrics {
  private readonly registry = new Registry();
  readonly respawns = new Counter({
    name: "cluster_respawns_total",
    help: "Workers started again after one was lost.",
    registers: [this.registry],
  });
  readonly memoryActions = new Counter({
    name: "cluster_memory_actions_total",
    help: "Steps taken against high memory of a worker: collect, compact, cleanup, replace.",
    labelNames: ["action"],
    registers: [this.registry],
  });
  private readonly workers = new Gauge({
    name: "cluster_workers",
    help: "Worker processes by state.",
    labelNames: ["state"],
    registers: [this.registry],
  });
  private readonly pressure = new Gauge({
    name: "cluster_worker_memory_pressure",
    help: "Share of its tighter memory limit a worker uses, 0 to 1, by slot.",
    labelNames: ["slot"],
    registers: [this.registry],
  });
  /** Under the name that workers have theirs: the sum is then the instance's, which has its limit for all of its processes. */
  private readonly resident = new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory size in bytes.",
    registers: [this.registry],
  });
  private readonly reloads = new Gauge({
    name: "cluster_reloads",
    help: "Rolling reloads since start, by result.",
    labelNames: ["result"],
    registers: [this.registry],
  });

  snapshot(workers: readonly WorkerStatus[], reloads: ClusterStatus["reloads"]): Promise<MetricSnapshot[]> {
    for (const state of STATES) this.workers.set({ state }, workers.filter((worker) => worker.state === state).length);
    this.pressure.reset();
    for (const { slot, state, memory } of workers) if (memory && state === "ready") this.pressure.set({ slot }, memory.pressure);
    this.resident.set(process.memoryUsage.rss());
    this.reloads.set({ result: "ok" }, reloads.completed);
    this.reloads.set({ result: "failed" }, reloads.failed);
    return this.registry.getMetricsAsJSON();
  }
}
