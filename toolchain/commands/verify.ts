import path from "node:path";
import type { Command } from "commander";
import { machine } from "../bench/app/surroundings";
import { UserError, messageOf } from "../lib/errors";
import { stopIfInterrupted } from "../lib/interrupt";
import { openStack, textOutput, type OpenStack } from "../lib/outputs";
import { ROOT } from "../lib/paths";
import { colours } from "../lib/table";
import { assertWritable, loadsFile, verifyFile, writeJson, writePage } from "../load/files";
import { compareOf, coresOf } from "../load/compare";
import { type Profile, PROFILE_OF_PHASE, profilesNamed } from "../load/profiles";
import { assertLocal } from "../load/run";
import { membersOf } from "../load/target";
import { tokenFor, verifyContext } from "../verify/context";
import { renderVerifyHtml } from "../verify/html";
import { HttpClient } from "../verify/http";
import { hasMissed, type LoadProof, proveUnderLoad } from "../verify/loads";
import { checksOf, makeReport, renderReport, runChecks } from "../verify/run";
import type { Check } from "../verify/types";

/** Phases there are checks for. */
const PHASES: readonly string[] = ["cluster", "database", "cloud"];

interface VerifyOptions {
  readonly stack?: string;
  readonly json?: string;
  readonly only?: string;
  readonly faults: boolean;
  /** Names of profiles, or `all`; `true` for the phase's own. */
  readonly load?: string | true;
  /** Cores of the machine to compare on; `true` for this one's. */
  readonly compare?: string | true;
  readonly report?: string;
}

/** `npm run verify`: proves that the running stack keeps what features.md promises. Exit code 1 if a check fails. */
export function register(program: Command): void {
  program
    .command("verify")
    .description("prove the running stack: endpoints, headers, limits, processes, database, capacity; a pass/fail table")
    .option("-s, --stack <name>", "stack to prove (default: dev)")
    .option("--json <file>", "also write the result as JSON; - for standard output instead of the table")
    .option("--only <ids>", "only these features, comma-separated, e.g. C7,B1")
    .option("--no-faults", "leave out what breaks something on purpose (kill -9 of one worker; Redis restarted, Postgres switched over)")
    .option(
      "--load [profiles]",
      "then send loads: the phase's own, or some of npm run load -- --help, comma-separated, or all; adds their targets to the table",
    )
    .option(
      "--compare [cores]",
      "with --load: also the rate that the stack carries ÷ that of the unscaled app, one process without caches (C9); with a number as on a machine with that many " +
        "cores, of which one process has one",
    )
    .option(
      "--report <file>",
      "where the report goes, one page (default: .build/verify/STACK.html, with --load .build/load/STACK-PROFILES.html)",
    )
    .addHelpText(
      "after",
      `
In phase cloud it asks the stack's address alone: what would look into containers, break something or use up what others are allowed is left
out with a sentence.

It signs companies up ("Verification …") and works in them; nothing of other companies is touched. The limit check uses up
this client's allowance at the load balancer for some seconds.

Examples:
  npm run verify
  npm run verify -- --stack shop --json verify.json --report proof.html
  npm run verify -- --load --compare
  npm run verify -- --load --compare 8
  npm run verify -- --load smoke,b-5000-users
  npm run verify -- --load all
  npm run verify -- --only C7 --no-faults`,
    )
    .action(run);
}

