import path from "node:path";
import type { Command } from "commander";
import { UserError } from "../lib/errors";
import { stopIfInterrupted } from "../lib/interrupt";
import { ROOT } from "../lib/paths";
import { colours } from "../lib/table";
import { assertWritable, reportFile, writeHtml, writeJson } from "../load/files";
import { profileNamed, PROFILES } from "../load/profiles";
import type { LoadResult } from "../load/result";
import { renderResult, runLoad } from "../load/run";
import { BOUNDS } from "../load/schedule";
import { openTarget } from "../load/target";

interface LoadOptions {
  readonly stack?: string;
  readonly profile: string;
  readonly seconds?: string;
  readonly json?: string;
  readonly report?: string;
}

/** Shortest run that says something: some requests of each stage. */
const LEAST_SECONDS = 5;

/** `npm run load`: sends a profile's load to the running stack. Exit code 1 when a target is missed. */
export function register(program: Command): void {
  const profiles = PROFILES.map(({ name, title, stages }) => {
    const seconds = stages.reduce((sum, stage) => sum + stage.seconds, 0);
    return `  ${name.padEnd(18)} ${title}; ${seconds} s`;
  });
  program
    .command("load")
    .description("send a load to the running stack and judge it: a pass/fail table, a report with plots")
    .option("-s, --stack <name>", "stack to send it to (default: dev)")
    .option("-p, --profile <name>", "what to send, see below", "smoke")
    .option("--seconds <n>", `length instead of the profile's own, ${LEAST_SECONDS} to ${BOUNDS.seconds}; a trial, which proves nothing`)
    .option("--json <file>", "also write the figures as JSON; - for standard output instead of the table")
    .option("--report <file>", "where the report goes (default: .build/load/STACK-PROFILE.html)")
    .addHelpText(
      "after",
      `
Profiles:
${profiles.join("\n")}

Requests are sent when they are due, whether or not earlier ones were answered, and latencies count from when they were due. Companies
sign up for each run ("Load …"), or are made once ("Seed …"); they and their orders and conversations stay. A load is only sent to a stack on this machine, and its
sender counts as the operator: limits of one client do not apply to it.

Examples:
  npm run load
  npm run load -- --profile b-5000-users --report load.html
  npm run load -- --profile a-500-users --seconds 30 --json -`,
    )
    .action(run);
}

async function run(options: LoadOptions): Promise<void> {
  const profile = profileNamed(options.profile, "--profile");
  const seconds = secondsOf(options.seconds);
  const target = await openTarget(options.stack);
  const quiet = options.json === "-";
  const report = options.report ?? reportFile({ stack: target.stack, profile: profile.name });
  let result: LoadResult;
  try {
    assertWritable({ report, json: options.json });
    result = await runLoad(profile, target, { seconds, quiet });
  } finally {
    target.http.close();
  }
  process.stdout.write(quiet ? `${JSON.stringify(result, undefined, 2)}\n` : `${renderResult(result)}\n`);
  // Figures first: they are what the page is made from.
  if (options.json !== undefined && !quiet) writeJson(options.json, result);
  writeHtml(report, result);
  process.stderr.write(colours.dim(`\nreport: ${options.report ?? path.relative(ROOT, report)}\n`));
  stopIfInterrupted();
  if (result.rows.some(({ verdict }) => verdict === "fail")) process.exitCode = 1;
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (value >= LEAST_SECONDS && value <= BOUNDS.seconds) return value;
  throw new UserError(`--seconds ${JSON.stringify(text)}: allowed is a whole number from ${LEAST_SECONDS} to ${BOUNDS.seconds}`);
}
