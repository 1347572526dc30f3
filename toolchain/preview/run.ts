import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { reachableDocker } from "../lib/docker";
import { stackDockerHost } from "../lib/docker-context";
import { UserError } from "../lib/errors";
import { exec, type ExecResult } from "../lib/exec";
import { ROOT } from "../lib/paths";
import { pulumiEnvironment } from "../lib/pulumi-env";
import { validateStackName } from "../lib/stack";
import { previewEnvironment } from "./environment";
import { readEvents, type PreviewEvents } from "./events";
import { previewConfig, type PreviewConfig } from "./stack-file";

/** A preview of the whole stack takes 10 to 20 s on 2 cores; a machine that is busy with other work several times that. */
const PREVIEW_TIMEOUT_MS = 10 * 60_000;
const INIT_TIMEOUT_MS = 2 * 60_000;

/** What is previewed. */
export interface PreviewRequest {
  readonly stack: string;
  /** `key=value`, on top of the stack's file. */
  readonly settings: readonly string[];
}

/** What came of it. */
export interface PreviewRun extends PreviewEvents {
  /** Exit code of Pulumi. */
  readonly code: number;
  /** The end of its output; says why when no event does. */
  readonly tail: string;
  readonly notes: readonly string[];
  /** Of the configuration; empty when that does not say. */
  readonly accountId: string;
  readonly region: string;
  /** The region that can take over, where there is one. */
  readonly secondRegion?: string | undefined;
  readonly durationMs: number;
}

/**
 * Previews a stack as if it were new: with its configuration, but without its state, its key and any login. Everything that Pulumi writes goes
 * into a directory that is removed at the end.
 * @param outer environment with PATH and PULUMI_HOME; logins in it are left out
 * @throws UserError for a stack without configuration, or one of another phase than cloud
 */
export async function runPreview({ stack, settings }: PreviewRequest, outer: NodeJS.ProcessEnv = process.env): Promise<PreviewRun> {
  const started = performance.now();
  validateStackName(stack);
  const file = path.join(ROOT, `Pulumi.${stack}.yaml`);
  if (!existsSync(file))
    throw new UserError(
      `stack ${stack} has no configuration: Pulumi.${stack}.yaml does not exist`,
      "Write it, or name another stack with --stack",
    );
  const tracked = readFileSync(file, "utf8");
  const config = previewConfig(tracked, settings);
  const phase = config.values["phased-stack:phase"] ?? "cluster";
  if (phase !== "cloud") {
    throw new UserError(
      `stack ${stack} is of phase ${phase}; allowed: cloud, which is what previews without a login are for`,
      `Preview it with: pulumi preview -s ${stack}; or try it with --config phase=cloud`,
    );
  }
  const withoutDocker = await placeholderImage(config);
  const directory = mkdtempSync(path.join(tmpdir(), "phased-preview-"));
  try {
    const used = withoutDocker === undefined ? config : previewConfig(tracked, [...settings, `image=${withoutDocker}`]);
    const result = await previewIn(directory, stack, used, outer);
    const accountId = config.values["phased-stack:awsAccountId"] ?? "";
    const region = config.values["phased-stack:awsRegion"] ?? "";
    const secondRegion = config.values["phased-stack:secondRegion"];
    return { ...result, notes: notes(config, withoutDocker), accountId, region, secondRegion, durationMs: performance.now() - started };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function previewIn(
  directory: string,
  stack: string,
  { text }: PreviewConfig,
  given: NodeJS.ProcessEnv,
): Promise<Pick<PreviewRun, keyof PreviewEvents | "code" | "tail">> {
  const project = path.join(directory, "project");
  const state = path.join(directory, "state");
  for (const folder of [project, state]) mkdirSync(folder);
  copyFileSync(path.join(ROOT, "Pulumi.yaml"), path.join(project, "Pulumi.yaml"));
  const configFile = path.join(project, `Pulumi.${stack}.yaml`);
  writeFileSync(configFile, text, { mode: 0o600 });
  const outer = previewEnvironment(given, directory, pathToFileURL(state).href, randomBytes(32).toString("base64url"));
  const env = { ...outer, ...pulumiEnvironment({ env: outer }).env };
  await exec("pulumi", ["stack", "init", stack, "--no-select", "--non-interactive"], { cwd: project, env, timeoutMs: INIT_TIMEOUT_MS });
  const eventLog = path.join(directory, "events.jsonl");
  const result: ExecResult = await exec(
    "pulumi",
    [
      ...["preview", "--stack", stack, "--config-file", configFile, "--policy-pack", path.join(ROOT, "policy")],
      ...["--non-interactive", "--color", "never", "--event-log", eventLog],
    ],
    { cwd: ROOT, env, timeoutMs: PREVIEW_TIMEOUT_MS, check: false },
  );
  const events = readEvents(existsSync(eventLog) ? readFileSync(eventLog, "utf8") : "");
  return { ...events, code: result.code, tail: result.tail };
}

/** An image to preview with where there is no Docker, whose plugin wants to reach one even though a preview builds nothing. */
async function placeholderImage({ values }: PreviewConfig): Promise<string | undefined> {
  if (values["phased-stack:image"] !== undefined) return undefined;
  try {
    await reachableDocker(stackDockerHost(values));
    return undefined;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return `registry.example.com/app@sha256:${"0".repeat(64)}`;
  }
}

function notes({ leftOut }: PreviewConfig, placeholder: string | undefined): string[] {
  return [
    ...(placeholder === undefined
      ? []
      : [
          `Docker cannot be reached: previewed with an image that is there already (${placeholder.slice(0, 30)}…), so registry and image are not shown`,
        ]),
    ...(leftOut.length === 0 ? [] : [`left out, because they are encrypted with the stack's key: ${leftOut.join(", ")}`]),
  ];
}
