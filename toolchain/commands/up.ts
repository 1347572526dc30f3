import type Docker from "dockerode";
import type { Command } from "commander";
import { prepareMachine } from "../machine";
import { changedContainers } from "../lib/changed-containers";
import { InterruptedError, UserError } from "../lib/errors";
import { dockerEndpoint, lastLogLines, reachableDocker } from "../lib/docker";
import { containerName, type StackOnDocker, stackContainers } from "../lib/docker-app";
import { isMeantToRun, isServing } from "../lib/docker-status";
import { hasGrafana, otherPorts, portContainer, portHolder, publishedPorts, publishes, type PublishedPort } from "../lib/docker-ports";
import { formatDuration } from "../lib/exec";
import { movesRows, stopUnfinishedMoves, tellMoves } from "../lib/moves";
import { DEFAULT_STACK, openStack, plannedStack, setConfig, textOutput, type OpenStack } from "../lib/outputs";
import { refuseDuringRestore } from "../lib/postgres-restore";
import { refuseOtherEngine } from "../lib/right-engine";
import { colours } from "../lib/table";
import { explainFailure, type KnownFailure } from "../lib/update-failures";
import { describeLocks, judgeLock, lockHost, parseLocks, processIsAlive } from "../lib/update-locks";
import {
  deployedPhase,
  failedResources,
  findOrphans,
  pendingOperations,
  removedContainers,
  removeOrphans,
  resourceName,
  stackOnDocker,
  type ExportedStack,
} from "../lib/update-recovery";
import type { UpdateRun } from "../lib/update-run";

interface UpOptions {
  readonly stack?: string;
  readonly yes?: boolean;
  readonly skipPreview?: boolean;
  readonly config?: readonly string[];
  readonly refresh?: boolean;
  readonly expectNoChanges?: boolean;
}

/** `npm run up`: from whatever the machine is to a running stack. */
export function register(program: Command): void {
  program
    .command("up")
    .description("prepare this machine and bring a stack up with pulumi; ends with its address")
    .option("-s, --stack <name>", "stack to bring up", DEFAULT_STACK)
    .option("-c, --config <key=value...>", "set configuration first, kept in Pulumi.<stack>.yaml")
    .option("-y, --yes", `do not ask before changing anything (always so for stack ${DEFAULT_STACK})`)
    .option("-f, --skip-preview", `do not compute a preview first (always so for stack ${DEFAULT_STACK})`)
    .option("-r, --refresh", "look first at what is really there, and correct what was changed by hand")
    .option("--expect-no-changes", "fail if anything had to be changed")
    .addHelpText(
      "after",
      `
Safe to run again at any time: what is as it should be stays untouched. Ctrl-C once lets what is under way finish and stops then;
the next run goes on from there. Options after a second -- go to pulumi up itself.

Examples:
  npm run up
  npm run up -- --config port=3002 --config appInstances=3
  npm run up -- --stack shop
  npm run up -- --refresh
  npm run up -- -- --diff`,
    )
    .allowExcessArguments(true)
    .action((options: UpOptions, command: Command) => run(options, command.args));
}

async function run(options: UpOptions, forwarded: readonly string[]): Promise<void> {
  const started = performance.now();
  const name = options.stack ?? DEFAULT_STACK;
  const args = pulumiArguments(options, name, forwarded);
  setConfig(name, options.config ?? []);
  const planned = plannedStack(name);
  const { phase } = planned;
  await prepareMachine(planned);
  const stack = await openStack(name, { create: true });
  const local = phase !== "cloud";
  const docker = local ? await reachableDocker(stack.dockerHost) : undefined;
  let exported: ExportedStack | undefined;
  if (docker !== undefined) {
    exported = await stack.exported();
    const refreshes = args.some((arg) => arg === "--refresh" || arg === "-r");
    if (!refreshes) await refuseOtherEngine(docker, stack, exported, stack.command("up", "--refresh"));
    refuseDuringRestore(await stackContainers(docker, stackOnDocker(stack.name, exported)));
    await checkPort(docker, stack, exported);
    await recover(docker, stack, exported);
    if (!refreshes && (await isBroken(docker, stack, exported))) args.push("--refresh");
  }
  const result = await updateTold(stack, args, docker, exported);
  if (result.cancelled) {
    if (docker !== undefined && exported !== undefined) await endMoves(docker, stackOnDocker(stack.name, exported));
    throw cancelled(stack);
  }
  if (result.code !== 0) throw await failureOf(result, stack, docker);
  await printEnd(stack, result, performance.now() - started);
}

function pulumiArguments(options: UpOptions, name: string, forwarded: readonly string[]): string[] {
  const quick = name === DEFAULT_STACK;
  const yes = options.yes === true || quick;
  if (!yes && !(process.stdin.isTTY && process.stdout.isTTY)) {
    throw new UserError(
      `npm run up cannot ask before it changes stack ${name}: there is no terminal`,
      "Add --yes, or look first with pulumi preview",
    );
  }
  return [
    "up",
    ...(yes ? ["--yes"] : []),
    ...(options.skipPreview === true || quick ? ["--skip-preview"] : []),
    ...(options.refresh === true ? ["--refresh"] : []),
    ...(options.expectNoChanges === true ? ["--expect-no-changes"] : []),
    "--suppress-outputs",
    ...forwarded,
  ];
}

