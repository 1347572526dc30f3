import { Counter, Gauge } from "prom-client";
import { registry } from "../observability/metrics";

const up = new Gauge({
  name: "redis_up",
  help: "1 while every worker can use this Redis server, else 0.",
  labelNames: ["redis"],
  aggregator: "min",
  registers: [registry],
});

const latency = new Gauge({
  name: "redis_ping_seconds",
  help: "Round trip of the last health check, the slowest of all workers, in seconds.",
  labelNames: ["redis"],
  aggregator: "max",
  registers: [registry],
});

const failures = new Counter({
  name: "redis_call_failures_total",
  help: "Calls that Redis failed or did not answer in time.",
  labelNames: ["redis"],
  registers: [registry],
});

const opened = new Counter({
  name: "redis_circuit_opened_total",
  help: "Times a worker stopped asking Redis and used its fallbacks.",
  labelNames: ["redis"],
  registers: [registry],
});

export function observeState(redis: string, isUp: boolean, latencyMs: number | undefined): void {
  up.set({ redis }, isUp ? 1 : 0);
  if (latencyMs !== undefined) latency.set({ redis }, latencyMs / 1000);
}

export function countFailure(redis: string): void {
  failures.inc({ redis });
}

export function countCircuitOpened(redis: string): void {
  opened.inc({ redis });
}
