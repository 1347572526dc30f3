import { coloursFor } from "../lib/colours";
import { dockerClient } from "../lib/docker";
import { UserError } from "../lib/errors";
import { stopIfInterrupted } from "../lib/interrupt";
import { StepList } from "../lib/progress";
import { baseImageSteps } from "./base-images";
import { dockerEngineStep } from "./docker-engine";
import { kafkaImageStep } from "./kafka-image";
import { languageHostStep } from "./language-host";
import { npmDependenciesStep } from "./npm-dependencies";
import { removeDownloads } from "./official";
import { pluginSteps } from "./plugins";
import { pulumiCliStep } from "./pulumi-cli";
import type { Phase, State, Step } from "./types";

export interface PrepareOptions {
  /** Decides which plugins and images are needed. */
  readonly phase: Phase;
  /** Try official downloads again where a stand-in is installed. @default false */
  readonly official?: boolean;
  /** Stack config `docker:host`: the engine that has to answer and to have the images. @default DOCKER_HOST, then the default socket */
  readonly dockerHost?: string | undefined;
  /** Stack config `kafka`: its base image is needed as well. @default false */
  readonly kafka?: boolean;
}

/** What a machine needs for a phase. The groups may be worked on at the same time, the steps of a group one after another. */
export interface MachineSteps {
  /** Before anything else. */
  readonly first: readonly Step[];
  readonly groups: readonly (readonly Step[])[];
}

/** The steps for a phase. */
export function machineSteps({ phase, dockerHost, kafka = false }: Omit<PrepareOptions, "official">): MachineSteps {
  const docker = (): ReturnType<typeof dockerClient> => dockerClient(dockerHost);
  const images = [...baseImageSteps(docker), ...(kafka && phase === "database" ? [kafkaImageStep(docker)] : [])];
  return {
    first: [npmDependenciesStep(), dockerEngineStep(dockerHost)],
    groups: [[pulumiCliStep(), languageHostStep(), ...pluginSteps(phase)], images],
  };
}

/** A step with what its check found. */
export interface Checked {
  readonly step: Step;
  readonly state: State;
}

/** Checks all steps at the same time; changes nothing. */
export function checkMachine(steps: MachineSteps): Promise<Checked[]> {
  const all = [...steps.first, ...steps.groups.flat()];
  return Promise.all(all.map(async (step) => ({ step, state: await step.check() })));
}

/**
 * Brings about everything this machine needs for a phase and says what it does. Does nothing that is done already; may be
 * interrupted at any time and run again.
 *
 * @throws UserError of the first step that needs the user's hand
 */
export async function prepareMachine(options: PrepareOptions, steps: MachineSteps = machineSteps(options)): Promise<void> {
  const official = options.official === true;
  const checked = await checkMachine(steps);
  const due = new Set(checked.filter(({ state }) => isDue(state, official)).map(({ step }) => step));
  if (due.size === 0) {
    summarize(checked);
    return;
  }
  const list = new StepList();
  for (const { step, state } of checked) if (!due.has(step)) list.note(step.title, state.detail);
  const ensure = async (step: Step): Promise<void> => {
    stopIfInterrupted();
    if (!due.has(step)) return;
    await list.run(
      step.title,
      async (progress) => {
        await step.ensure({ progress, official });
        const state = await step.check();
        // Whatever a step believes to have done, what counts is what is there.
        if (state.kind === "missing") throw new UserError(`${step.title}: ${state.detail}`, state.fix);
        return state;
      },
      (state) => (state.kind === "stand-in" ? "done, with a stand-in" : "done"),
    );
  };
  try {
    for (const step of steps.first) await ensure(step);
    const results = await Promise.allSettled(
      steps.groups.map(async (group) => {
        for (const step of group) await ensure(step);
      }),
    );
    // Every group may finish what it can; then the first failure is told.
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  } finally {
    await removeDownloads();
  }
}

function isDue(state: State, official: boolean): boolean {
  return state.kind === "missing" || (official && state.kind === "stand-in");
}

function summarize(checked: readonly Checked[]): void {
  const docker = checked.find(({ step }) => step.id === "docker")?.state.detail;
  const pulumi = checked.find(({ step }) => step.id === "pulumi")?.state.detail.split(",")[0] ?? "";
  console.log(`machine ready: ${docker === undefined ? "" : `Docker Engine ${docker}; `}Pulumi ${pulumi}`);
  const standIns = checked.filter(({ state }) => state.kind === "stand-in").map(({ step }) => step.title);
  if (standIns.length > 0) console.log(coloursFor(process.stdout).dim(`stand-ins in use (restricted network): ${standIns.join(", ")}`));
}
