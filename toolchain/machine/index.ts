import { StepList } from "../lib/progress";
import { stopIfInterrupted } from "../lib/interrupt";
import { baseImageSteps } from "./base-images";
import type { Phase, State, Step } from "./types";

export interface PrepareOptions {
  readonly phase: Phase;
  /** @default false */
  readonly official?: boolean;
}

/** Steps a machine needs for a phase, in the order in which they depend on each other. */
export function machineSteps(_phase: Phase): Step[] {
  return [...baseImageSteps()];
}

export async function prepareMachine(options: PrepareOptions): Promise<void> {
  const steps = machineSteps(options.phase);
  const list = new StepList();
  const states = await Promise.all(steps.map((step) => step.check()));
  for (const [index, step] of steps.entries()) {
    stopIfInterrupted();
    const state = states[index] as State;
    if (state.kind !== "missing" && !(options.official && state.kind === "stand-in")) {
      list.note(step.title, state.detail);
      continue;
    }
    await list.run(step.title, (progress) => step.ensure({ progress, official: options.official === true }));
  }
}