async function run(options: VerifyOptions): Promise<void> {
  const compare = compareOf(options.compare);
  const stack = await openStack(options.stack);
  const outputs = await stack.outputs();
  const url = textOutput(outputs, "appUrl");
  const phase = textOutput(outputs, "phase") ?? stack.phase;
  if (url === undefined) throw new UserError(`stack ${stack.name} is not up: it has no address of the app`, stack.command("up"));
  if (!PHASES.includes(phase)) {
    throw new UserError(`stack ${stack.name} is in phase ${phase}; verify knows ${PHASES.join(", ")}`);
  }
  const checks = selectChecks(checksOf(phase), options);
  const profiles = profilesOf(options, phase);

  if (profiles.length > 0) assertLocal(url);
  const file = options.report ?? (profiles.length === 0 ? verifyFile(stack.name) : loadsFile(stack.name, profiles));
  assertWritable({ report: file, json: options.json });

  // A certificate of the cloud is for the name in the address; over a network that others use it has to be.
  const http = new HttpClient(url, tokenFor(url, phase, outputs), { checkCertificate: phase === "cloud" });
  await answering(http, stack, phase);
  const quiet = options.json === "-";
  const say = (text: string): void => {
    if (!quiet) process.stderr.write(text);
  };
  say(`Proving stack ${stack.name}, phase ${phase}, at ${url}\n\n`);
  const startedAt = new Date();
  const terminal = process.stderr.isTTY;
  const context = await verifyContext(http, stack, phase, outputs);
  // Before what takes minutes.
  if (compare !== undefined && context.docker !== undefined) await coresOf(context.docker, compare.cores);
  const rows = await runChecks(
    checks,
    context,
    (check, index) => {
      const progress = `[${index + 1}/${checks.length}] ${check.id} ${check.title}`;
      if (terminal) say(`\r\u001b[2K${progress}`);
    },
    (row) => {
      if (terminal) say("\r\u001b[2K");
      else say(`${row.verdict.padEnd(4)} ${row.id.padEnd(3)} ${row.title} (${row.seconds.toFixed(1)} s)\n`);
    },
  ).catch((error: unknown) => {
    http.close();
    throw error;
  });

  const report = makeReport({ stack: stack.name, phase, url, startedAt, machine: machine().machine }, rows);
  if (!quiet) process.stdout.write(`${terminal ? "" : "\n"}${renderReport(report)}\n`);
  const { docker, containers } = context;
  const target = docker && { stack: stack.name, phase, http, docker, ...membersOf(containers) };
  let load: LoadProof | undefined;
  try {
    // Before the loads and after each, so that it is there whatever becomes of the next.
    writePage(file, renderVerifyHtml(report));
    if (profiles.length > 0 && target !== undefined) {
      const onLoad = (soFar: LoadProof): void => {
        load = soFar;
        writePage(file, renderVerifyHtml(report, soFar));
      };
      load = await proveUnderLoad(profiles, target, { compare, quiet, onLoad });
    }
  } finally {
    http.close();
    // Also when a load cannot be sent, or Ctrl-C comes before it: what was found until then took minutes.
    const result = { ...report, ...load };
    if (quiet) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    else if (options.json !== undefined) writeReport(options.json, result);
    if (load?.notSent !== undefined) say(colours.red(`\nnot sent: ${load.notSent.names.join(", ")}\n`));
    say(colours.dim(`\nreport: ${options.report ?? path.relative(ROOT, file)}\n`));
  }
  stopIfInterrupted();
  if (report.failed > 0 || (load !== undefined && hasMissed(load))) process.exitCode = 1;
}

/** The loads that were asked for, none without --load. @throws UserError for a profile that there is not, and for options that need one. */
function profilesOf({ load, compare }: VerifyOptions, phase: string): readonly Profile[] {
  if (load !== undefined) return profilesNamed(load === true ? (PROFILE_OF_PHASE[phase] ?? "smoke") : load, "--load");
  if (compare !== undefined) throw new UserError("--compare compares under load: add --load");
  return [];
}

function selectChecks(checks: readonly Check[], { only, faults }: VerifyOptions): readonly Check[] {
  const possible = checks.filter((check) => faults || check.fault !== true);
  if (only === undefined) return possible;
  const ids = only.split(",").map((id) => id.trim().toUpperCase());
  const known = [...new Set(checks.map((check) => check.id))].sort();
  const unknown = ids.filter((id) => !known.includes(id));
  if (unknown.length > 0) throw new UserError(`--only: no check for ${unknown.join(", ")}; allowed: ${known.join(", ")}`);
  const chosen = possible.filter((check) => ids.includes(check.id));
  if (chosen.length === 0) throw new UserError(`--only ${only} leaves nothing to check together with --no-faults`);
  return chosen;
}

/** One request before all others, so that a stack that is down is one sentence and not a table of failures. */
async function answering(http: HttpClient, stack: OpenStack, phase: string): Promise<void> {
  try {
    await http.ask("/health", { timeoutMs: 5000 });
  } catch (error) {
    throw new UserError(
      `stack ${stack.name} does not answer (${messageOf(error)})`,
      phase === "cloud"
        ? `Try: curl -v ${http.url}/health; a certificate of an authority of your own needs NODE_EXTRA_CA_CERTS=FILE`
        : `${stack.command("status")}, then ${stack.command("up")}`,
    );
  }
}

function writeReport(file: string, report: unknown): void {
  writeJson(file, report);
  process.stderr.write(colours.dim(`\nwritten to ${file}\n`));
}