/** A port that somebody else holds is found here in milliseconds, in Pulumi's update after the image was built. */
async function checkPort(docker: Docker, stack: OpenStack, exported: ExportedStack): Promise<void> {
  const own = await stackContainers(docker, stackOnDocker(stack.name, exported));
  const taken: TakenPort[] = [];
  for (const { key, port } of publishedPorts(stack.config)) {
    if (own.some((info) => publishes(info, port))) continue;
    const holder = await portContainer(port, docker);
    if (holder === undefined || (key === "grafanaPort" && !(await hasGrafana(docker, exported)))) continue;
    taken.push({ key, port, holder });
  }
  if (taken.length > 0) throw await portError(taken, stack, docker);
}

interface TakenPort extends PublishedPort {
  /** Who has it, if that is known. */
  readonly holder: string | undefined;
}

/** @param taken at least one */
async function portError(taken: readonly TakenPort[], stack: OpenStack, docker: Docker): Promise<UserError> {
  const sentences = taken.map(({ key, port, holder }) => {
    const [what, who] = [key === "port" ? `port ${port}` : `port ${port} (${key})`, holder === undefined ? "" : ` by ${holder}`];
    return `${what} of this machine is already in use${who}`;
  });
  const others = otherPorts(taken, publishedPorts(stack.config), await docker.listContainers());
  const [another, these] = taken.length === 1 ? ["another port", "this one"] : ["other ports", "these"];
  return new UserError(
    sentences.join("; "),
    `Use ${another}: ${stack.command("up", ...others)}; or free ${these} and run ${stack.command("up")} again`,
  );
}

/** Puts right what an update that was killed left behind: containers in no state, operations nobody knows the outcome of. */
async function recover(docker: Docker, stack: OpenStack, exported: ExportedStack): Promise<void> {
  const pending = pendingOperations(exported);
  if (pending.length === 0) return;
  console.log(colours.yellow("The last update was interrupted. Putting right what it left behind:"));
  for (const { operation, urn } of pending) console.log(`  ${operation} ${resourceName(urn)}: outcome unknown`);
  const before = new Set((await stackContainers(docker, stackOnDocker(stack.name, exported))).map(({ Id }) => Id));
  // First what takes Pulumi's lock: the operations may be those of an update that is running elsewhere right now.
  const result = await update(stack, ["refresh", "--yes", "--skip-preview", "--clear-pending-creates"]);
  if (result.cancelled) throw cancelled(stack);
  if (result.code !== 0) throw await failureOf(result, stack, docker);
  // The lock is free again: what was not there before may be of an update that has begun since, elsewhere.
  const orphans = (await findOrphans(docker, await stack.onDocker())).filter(({ id }) => before.has(id));
  for (const { name } of orphans) console.log(`  removing ${name}, which no state knows`);
  await removeOrphans(docker, orphans);
}

/**
 * Whether something of the stack does not run that should, or not as it was deployed. Pulumi compares its state with the program, and a container that
 * failed to start is in the state like any other: only a look at what is really there makes it put the container right.
 */
async function isBroken(docker: Docker, stack: OpenStack, exported: ExportedStack): Promise<boolean> {
  const infos = await stackContainers(docker, stackOnDocker(stack.name, exported));
  const stopped = infos
    .filter(isServing)
    .filter((info) => info.State !== "running")
    .map((info) => `${containerName(info)} is ${info.State}`);
  const failed = failedResources(exported).map((name) => `${name} did not come up the last time`);
  const removed = removedContainers(exported, new Set(infos.map(({ Id }) => Id))).map(({ urn }) => `${resourceName(urn)} was removed`);
  const changed = await changedContainers(docker, exported, infos.filter(isServing));
  const reasons = [...stopped, ...failed, ...removed, ...changed];
  if (reasons.length === 0) return false;
  console.log(colours.yellow(`Looking first at what is really there (--refresh): ${reasons.join(", ")}.`));
  return true;
}

/**
 * The update, and how far the rows are that it moves to another phase. On a terminal that Pulumi draws on, lines in between would spoil its display:
 * there `npm run status` tells, in another one.
 */
async function updateTold(
  stack: OpenStack,
  args: readonly string[],
  docker: Docker | undefined,
  exported: ExportedStack | undefined,
): Promise<UpdateRun> {
  if (docker === undefined || exported === undefined) return await update(stack, args);
  if (process.stdout.isTTY) {
    if (movesRows(deployedPhase(exported), stack))
      console.log(`How far the copy of the rows is: ${stack.command("status")}, in another terminal.`);
    return await update(stack, args);
  }
  const stop = tellMoves(docker, stackOnDocker(stack.name, exported), (line) => process.stderr.write(`${line}\n`));
  try {
    return await update(stack, args);
  } finally {
    await stop();
  }
}

