import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Command } from "commander";
import { deployPolicies } from "../deploy-policy/policy";
import { packageVersion } from "../lib/pulumi-cli";
import { checkMachine, prepareMachine, type MachineSteps } from "../machine";
import { languageHostStep } from "../machine/language-host";
import { npmDependenciesStep } from "../machine/npm-dependencies";
import { pluginSteps, PLUGINS } from "../machine/plugins";
import { pulumiCliStep } from "../machine/pulumi-cli";
import { type PluginUsed, reportOf, reportText } from "../preview/report";
import { type PreviewRun, runPreview } from "../preview/run";

/** The stack that is previewed when none is named. */
const PRODUCTION = "prod";

interface PreviewOptions {
  readonly stack: string;
  readonly config?: readonly string[];
  readonly json?: boolean;
  readonly deployPolicy?: string;
}

/** `npm run preview:prod`: what the production stack would be, whether it keeps the rules, and what it would cost. Exit code 1 if not. */
export function register(program: Command): void {
  program
    .command("preview-prod")
    .description(
      "preview the production stack without a login: resources, broken rules, monthly cost; exit code 1 on a mandatory violation",
    )
    .option("-s, --stack <name>", "stack to preview, of phase cloud", PRODUCTION)
    .option("-c, --config <key=value...>", "configuration on top of Pulumi.<stack>.yaml, for this preview only")
    .option("--deploy-policy <directory>", "write there the IAM policies of a role that deploys this stack, and of one that compares it")
    .option("--json", "print one JSON object instead of text")
    .addHelpText(
      "after",
      `
Changes nothing: state goes to a temporary directory, no credential is read, AWS is not asked. The stack is previewed as if it were new;
"pulumi preview -s prod" with a login shows the difference to what runs.

Examples:
  npm run preview:prod
  npm run preview:prod -- --config users=10000 --config events=sqs
  npm run preview:prod -- --deploy-policy policies
  npm run -s preview:prod -- --json | jq .cost.monthlyUsd`,
    )
    .action(run);
}

async function run({ stack, config = [], json = false, deployPolicy }: PreviewOptions): Promise<void> {
  const steps = previewSteps();
  if (json) await quietly(() => prepareMachine({ phase: "cloud" }, steps));
  else await prepareMachine({ phase: "cloud" }, steps);
  const plugins = await pluginsUsed(steps);
  if (!json) console.log(`previewing stack ${stack} …`);
  const preview = await runPreview({ stack, settings: config });
  const report = reportOf(stack, preview, plugins);
  console.log(json ? JSON.stringify(report, undefined, 2) : `\n${reportText(report)}`);
  if (!report.ok) process.exitCode = 1;
  if (deployPolicy === undefined) return;
  // A broken rule does not hide a resource, a failure may.
  if (report.errors.length === 0) writePolicies(deployPolicy, preview, json);
  else console.error("no policies are written: the preview failed before all resources were known");
}

/** Writes `deploy-1.json`, `deploy-2.json`, … and `read-1.json`, …: IAM bounds the size of a policy, and lets a role have ten. */
function writePolicies(directory: string, { resources, accountId, region, secondRegion }: PreviewRun, json: boolean): void {
  mkdirSync(directory, { recursive: true });
  for (const access of ["deploy", "read"] as const) {
    for (const [index, document] of deployPolicies(resources, { accountId, region, secondRegion, access }).entries()) {
      const file = path.join(directory, `${access}-${index + 1}.json`);
      writeFileSync(file, `${JSON.stringify(document, undefined, 2)}\n`);
      if (!json) console.log(`written: ${file}`);
    }
  }
}

/** What a preview needs of a machine: no Docker Engine, no images. */
function previewSteps(): MachineSteps {
  return { first: [npmDependenciesStep()], groups: [[pulumiCliStep(), languageHostStep(), ...pluginSteps("cloud")]] };
}

async function pluginsUsed(steps: MachineSteps): Promise<PluginUsed[]> {
  const checked = await checkMachine(steps);
  return PLUGINS.cloud.map((name) => {
    const state = checked.find(({ step }) => step.id === `plugin-${name}`)?.state;
    return { name, version: packageVersion(`@pulumi/${name}`), kind: state?.kind === "stand-in" ? "stand-in" : "official" };
  });
}

/** What is told about the machine goes to standard error, where it is in nobody's JSON. */
async function quietly(work: () => Promise<void>): Promise<void> {
  const { log } = console;
  console.log = console.error;
  try {
    await work();
  } finally {
    console.log = log;
  }
}
