import type { Command } from "commander";
import { readDrift } from "../drift/read";
import { driftText, type DriftReport } from "../drift/report";
import { UserError } from "../lib/errors";
import { findStack, type OpenStack } from "../lib/outputs";
import { dockerObjects, type ExportedStack } from "../lib/update-recovery";

interface DriftOptions {
  readonly stack?: string;
  readonly json?: boolean;
}

/** The codes of `npm run status`: well, something is not, nothing is there. */
const EXIT = { none: 0, drift: 1, absent: 3 } as const satisfies Record<DriftReport["state"], number>;

/** What a failed preview quotes of Pulumi's own words. */
const QUOTED_LINES = 15;

/** `npm run drift`: what differs from what was deployed; changes nothing (feature F9). */
export function register(program: Command): void {
  program
    .command("drift")
    .description("compare what runs with what was deployed and say what was changed by hand; changes nothing")
    .option("-s, --stack <name>", "stack to compare (default: dev)")
    .option("--json", "one JSON document instead of text")
    .addHelpText(
      "after",
      `
Runs pulumi preview --refresh --expect-no-changes: resources that were removed or changed by hand, and what else an update would do because
the program or its configuration are not those that were deployed. Neither what runs nor the state is changed.

Exit codes: 0 all is as deployed, 1 something differs (or the comparison failed), 3 there is no such stack, or it is down.

Examples:
  npm run drift
  npm run drift -- --stack shop
  npm run --silent drift -- --json | jq '.drift[].name'`,
    )
    .action(run);
}

async function run(options: DriftOptions): Promise<void> {
  const { name, found, command } = await findStack(options.stack);
  if (found === undefined) {
    show(
      { stack: name, state: "absent", drift: [], pending: [] },
      options,
      `Stack ${name} does not exist. Start it with: ${command("up")}`,
    );
    return;
  }
  const exported = await found.exported();
  if ((exported.deployment?.resources ?? []).length === 0) {
    show({ stack: name, state: "absent", drift: [], pending: [] }, options, `Stack ${name} is down. Start it with: ${command("up")}`);
    return;
  }
  const { drift, pending } = await compare(found, exported, options.json === true);
  const report: DriftReport = { stack: name, state: drift.length + pending.length === 0 ? "none" : "drift", drift, pending };
  show(report, options, driftText(report, command));
}

async function compare(stack: OpenStack, exported: ExportedStack, quiet: boolean): Promise<Pick<DriftReport, "drift" | "pending">> {
  if (!quiet) process.stderr.write(`Comparing stack ${stack.name} with what was deployed …\n`);
  const { code, tail, log } = await stack.preview(["--refresh", "--expect-no-changes"]);
  const { drift, pending, leftOut, errors, finished } = readDrift(log);
  if (!finished || errors.length > 0) {
    const words = errors.length > 0 ? errors.join("\n") : tail.split("\n").slice(-QUOTED_LINES).join("\n");
    throw new UserError(
      `stack ${stack.name} cannot be compared:\n${words.replace(/^/gm, "  ")}`,
      // Which looks at containers on a Docker host.
      dockerObjects(exported).length === 0 ? undefined : `Look closer with: ${stack.command("status")}`,
    );
  }
  // Pulumi's own verdict and what was read from its events have to agree: a drift that is not understood must not pass as none.
  if (code !== 0 && pending.length + leftOut.length === 0 && drift.every(({ kind }) => kind === "disconnected")) {
    throw new UserError(
      `pulumi preview of stack ${stack.name} ended with exit code ${code} and named no change:\n${tail.replace(/^/gm, "  ")}`,
    );
  }
  return { drift, pending };
}

function show(report: DriftReport, options: DriftOptions, text: string): void {
  process.exitCode = EXIT[report.state];
  process.stdout.write(`${options.json === true ? JSON.stringify(report, undefined, 2) : text}\n`);
}