/** Runs Pulumi; a lock whose process is gone is removed and the run repeated, once. */
async function update(stack: OpenStack, args: readonly string[]): Promise<UpdateRun> {
  const first = await stack.update(args);
  const locks = parseLocks(first.complaints);
  if (first.code === 0 || locks.length === 0) return first;
  const here = lockHost(stack.managed);
  if (!locks.every((lock) => judgeLock(lock, processIsAlive, here) === "stale")) {
    throw new UserError(describeLocks(stack.name, locks, processIsAlive, here));
  }
  const processes = locks.map((lock) => lock.pid).join(", ");
  console.log(
    colours.yellow(`\nThe lock is left over from an update that has ended (process ${processes}): removing it and starting again.`),
  );
  await stack.pulumi(["cancel", "--yes"]);
  return await stack.update(args);
}

/**
 * The copy of a switch of phase runs in a container of its own, which does not know that its update was cancelled.
 * @param stack as it was before the update, with the network and the volume of the rows: after Ctrl-C Pulumi is not asked any more
 */
async function endMoves(docker: Docker, stack: StackOnDocker): Promise<void> {
  const stopped = await stopUnfinishedMoves(docker, stack);
  if (stopped.length > 0) console.error(`\n${stopped.join(", ")} was stopped before all rows were copied: the app writes on where it was.`);
}

function cancelled(stack: OpenStack): InterruptedError {
  console.error(`\nStopped. What was finished stays; go on with: ${stack.command("up")}`);
  return new InterruptedError();
}

/** The error for a failed run: a known cause in one sentence, otherwise only that Pulumi failed, whose own words are above. */
async function failureOf(result: UpdateRun, stack: OpenStack, docker: Docker | undefined): Promise<UserError> {
  const known = explainFailure(result.complaints, {
    stack: stack.name,
    configSet: (key, value) => stack.command("up", "--config", `${key}=${value}`),
  });
  if (known === undefined) return new UserError(`pulumi ended with exit code ${result.code}; its own words are above`);
  if (known.kind === "port" && docker !== undefined && known.port !== undefined) {
    const { port } = known;
    const holder = await portHolder(port, docker, dockerEndpoint(stack.dockerHost).host.startsWith("unix:"));
    const key = publishedPorts(stack.config).find((one) => one.port === port)?.key ?? "port";
    return await portError([{ key, port, holder }], stack, docker);
  }
  if (known.kind === "unhealthy" && docker !== undefined) await printLogs(docker, stack, known);
  return new UserError(known.sentence.replace(/\.$/, ""), known.fix);
}

/** The last lines of containers that are named in the failure or are not well, unless the failure quotes them already. */
async function printLogs(docker: Docker, stack: OpenStack, failure: KnownFailure): Promise<void> {
  const infos = (await stackContainers(docker, await stack.onDocker())).filter(isMeantToRun);
  for (const info of infos) {
    const name = containerName(info);
    const unwell = info.State !== "running" || /\((unhealthy|health: starting)\)/.test(info.Status);
    // What did its one thing has ended, and that is well.
    const isDone = !isServing(info) && info.Status.startsWith("Exited (0)");
    if ((!unwell || isDone) && failure.containers?.includes(name) !== true) continue;
    const lines = await lastLogLines(docker.getContainer(info.Id));
    const what = lines === "" ? "printed nothing" : `printed last:\n${lines.replace(/^/gm, "  ")}`;
    console.error(`\nContainer ${name} (${info.Status}) ${what}`);
  }
}

async function printEnd(stack: OpenStack, result: UpdateRun, elapsedMs: number): Promise<void> {
  const outputs = await stack.outputs();
  const addresses = { app: "appUrl", console: "consoleUrl", grafana: "grafanaUrl", prometheus: "prometheusUrl" };
  const lines = Object.entries(addresses)
    .map(([what, key]) => [what, textOutput(outputs, key)] as const)
    .flatMap(([what, url]) => (url === undefined ? [] : [`  ${what.padEnd(11)}${colours.cyan(url)}`]));
  const changes = Object.entries(result.changes).filter(([what, count]) => what !== "same" && count > 0);
  const what = changes.length === 0 ? "no changes" : changes.map(([kind, count]) => `${count} ${kind}`).join(", ");
  const phase = textOutput(outputs, "phase") ?? stack.phase;
  const done = `Stack ${colours.bold(stack.name)} is up, phase ${phase} (${what}, ${formatDuration(elapsedMs)}).`;
  console.log(
    [
      "",
      colours.green("✔ ") + done,
      "",
      ...lines,
      "",
      ...(phase === "cloud" ? [] : [`  Look at it:  ${stack.command("status")}`]),
      `  Prove it:    ${stack.command("verify")}`,
      `  Stop it:     ${stack.command("down")}`,
    ].join("\n"),
  );
}
