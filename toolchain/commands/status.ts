import type { Command } from "commander";
import { UserError } from "../lib/errors";
import { reachableDocker } from "../lib/docker";
import { stackStatus, type StackStatus } from "../lib/docker-status";
import { interrupted } from "../lib/interrupt";
import { findStack, textOutput, type OpenStack } from "../lib/outputs";
import { renderStatus } from "../lib/status-tables";

interface StatusOptions {
  readonly stack?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
}

/** Exit codes: as `systemctl status` has them for "running" and "not running", 1 for something in between. */
const EXIT = { up: 0, degraded: 1, down: 3 } as const satisfies Record<StackStatus["state"], number>;

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
  if (stack.found === undefined) {
    const nothing = { phase: null, url: null, containers: [], instances: [], balancer: null, data: null, findings: [], heartbeat: null };
    const down: StackStatus = { stack: stack.name, state: "down", ...nothing };
    show(down, options, `Stack ${stack.name} does not exist. Start it with: ${stack.command("up")}`);
    return;
  }
  do {
    const start = `Start it with: ${stack.found.command("up")}`;
    show(await look(stack.found), options, `Stack ${stack.name} is down. ${start} (or see docs/runbooks/host-rebooted.md)`);
  } while (options.watch === true && (await pause()));
}

async function look(stack: OpenStack): Promise<StackStatus> {
  const docker = await reachableDocker(stack.dockerHost);
  const outputs = await stack.outputs();
  return await stackStatus(docker, { name: stack.name, exported: await stack.exported() }, {
    phase: textOutput(outputs, "phase") ?? stack.phase,
    url: textOutput(outputs, "appUrl") ?? null,
  });
}

function show(status: StackStatus, options: StatusOptions, whenDown: string): void {
  process.exitCode = EXIT[status.state];
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(status, undefined, options.watch === true ? undefined : 2)}\n`);
    return;
  }
  const text = status.containers.length === 0 ? whenDown : `${renderStatus(status)}${status.state === "down" ? `\n\n${whenDown}` : ""}`;
  // Cursor to the corner and clear below, once the new text is there: no flicker.
  process.stdout.write(options.watch === true ? `\u001b[H\u001b[J${text}\n` : `${text}\n`);
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
