import type { Command } from "commander";
import type { PostgresStatus } from "../../components/local/postgres-operator/src/status-types";
import { reachableDocker } from "../lib/docker";
import { stackContainers } from "../lib/docker-app";
import { UserError } from "../lib/errors";
import { onSignal } from "../lib/interrupt";
import { openStack, textOutput } from "../lib/outputs";
import { candidates, knownPostgres, operatorOf, switchover } from "../lib/postgres-operator";
import { colours } from "../lib/table";

interface FailoverOptions {
  readonly stack?: string;
  readonly to?: string;
  readonly json?: boolean;
}

/** `npm run failover`: another node becomes the primary of Postgres, and no request fails for it (F2). */
export function register(program: Command): void {
  program
    .command("failover")
    .description("make another Postgres node the primary, with no failed request: writes are held for a moment")
    .option("-s, --stack <name>", "stack to work on (default: dev)")
    .option("--to <node>", "node to become primary, e.g. pg-2 (default: one that confirms writes)")
    .option("--json", "the result as one JSON document")
    .addHelpText(
      "after",
      `
Only a node that has every acknowledged write can take over. Once begun it is finished, or undone, by the stack itself, whatever becomes
of this command: Ctrl-C waits for that, and writes are never left on hold.

Examples:
  npm run failover
  npm run failover -- --to pg-2`,
    )
    .action(run);
}

async function run(options: FailoverOptions): Promise<void> {
  const stack = await openStack(options.stack);
  const phase = textOutput(await stack.outputs(), "phase") ?? stack.phase;
  if (phase !== "database") {
    throw new UserError(
      `stack ${stack.name} is in phase ${phase}, in which no Postgres of this project runs: there is nothing to fail over`,
    );
  }
  const docker = await reachableDocker(stack.dockerHost);
  const containers = await stackContainers(docker, await stack.onDocker());
  if (containers.length === 0) throw new UserError(`stack ${stack.name} is down: there is nothing to fail over`, stack.command("up"));
  const operator = operatorOf(docker, containers);
  const before = await knownPostgres(operator);
  const json = options.json === true;
  if (refusal(before, options.to) === "already") {
    const message = `${options.to ?? ""} is the primary already; nothing was changed`;
    console.log(json ? JSON.stringify({ changed: false, from: before.leader, to: options.to, heldMs: 0, message }) : message);
    return;
  }
  // A child process is what interrupt.ts waits for; this exec is as good as one.
  const release = onSignal(() => undefined);
  try {
    const sentence = await switchover(operator, options.to, (line) => {
      if (!json) console.error(colours.dim(line));
    });
    if (!json) console.log(`${colours.green("✔")} ${sentence}`);
    else {
      const { lastSwitchover } = await knownPostgres(operator);
      console.log(JSON.stringify({ changed: true, ...lastSwitchover }));
    }
  } finally {
    release();
  }
}

/**
 * Why there is nothing to do, or no way to do it.
 * @param to node that is to become primary; `undefined` for any
 * @throws UserError with one sentence when it cannot be.
 */
export function refusal(status: PostgresStatus, to: string | undefined): "already" | undefined {
  const names = status.members.map(({ name }) => name);
  if (to !== undefined && !names.includes(to)) throw new UserError(`--to ${to} is no node of this stack; allowed: ${names.join(", ")}`);
  if (status.leader === null) throw new UserError("Postgres has no primary that could hand over", "docs/runbooks/no-primary.md");
  if (to === status.leader) return "already";
  if (status.switchoverRunning) throw new UserError("a switchover is under way already", "npm run status shows how it ends");
  const ready = candidates(status);
  if (ready.length === 0) {
    throw new UserError(
      "no standby has every acknowledged write, so none can take over; nothing was changed",
      "docs/runbooks/no-sync-standby.md",
    );
  }
  if (to !== undefined && !ready.includes(to)) {
    const state = status.members.find(({ name }) => name === to)?.state ?? "unknown";
    throw new UserError(`--to ${to}: it does not confirm writes now (${state}), so it cannot take over; allowed now: ${ready.join(", ")}`);
  }
  return undefined;
}
