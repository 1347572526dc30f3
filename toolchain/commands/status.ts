import type { Command } from "commander";
import { coloursFor } from "../lib/colours";
import { InterruptedError, messageOf, UserError } from "../lib/errors";
import { reachableDocker } from "../lib/docker";
import { stackStatus, type StackStatus } from "../lib/docker-status";
import { interrupted } from "../lib/interrupt";
import { findStack, textOutput, type OpenStack } from "../lib/outputs";
import { refuseOtherEngine } from "../lib/right-engine";
import { renderStatus } from "../lib/status-tables";
import { dockerObjects } from "../lib/update-recovery";

interface StatusOptions {
  readonly stack?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
}

/** Exit codes: as `systemctl status` has them for "running" and "not running", 1 for something in between. */
const EXIT = { up: 0, degraded: 1, down: 3 } as const satisfies Record<StackStatus["state"], number>;

/** Cursor to the corner and clear below, written together with what comes there: no flicker. */
const CLEAR = "\u001b[H\u001b[J";

/** Between two looks with `--watch`, in milliseconds. */
const WATCH_MS = 2000;

/** `npm run status`: everything of a stack in one screen, what is not well first. */
export function register(program: Command): void {
  program
    .command("status")
    .description("show a stack: what is not well, containers, workers, Postgres, PgBouncer, Redis, queues, Kafka")
    .option("-s, --stack <name>", "stack to show (default: dev)")
    .option("--json", "one JSON document instead of tables; with --watch one a line")
    .option("--watch", "show again every 2 s until Ctrl-C")
    .addHelpText(
      "after",
      `
Exit codes: 0 all is well, 1 something is not (said first, with the page of docs/runbooks that helps), 3 the stack is down.

It looks at containers on a Docker host, of which phase cloud has none: there npm run verify and npm run drift tell how a stack is.

Examples:
  npm run status
  npm run status -- --stack shop --watch
  npm run --silent status -- --json | jq .state`,
    )
    .action(run);
}

async function run(options: StatusOptions): Promise<void> {
  if (options.watch === true && options.json !== true && !process.stdout.isTTY) {
    throw new UserError("--watch redraws a terminal, and there is none", "Use --watch --json for one line every 2 s");
  }
  const stack = await findStack(options.stack);
  const { name, found, command } = stack;
  if (found === undefined) {
    show(nothingOf(name), options, `Stack ${name} does not exist. Start it with: ${command("up")}`);
    return;
  }
  const tell = (status: StackStatus): void =>
    show(status, options, `Stack ${name} is down. Start it with: ${command("up")} (or see docs/runbooks/host-rebooted.md)`);
  tell(await look(found));
  if (options.watch !== true) return;
  await watch(
    () => look(found),
    tell,
    (error) => showFailure(error, options),
    pause,
  );
}

/**
 * Looks again and again. A look that fails is told and ends nothing: the host that is watched may be starting again.
 * @param wait until the next look; false when there is to be none
 * @throws InterruptedError after Ctrl-C during a look
 */
export async function watch<Status>(
  lookAgain: () => Promise<Status>,
  tell: (status: Status) => void,
  tellFailure: (error: unknown) => void,
  wait: () => Promise<boolean>,
): Promise<void> {
  while (await wait()) {
    try {
      tell(await lookAgain());
    } catch (error) {
      if (error instanceof InterruptedError) throw error;
      tellFailure(error);
    }
  }
}

function nothingOf(name: string): StackStatus {
  const nothing = {
    phase: null,
    url: null,
    containers: [],
    instances: [],
    balancer: null,
    data: null,
    findings: [],
    moves: [],
    heartbeat: null,
  };
  return { stack: name, state: "down", ...nothing };
}

/**
 * Looks at a stack once.
 * @throws UserError for one that is not on a Docker host, and on an engine that has nothing of it.
 */
export async function look(
  stack: Pick<OpenStack, "name" | "phase" | "dockerHost" | "exported" | "outputs" | "command">,
): Promise<StackStatus> {
  const { name } = stack;
  const exported = await stack.exported();
  const outputs = await stack.outputs();
  const phase = textOutput(outputs, "phase") ?? stack.phase;
  // What was deployed counts: the configuration may name another phase by now.
  if (phase === "cloud" && dockerObjects(exported).length === 0) {
    if ((exported.deployment?.resources ?? []).length === 0) return nothingOf(name);
    const page = textOutput(outputs, "consoleUrl");
    throw new UserError(
      `stack ${name} is in phase cloud: it has nothing on a Docker host, which is where status looks`,
      `${stack.command("verify")} proves it by its address, ${stack.command("drift")} says what is not as deployed${page === undefined ? "" : `; its console: ${page}`}`,
    );
  }
  const docker = await reachableDocker(stack.dockerHost);
  await refuseOtherEngine(docker, stack, exported, `the stack is down, and ${stack.command("up", "--refresh")} makes it anew`);
  return await stackStatus(docker, { name, exported }, { phase, url: textOutput(outputs, "appUrl") ?? null });
}

function show(status: StackStatus, options: StatusOptions, whenDown: string): void {
  process.exitCode = EXIT[status.state];
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(status, undefined, options.watch === true ? undefined : 2)}\n`);
    return;
  }
  const text = status.containers.length === 0 ? whenDown : `${renderStatus(status)}${status.state === "down" ? `\n\n${whenDown}` : ""}`;
  process.stdout.write(options.watch === true ? `${CLEAR}${text}\n` : `${text}\n`);
}

/** With `--json` beside the lines of those looks that told something. */
function showFailure(error: unknown, options: StatusOptions): void {
  process.exitCode = EXIT.degraded;
  const stream = options.json === true ? process.stderr : process.stdout;
  const hint = error instanceof UserError && error.hint !== undefined ? `fix: ${error.hint}\n` : "";
  stream.write(`${options.json === true ? "" : CLEAR}${coloursFor(stream).red("error:")} ${messageOf(error)}\n${hint}`);
}

/** Waits for the next look; false after Ctrl-C, which is how a watch is meant to end. */
function pause(): Promise<boolean> {
  return new Promise((resolve) => {
    if (interrupted.aborted) {
      resolve(false);
      return;
    }
    const timer = setTimeout(() => resolve(true), WATCH_MS);
    interrupted.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve(false);
      },
      { once: true },
    );
  });
}
