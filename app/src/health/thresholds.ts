/** How well a part of the app is. `disabled` is a part that this version or phase does not have. */
export type ComponentStatus = "ok" | "warning" | "critical" | "disabled";

/** From where on a figure is a warning, and from where on it is critical. */
export interface Threshold {
  readonly warning: number;
  readonly critical: number;
}

/**
 * What `/api/health/full` judges by. Figures of a healthy instance on two cores, measured: database 0.02 ms, event-loop delay (p99)
 * 1–3 ms idle and below 20 ms at 60 % of capacity.
 */
export const THRESHOLDS = {
  /** Answer of the database, ms: a local file takes far less than one, half a second is a disk that hangs. */
  databaseLatencyMs: { warning: 50, critical: 500 },
  /** Share of the memory limit (feature A3): 85 % is where the proactive collection starts, 90 % the clean-up. */
  memoryPressure: { warning: 0.85, critical: 0.9 },
  /** p99 of the event loop's delay, ms. Every request in flight waits this long on top of its own work. */
  eventLoopDelayMs: { warning: 50, critical: 250 },
  /** Share of time the event loop works (feature B8 warns at 80 % CPU); close to 1 a queue builds up. */
  eventLoopUtilization: { warning: 0.8, critical: 0.95 },
  /** Share of the respawn budget of the last minute (feature A2) in use. */
  respawnBudget: { warning: 0.3, critical: 0.8 },
} as const satisfies Record<string, Threshold>;

export function judge(value: number, threshold: Threshold): ComponentStatus {
  if (value >= threshold.critical) return "critical";
  return value >= threshold.warning ? "warning" : "ok";
}

/** The worst of several; parts that are switched off count for nothing. */
export function worst(statuses: readonly ComponentStatus[]): "ok" | "warning" | "critical" {
  if (statuses.includes("critical")) return "critical";
  return statuses.includes("warning") ? "warning" : "ok";
}
