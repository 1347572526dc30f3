import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { coloursFor } from "../lib/colours";
import { UserError } from "../lib/errors";
import { forwardSignals, stopIfInterrupted } from "../lib/interrupt";
import { pulumiEnvironment } from "../lib/pulumi-env";
import { StepList } from "../lib/progress";
import { sweep } from "../lib/sweep";
import { prepareMachine } from "../machine";
import { checkovStep } from "../machine/checkov";
import { chromiumStep } from "../machine/chromium";
import { controlPlaneStep } from "../machine/control-plane";
import { canInstallPackages, thisHost } from "../machine/host";
import { kubeScoreStep } from "../machine/kube-score";
import type { Step } from "../machine/types";

const colours = coloursFor(process.stdout);
const ROOT = path.resolve(__dirname, "../..");
const SUMMARY = path.join(ROOT, ".phased", "test-summary");

/** One part of `npm test`. Checks (compiler, linter) count as one test each; mocha suites count their tests. */
interface Suite {
  readonly id: string;
  readonly what: string;
  /** Program and arguments of a check, or the files of a mocha suite. */
  readonly check?: readonly string[];
  readonly files?: string;
  /** Mocha's timeout of one test, in milliseconds. */
  readonly timeout?: number;
  /** Test files of a mocha suite at a time, each in a process of its own: where they compute and share nothing. @default 1 */
  readonly jobs?: number;
  /** Left out unless it is asked for. */
  readonly onlyByName?: true;
}

/**
 * What runs when. Suites of one line run at the same time as those of the other lines of its group, because they mostly wait for
 * containers and each other's processes while the others compute; groups run one after the other. Lines of a group take about as long as
 * each other, measured on two cores.
 */
const GROUPS: readonly (readonly (readonly Suite[])[])[] = [
  [
    [
      {
        id: "unit",
        what: "pure functions, components under mocks, stack config, toolchain",
        files: "tests/unit/**/*.test.ts",
        timeout: 30_000,
      },
      { id: "app", what: "the app's API, database and cluster logic", files: "tests/app/**/*.test.ts", timeout: 30_000, jobs: 2 },
    ],
    [
      { id: "typecheck", what: "TypeScript, strict", check: ["tsc", "--noEmit"] },
      { id: "lint", what: "ESLint, type-aware", check: ["eslint", "."] },
      { id: "format", what: "Prettier", check: ["prettier", "--check", "--log-level", "warn", "."] },
      { id: "faults", what: "the cluster manager under kill, stop, leak, reload", files: "tests/faults/**/*.test.ts", timeout: 120_000 },
    ],
  ],
  [
    [
      {
        id: "services",
        what: "the app on real Postgres, PgBouncer, Redis and Kafka",
        files: "tests/services/**/*.test.ts",
        timeout: 120_000,
      },
    ],
    [
      {
        id: "browser",
        what: "the pages and their modules in headless Chromium",
        files: "tests/browser/**/*.test.ts",
        timeout: 120_000,
      },
      {
        id: "conformance",
        what: "the providers' behaviour, property by property",
        files: "tests/conformance/**/*.test.ts",
        timeout: 120_000,
      },
      {
        id: "servers",
        what: "etcd, Postgres under Patroni and Kafka, when some of them are lost",
        files: "tests/servers/**/*.test.ts",
        timeout: 120_000,
      },
    ],
  ],
  // Not beside the others, though each leaves half of two cores idle: some of their tests count what is sent in a second, and Docker's older builder
  // fails when a layer that it builds on goes with the last image that has it, which another suite removes.
  [
    [
      { id: "integration", what: "pulumi up and all commands on real Docker", files: "tests/integration/**/*.test.ts", timeout: 600_000 },
      { id: "database", what: "phase database from up to destroy", files: "tests/database/**/*.test.ts", timeout: 600_000 },
    ],
  ],
  [
    [
      {
        id: "chaos",
        what: "phase database under faults and operations; takes over an hour, so only when named (npm run test:chaos)",
        files: "tests/chaos/**/*.test.ts",
        timeout: 600_000,
        onlyByName: true,
      },
    ],
    [
      {
        id: "checkov",
        what: "phase cloud against Checkov's rules, as a Terraform plan; installs Checkov from PyPI, so only when named",
        files: "tests/checkov/**/*.test.ts",
        timeout: 900_000,
        onlyByName: true,
      },
    ],
    [
      {
        id: "kubernetes",
        what: "the manifests on a real API server and by kube-score; builds both from the Go module proxy, so only when named",
        files: "tests/kubernetes/**/*.test.ts",
        timeout: 300_000,
        onlyByName: true,
      },
    ],
  ],
];

const SUITES: readonly Suite[] = GROUPS.flat(2);

/** Suites that need more than npm's packages. */
const NEEDS_DOCKER: ReadonlySet<string> = new Set(["services", "conformance", "servers", "integration", "database", "chaos"]);

/** What suites need beside npm's packages, brought about before they run. */
const TOOLS: Readonly<Record<string, () => readonly Step[]>> = {
  checkov: () => [checkovStep()],
  kubernetes: () => [controlPlaneStep(), kubeScoreStep()],
};

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
      rows.push(summaryRow(suite, result, Date.now() - begun));
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
  const code = await runProgram(path.join(ROOT, "node_modules", ".bin", program), args, env, output);
  return code === 0
    ? { passed: 1, failed: [], skipped: 0 }
    : { passed: 0, failed: [`${program} ended with exit code ${code}`], skipped: 0 };
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
  const code = await runProgram(path.join(ROOT, "node_modules", ".bin", "mocha"), args, { ...env, PHASED_TEST_TOTALS: totals }, output);
  if (!existsSync(totals)) return { passed: 0, failed: [`mocha ended with exit code ${code} before it could report`], skipped: 0 };
  const result = JSON.parse(readFileSync(totals, "utf8")) as Totals;
  // A suite that ends non-zero with no failed test has crashed after its tests; that is a failure of its own.
  if (code !== 0 && result.failed.length === 0) result.failed.push(`mocha ended with exit code ${code} though no test failed`);
  return result;
}

function runProgram(file: string, args: readonly string[], env: NodeJS.ProcessEnv, output: Output): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: ROOT, env, stdio: ["ignore", output.stdio, output.stdio] });
    const release = forwardSignals(child);
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text: string) => output.write(text));
    child.once("error", (error) => {
      release();
      reject(error);
    });
    child.once("close", (code, signal) => {
      release();
      resolve(code ?? (signal === "SIGINT" ? 130 : 1));
    });
  });
}

function heading(text: string, elapsed: number): string {
  return colours.bold(`\n[${(elapsed / 1000).toFixed(0).padStart(4)} s] ${text}\n`);
}

function summaryRow(suite: Suite, result: Totals, took: number): string {
  const mark = result.failed.length > 0 ? colours.red("✖") : colours.green("✔");
  const skipped = result.skipped > 0 ? `, ${result.skipped} skipped` : "";
  return `  ${mark} ${suite.id.padEnd(12)} ${String(result.passed).padStart(4)} passed, ${result.failed.length} failed${skipped}  (${(took / 1000).toFixed(0)} s)`;
}
