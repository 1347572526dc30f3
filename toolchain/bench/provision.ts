import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import type Docker from "dockerode";
import { stopIfInterrupted } from "../lib/interrupt";
import { exec } from "../lib/exec";
import type { OpenStack } from "../lib/outputs";
import { ROOT, STATE_DIR } from "../lib/paths";
import { composeSide, type ComposeCommand, type ComposeSide } from "./compose-side";
import type { Samples } from "./figures";

export interface ProvisionOptions {
  readonly stack: OpenStack;
  readonly docker: Docker;
  readonly compose: ComposeCommand;
  readonly rounds: number;
  /** Port of the compose side; the stack has its own. */
  readonly composePort: number;
  /** Called before each step, for progress. */
  readonly onStep: (text: string) => void;
}

/** Longest wait for one step of Pulumi, in milliseconds. */
const STEP_TIMEOUT_MS = 300_000;

type Mutable = { -readonly [Key in keyof Samples]: number[] };

/**
 * Measures `pulumi up` from nothing, without a change, preview and destroy against `docker compose` with the same images.
 *
 * A first round that is not counted builds the images and writes the compose file. Then both sides run in turn in every round, and
 * who goes first alternates, so that neither has the warmer machine.
 */
export async function measureProvisioning(options: ProvisionOptions): Promise<Samples> {
  const { stack, docker, compose, rounds, composePort, onStep } = options;
  const directory = mkdtempSync(path.join(STATE_DIR, "bench-"));
  const samples: Mutable = {
    pulumiUp: [],
    pulumiNoOp: [],
    pulumiPreview: [],
    pulumiDestroy: [],
    composeUp: [],
    composeNoOp: [],
    composeDown: [],
    programStart: [],
  };
  let other: ComposeSide | undefined;
  try {
    onStep("round 0 (not counted): building images, writing the compose file");
    await pulumi(stack, ["up", "--yes", "--skip-preview"]);
    other = await composeSide(docker, await stack.onDocker(), compose, directory, composePort);
    await pulumi(stack, ["destroy", "--yes", "--skip-preview"]);
    await other.up();
    await other.down();
    for (let round = 0; round < rounds; round += 1) {
      const sides = [() => pulumiRound(stack, samples), () => composeRound(other, samples)];
      for (const [index, side] of (round % 2 === 0 ? sides : sides.reverse()).entries()) {
        stopIfInterrupted();
        onStep(`round ${round + 1} of ${rounds}, side ${index + 1} of 2`);
        await side();
      }
      onStep(`round ${round + 1} of ${rounds}, start of the program`);
      samples.programStart.push(await timed(() => programStart(stack)));
    }
    return samples;
  } finally {
    await other?.down();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function pulumiRound(stack: OpenStack, samples: Mutable): Promise<void> {
  samples.pulumiUp.push(await timed(() => pulumi(stack, ["up", "--yes", "--skip-preview"])));
  samples.pulumiNoOp.push(await timed(() => pulumi(stack, ["up", "--yes", "--skip-preview", "--expect-no-changes"])));
  samples.pulumiPreview.push(await timed(() => pulumi(stack, ["preview", "--expect-no-changes"])));
  samples.pulumiDestroy.push(await timed(() => pulumi(stack, ["destroy", "--yes", "--skip-preview"])));
}

async function composeRound(side: ComposeSide | undefined, samples: Mutable): Promise<void> {
  if (side === undefined) return;
  samples.composeUp.push(await timed(() => side.up()));
  samples.composeNoOp.push(await timed(() => side.up()));
  samples.composeDown.push(await timed(() => side.down()));
}

async function pulumi(stack: OpenStack, args: readonly string[]): Promise<void> {
  await stack.pulumi([...args, "--non-interactive", "--color", "never"], STEP_TIMEOUT_MS);
}

/** The program in a process of its own, as the language host starts it, against mocks. */
async function programStart(stack: OpenStack): Promise<void> {
  const script = path.join(ROOT, "toolchain", "bench", "program-start.ts");
  await exec("node", ["--import", "tsx", script], {
    timeoutMs: 60_000,
    cwd: ROOT,
    env: { ...process.env, BENCH_STACK: stack.name, PULUMI_CONFIG: JSON.stringify(stack.config) },
  });
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}
