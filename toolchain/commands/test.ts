import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { coloursFor } from "../lib/colours";
import { UserError } from "../lib/errors";
import { timeLimit } from "../lib/exec";
import { forwardSignals, stopIfInterrupted } from "../lib/interrupt";
import { pulumiEnvironment } from "../lib/pulumi-env";
import { StepList } from "../lib/progress";
import { sweep } from "../lib/sweep";
import { GROUPS, NEEDS_DOCKER, type Suite, SUITES, TOOLS } from "../lib/test-suites";
import { prepareMachine } from "../machine";
import { chromiumStep } from "../machine/chromium";
import { canInstallPackages, thisHost } from "../machine/host";
import type { Step } from "../machine/types";

const colours = coloursFor(process.stdout);
const ROOT = path.resolve(__dirname, "../..");
const SUMMARY = path.join(ROOT, ".phased", "test-summary");

/** Longest time of a suite that is part of every run, ms: four times what the longest takes on two cores. It hangs, and whoever waits is to learn which. */
const LIMIT_MS = 45 * 60_000;
/** From the end asked for to the end by force, ms: tests end their own processes first. */
const GRACE_MS = 10_000;

interface Totals {
  passed: number;
  failed: string[];
  skipped: number;
}

interface TestOptions {
  only?: string;
  grep?: string;
  bail?: boolean;
}

/** `npm test`: everything that proves the project, from a fresh clone. Exit code 1 if anything failed. */
export function register(program: Command): void {
  program
    .command("test")
    .description("prove the project: types, lint, units, and everything else on real Docker")
    .option("--only <suites>", `comma-separated: ${SUITES.map((suite) => suite.id).join(", ")}`)
    .option("--grep <pattern>", "only tests whose title matches (for example a feature id: A3)")
    .option("--bail", "stop at the first failing suite")
    .addHelpText("after", "\nExamples:\n  npm test\n  npm test -- --only unit,app\n  npm test -- --only integration --grep 'second up'")
    .action(run);
}

async function run(options: TestOptions): Promise<void> {
  const suites = selectSuites(options.only);
  mkdirSync(path.dirname(SUMMARY), { recursive: true });
  rmSync(SUMMARY, { force: true });
  const prefix = process.env["PHASED_TEST_PREFIX"] ?? `test-${randomBytes(4).toString("hex")}`;

  if (suites.some((suite) => NEEDS_DOCKER.has(suite.id))) await prepareMachine({ phase: "cluster" });
  if (suites.some((suite) => suite.id === "browser")) await prepareBrowser();
  for (const [id, steps] of Object.entries(TOOLS)) if (suites.some((suite) => suite.id === id)) await prepareTools(steps());

  const environment = { ...process.env, ...pulumiEnvironment().env, PHASED_TEST_PREFIX: prefix };
  const total: Totals = { passed: 0, failed: [], skipped: 0 };
  const rows: string[] = [];
  const started = Date.now();
  try {
    const runSuite = async (suite: Suite, output: Output): Promise<void> => {
      stopIfInterrupted();
      const begun = Date.now();
      output.write(heading(`${suite.id}: ${suite.what}`, begun - started));
      const result = suite.check ? await runCheck(suite, environment, output) : await runMocha(suite, options, environment, output);
      // What was broken off says nothing.
      stopIfInterrupted();
      total.passed += result.passed;
      total.failed.push(...result.failed.map((title) => `${suite.id}: ${title}`));
      total.skipped += result.skipped;
      const row = summaryRow(suite, result, Date.now() - begun);
      rows.push(row);
      if (output !== LIVE) process.stdout.write(`${seconds(Date.now() - started)} beside it:${row}\n`);
    };
    for (const group of GROUPS) {
      const lines = group.map((line) => line.filter((suite) => suites.includes(suite))).filter((line) => line.length > 0);
      await inParallel(lines, runSuite);
      if (options.bail && total.failed.length > 0) break;
    }
  } finally {
    await sweep(prefix);
  }

  process.stdout.write(heading("summary", Date.now() - started));
  for (const row of rows) console.log(row);
  for (const title of total.failed) console.log(colours.red(`  failed: ${title}`));
  if (total.skipped > 0) console.log(`  ${total.skipped} skipped, for reasons given above`);
  // Read by programs, so always the same two counts.
  const line = `${total.passed} passed, ${total.failed.length} failed`;
  writeFileSync(SUMMARY, `${line}\n`);
  console.log(`\n${line}`);
  if (total.failed.length > 0) process.exitCode = 1;
  else if (total.passed === 0)
    throw new UserError(
      `no test ran: --grep ${JSON.stringify(options.grep)} matches no title in ${suites.map((suite) => suite.id).join(", ")}`,
    );
}

/** Where the output of a suite goes. */
interface Output {
  write(text: string): void;
  /** Of a child process. */
  readonly stdio: "inherit" | "pipe";
}

const LIVE: Output = { write: (text) => void process.stdout.write(text), stdio: "inherit" };

