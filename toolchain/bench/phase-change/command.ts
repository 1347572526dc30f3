import { randomBytes } from "node:crypto";
import path from "node:path";
import type { Command } from "commander";
import type Docker from "dockerode";
import { HttpLoad } from "../../chaos/http-load";
import { removeStack } from "../../chaos/own-stack";
import { Recorder } from "../../chaos/recorder";
import { execIn, lastLogLines, reachableDocker } from "../../lib/docker";
import { stackContainers } from "../../lib/docker-app";
import { UserError } from "../../lib/errors";
import { freePort } from "../../lib/free-port";
import { stopIfInterrupted } from "../../lib/interrupt";
import { type OpenStack, openStack, textOutput } from "../../lib/outputs";
import { STATE_DIR } from "../../lib/paths";
import { renderTable } from "../../lib/table";
import { prepareMachine } from "../../machine";
import { machine } from "../app/surroundings";
import { count, narrator, writeSection } from "../options";
import { carried, type Change, CHANGE_HEAD, changeRow, changeSection } from "./figures";

/** Heading of BENCHMARKS.md under which the dated sections go. */
const HEADING = "## Change of phase under load (`npm run bench phase-change`)";

/** A seeded company has 15 rows on average. */
const ROWS_OF_COMPANY = 15;

/** Filling takes a minute for a million rows; a busy machine takes several times that. */
const FILL_TIMEOUT_MS = 30 * 60_000;

/** Orders flow for this long before a change and after it, ms; so long is a new app measured as well. */
const FLOW_MS = 10_000;

interface PhaseChangeOptions {
  readonly rows: string;
  readonly writes: string;
  readonly write: boolean;
}

/** Adds `bench phase-change`. */
export function registerPhaseChange(bench: Command): void {
  bench
    .command("phase-change")
    .description("cluster → database and back with many rows, under load: rows a second, longest time without a write, what is lost")
    .option("--rows <n>", "rows in the database, in thousands", "1000")
    .option("--writes <n>", "orders written a second", "20")
    .option("--no-write", "print only, leave BENCHMARKS.md as it is")
    .addHelpText(
      "after",
      `
It makes a stack of its own beside yours and removes it at the end. Run it on a machine with nothing else to do; a million rows take about 10 minutes.

Examples:
  npm run bench phase-change
  npm run bench phase-change -- --rows 20 --no-write`,
    )
    .action(phaseChange);
}

async function phaseChange(options: PhaseChangeOptions): Promise<void> {
  const companies = Math.ceil((count("--rows", options.rows, 1400) * 1000) / ROWS_OF_COMPANY);
  const writesPerSecond = count("--writes", options.writes, 60);
  await prepareMachine({ phase: "database" });
  const docker = await reachableDocker();
  const name = `bench-${randomBytes(3).toString("hex")}`;
  const port = String(await freePort());
  const inPhase = (phase: string): Promise<OpenStack> =>
    openStack(name, { create: true, config: { phase, port, protect: "false", leaveDatabase: "true" } });
  const say = narrator();
  let load: HttpLoad | undefined;
  try {
    const stack = await inPhase("cluster");
    await up(stack);
    say(`making ${companies} companies`);
    await fill(await oneOf(docker, stack, "app"), companies, say);
    const outputs = await stack.outputs();
    const recorder = new Recorder(path.join(STATE_DIR, "bench", `${name}.log`));
    const adminToken = textOutput(outputs, "adminToken") ?? "";
    load = new HttpLoad(textOutput(outputs, "appUrl") ?? "", recorder, writesPerSecond, { "x-rate-limit-bypass": adminToken });
    await load.signUp();
    load.start();
    const changes: Change[] = [];
    for (const [from, to, service] of [
      ["cluster", "database", "data-move"],
      ["database", "cluster", "data-move-back"],
    ] as const) {
      say(`${from} → ${to}`);
      const seen = await watch(load, recorder, async () => up(await inPhase(to)));
      const change = { from, to, ...seen, ...carried(await lastLogLines(await oneOf(docker, stack, service), 50)) };
      say(changeRow(change).join(", "));
      changes.push(change);
    }
    load.stop();
    await recorder.close();
    console.log(`\n${renderTable(CHANGE_HEAD, changes.map(changeRow))}`);
    if (options.write) writeSection(HEADING, changeSection(changes, writesPerSecond, machine()));
  } finally {
    load?.stop();
    say("removing the stack");
    await removeStack(name);
  }
}

/** What clients see from {@link FLOW_MS} before a change until as long after it. */
async function watch(
  load: HttpLoad,
  recorder: Recorder,
  change: () => Promise<void>,
): Promise<Omit<Change, "from" | "to" | "rows" | "rowsSeconds">> {
  const flow = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, FLOW_MS));
  await flow();
  const [from, started] = [Date.now(), performance.now()];
  await change();
  const updateMs = performance.now() - started;
  await flow();
  const span = { from, to: Date.now() };
  return {
    updateMs,
    gapMs: recorder.gap("app", span),
    acknowledged: recorder.within("app", span).length,
    failedWrites: recorder.failuresOf("app", span).length,
    failedReads: recorder.failuresOf("read", span).length,
    lost: (await load.missing()).length,
  };
}

async function up(stack: OpenStack): Promise<void> {
  const { code } = await stack.update(["up", "--yes", "--skip-preview", "--suppress-outputs"]);
  stopIfInterrupted();
  if (code !== 0) throw new UserError(`stack ${stack.name} did not come up; Pulumi's own words are above`);
}

async function fill(app: Docker.Container, companies: number, say: (text: string) => void): Promise<void> {
  const command = ["node", "main.js", "seed", `--companies=${companies}`];
  const { exitCode, stderr } = await execIn(app, command, FILL_TIMEOUT_MS, say);
  if (exitCode !== 0) throw new Error(`filling the database ended with ${exitCode}: ${stderr.slice(-500)}`);
}

/** A container of a service, running or not. */
async function oneOf(docker: Docker, stack: OpenStack, service: string): Promise<Docker.Container> {
  const [info] = await stackContainers(docker, await stack.onDocker(), service);
  if (info === undefined) throw new Error(`stack ${stack.name} has no container of ${service}`);
  return docker.getContainer(info.Id);
}
