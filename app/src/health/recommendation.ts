import { THRESHOLDS } from "./thresholds";

/** What the advice is based on. */
export interface ScalingFigures {
  readonly workersWanted: number;
  readonly workersReady: number;
  /** CPUs this instance may use. */
  readonly cpus: number;
  /** Highest share of its memory limit any worker uses, 0–1. */
  readonly memoryPressure: number;
  /** Share of its time the answering worker's event loop works, 0–1. */
  readonly eventLoopUtilization: number;
  /** Share of the respawn budget of the last minute in use, 0–1. */
  readonly respawnBudgetUsed: number;
}

export interface Recommendation {
  readonly action: "none" | "wait" | "find-crashes" | "add-memory" | "add-workers" | "add-instances";
  /** One sentence with the figure that led to it and the setting to change. */
  readonly reason: string;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** Advice on scaling, most urgent first. More of anything does not help workers that crash, so that goes before load. */
export function recommend(figures: ScalingFigures): Recommendation {
  const { workersWanted, workersReady, cpus, memoryPressure, eventLoopUtilization, respawnBudgetUsed } = figures;
  if (respawnBudgetUsed >= THRESHOLDS.respawnBudget.warning) {
    return {
      action: "find-crashes",
      reason: `${percent(respawnBudgetUsed)} of the respawn budget was used in the last minute; the log says why workers end.`,
    };
  }
  if (workersReady < workersWanted) {
    return { action: "wait", reason: `${workersReady} of ${workersWanted} workers are ready; the others are starting.` };
  }
  if (memoryPressure >= THRESHOLDS.memoryPressure.warning) {
    return { action: "add-memory", reason: `A worker uses ${percent(memoryPressure)} of its memory; raise appMemoryMb or lower workers.` };
  }
  if (eventLoopUtilization >= THRESHOLDS.eventLoopUtilization.warning) {
    const busy = `The worker's event loop is busy ${percent(eventLoopUtilization)} of the time`;
    return workersWanted < cpus
      ? { action: "add-workers", reason: `${busy} and ${cpus - workersWanted} CPU(s) have no worker; raise workers.` }
      : { action: "add-instances", reason: `${busy} and every CPU has a worker; raise appInstances.` };
  }
  return { action: "none", reason: "Every figure is below its threshold." };
}