/** Runs lines of suites side by side. The first one's output appears as it comes; that of the others once theirs is complete, so that it stays readable. */
async function inParallel(lines: readonly (readonly Suite[])[], runSuite: (suite: Suite, output: Output) => Promise<void>): Promise<void> {
  const kept = lines.map((): string[] => []);
  const results = await Promise.allSettled(
    lines.map(async (line, index) => {
      const output: Output = index === 0 ? LIVE : { write: (text) => void kept[index]?.push(text), stdio: "pipe" };
      for (const suite of line) await runSuite(suite, output);
    }),
  );
  process.stdout.write(kept.flat().join(""));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** A Chromium for the browser suite, where one can be installed; elsewhere its tests are skipped and say why. */
async function prepareBrowser(): Promise<void> {
  const step = chromiumStep();
  if ((await step.check()).kind === "ok" || !canInstallPackages(thisHost())) return;
  await new StepList().run(step.title, (progress) => step.ensure({ progress, official: false }));
}

/** Programs of others that a suite holds this project's output against: without them it has nothing to do. */
async function prepareTools(steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    if ((await step.check()).kind === "ok") continue;
    await new StepList().run(step.title, (progress) => step.ensure({ progress, official: false }));
  }
}

function selectSuites(only: string | undefined): readonly Suite[] {
  if (only === undefined) return SUITES.filter(({ onlyByName }) => onlyByName !== true);
  const wanted = only.split(",").map((id) => id.trim());
  const unknown = wanted.filter((id) => !SUITES.some((suite) => suite.id === id));
  if (unknown.length > 0) {
    throw new UserError(`--only: ${unknown.join(", ")} is not a suite; allowed: ${SUITES.map((suite) => suite.id).join(", ")}`);
  }
  return SUITES.filter((suite) => wanted.includes(suite.id));
}

async function runCheck(suite: Suite, env: NodeJS.ProcessEnv, output: Output): Promise<Totals> {
  const [program = "", ...args] = suite.check ?? [];
  const ended = await runProgram(program, args, env, output, LIMIT_MS);
  return ended.code === 0 ? { passed: 1, failed: [], skipped: 0 } : { passed: 0, failed: [`${program} ${howEnded(ended)}`], skipped: 0 };
}

async function runMocha(suite: Suite, options: TestOptions, env: NodeJS.ProcessEnv, output: Output): Promise<Totals> {
  const totals = path.join(ROOT, ".phased", `totals-${suite.id}.json`);
  rmSync(totals, { force: true });
  const args = [
    "--reporter",
    "tests/support/reporter.mjs",
    "--timeout",
    String(suite.timeout),
    ...(suite.jobs === undefined ? [] : ["--parallel", "--jobs", String(suite.jobs)]),
    ...(options.grep ? ["--grep", options.grep] : []),
    // Mocha colours whenever CI is set, also in log files.
    ...(process.stdout.isTTY ? [] : ["--no-color"]),
    suite.files ?? "",
  ];
  const limitMs = suite.onlyByName === true ? undefined : LIMIT_MS;
  const ended = await runProgram("mocha", args, { ...env, PHASED_TEST_TOTALS: totals }, output, limitMs);
  if (!existsSync(totals)) return { passed: 0, failed: [`mocha ${howEnded(ended)} before it could report`], skipped: 0 };
  const result = JSON.parse(readFileSync(totals, "utf8")) as Totals;
  // A suite that ends non-zero with no failed test has crashed after its tests; that is a failure of its own.
  if (ended.code !== 0 && result.failed.length === 0) result.failed.push(`mocha ${howEnded(ended)} though no test failed`);
  return result;
}

interface Ended {
  readonly code: number;
  /** It was ended because it took longer than {@link LIMIT_MS}. */
  readonly isLate: boolean;
}

function howEnded({ code, isLate }: Ended): string {
  return isLate ? `did not end within ${LIMIT_MS / 60_000} minutes` : `ended with exit code ${code}`;
}

/** Runs a program of npm's packages. @param limitMs `undefined`: as long as it takes */
function runProgram(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  output: Output,
  limitMs: number | undefined,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const file = path.join(ROOT, "node_modules", ".bin", program);
    const child = spawn(file, args, { cwd: ROOT, env, stdio: ["ignore", output.stdio, output.stdio] });
    const forwarding = forwardSignals(child);
    const limit = timeLimit((signal) => child.kill(signal), limitMs, GRACE_MS);
    const release = (): void => {
      forwarding();
      limit.release();
    };
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => output.write(text));
    child.once("error", (error) => {
      release();
      reject(error);
    });
    child.once("close", (code, signal) => {
      release();
      resolve({ code: code ?? (signal === "SIGINT" ? 130 : 1), isLate: limit.expired() });
    });
  });
}

function heading(text: string, elapsed: number): string {
  return colours.bold(`\n${seconds(elapsed)} ${text}\n`);
}

function seconds(elapsed: number): string {
  return `[${(elapsed / 1000).toFixed(0).padStart(4)} s]`;
}

function summaryRow(suite: Suite, result: Totals, took: number): string {
  const mark = result.failed.length > 0 ? colours.red("✖") : colours.green("✔");
  const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : "";
  return `  ${mark} ${suite.id.padEnd(12)} ${String(result.passed).padStart(4)} passed, ${result.failed.length} failed${skipped}  (${(took / 1000).toFixed(0)} s)`;
}
