import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parse, parseDocument } from "yaml";
import { DEFAULT_STACK, npmCommand } from "../../stacks/lib/npm-command";
import type { StackOnDocker } from "./docker-app";
import { stackDockerHost } from "./docker-context";
import { UserError, messageOf } from "./errors";
import { exec, which } from "./exec";
import { ROOT, STATE_DIR } from "./paths";
import { pulumiEnvironment } from "./pulumi-env";
import { configFileFor, ensureStack, validateStackName } from "./stack";
import { stackDocument } from "./stack-document";
import { type ExportedStack, stackOnDocker } from "./update-recovery";
import { capturePreview, type PreviewRun, runUpdate, type UpdateRun } from "./update-run";

export { DEFAULT_STACK, npmCommand };

/** Project of the stack's configuration keys. */
const PROJECT = "phased-stack";

/** Looking at a stack takes Pulumi about a second with a file backend; a remote one answers within seconds. */
const LOOK_TIMEOUT_MS = 60_000;

/** A preview takes 7 s of a 2-core machine, with AWS a minute; one that is busy with other work several times that. */
const PREVIEW_TIMEOUT_MS = 15 * 60_000;

/** A stack that exists, and how to work on it. */
export interface OpenStack {
  readonly name: string;
  readonly phase: string;
  /** Plain configuration values by full key, e.g. `phased-stack:port`. */
  readonly config: Readonly<Record<string, string>>;
  /** The engine that the stack names, by `docker:host` or a Docker context. */
  readonly dockerHost: string | undefined;
  /** Whether this clone keeps the state itself; otherwise other machines may work on it as well. */
  readonly managed: boolean;
  /** Outputs including secret ones; empty before the first update. */
  outputs(): Promise<Readonly<Record<string, unknown>>>;
  /** State with resources and pending operations; secrets stay encrypted. */
  exported(): Promise<ExportedStack>;
  /** The stack as {@link stackContainers} needs it. */
  onDocker(): Promise<StackOnDocker>;
  /** `pulumi ARGS` with its output captured; the standard output. @throws ExecError */
  pulumi(args: readonly string[], timeoutMs?: number): Promise<string>;
  /** `pulumi ARGS` of an update, with Pulumi's live display. */
  update(args: readonly string[]): Promise<UpdateRun>;
  /** `pulumi preview ARGS`, captured. */
  preview(args: readonly string[]): Promise<PreviewRun>;
  /** Forgets the stack: its state, history and what is kept about it in this clone. Its resources must be gone. */
  remove(): Promise<void>;
  /** The npm command that does something with this stack, for messages: `npm run down -- --stack shop`. */
  command(name: string, ...args: readonly string[]): string;
}

/** A text output, `undefined` when it is absent, empty or no text. */
export function textOutput(outputs: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const value = outputs[key];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Result of looking for a stack. */
export interface FoundStack {
  readonly name: string;
  readonly found: OpenStack | undefined;
  readonly command: (name: string, ...args: readonly string[]) => string;
}

/** Looks for a stack without making one. @param wanted @default dev */
export async function findStack(wanted: string | undefined): Promise<FoundStack> {
  const name = wanted ?? DEFAULT_STACK;
  validateStackName(name);
  const found = (await stackExists(name)) ? openExisting(name) : undefined;
  return { name, found, command: (command, ...args) => npmCommand(name, command, ...args) };
}

export interface OpenOptions {
  /** Make the stack when it does not exist. @default false */
  readonly create?: boolean;
  /** Configuration of a temporary stack, by key without project, instead of `Pulumi.<stack>.yaml`. */
  readonly config?: Readonly<Record<string, string>>;
}

/**
 * Opens a stack.
 * @param wanted @default dev
 * @throws UserError when it does not exist and is not to be made.
 */
export async function openStack(wanted: string | undefined, options: OpenOptions = {}): Promise<OpenStack> {
  const name = wanted ?? DEFAULT_STACK;
  validateStackName(name);
  if (!(await stackExists(name))) {
    if (options.create !== true) throw new UserError(`stack ${name} does not exist`, `Start it with: ${npmCommand(name, "up")}`);
    await ensureStack(name);
  }
  return openExisting(name, options.config);
}

function openExisting(name: string, temporary?: Readonly<Record<string, string>>): OpenStack {
  const environment = pulumiEnvironment();
  const env = { ...process.env, ...environment.env };
  const rendered = configFileFor(name, environment);
  const configFile = temporary === undefined ? rendered : temporaryConfig(name, temporary, rendered);
  const config = plainConfig(configFile ?? trackedFile(name));
  const select = ["--stack", name];
  const withConfig = [...select, ...(configFile === undefined ? [] : ["--config-file", configFile])];
  const run = async (args: readonly string[], timeoutMs = LOOK_TIMEOUT_MS): Promise<string> => {
    const [command = ""] = args;
    const flags = takesConfig(command) ? withConfig : command === "version" ? [] : select;
    return (await exec("pulumi", [...args, ...flags], { cwd: ROOT, env, timeoutMs })).stdout;
  };
  const exported = async (): Promise<ExportedStack> => JSON.parse(await run(["stack", "export"])) as ExportedStack;
  return {
    name,
    phase: config[`${PROJECT}:phase`] ?? "cluster",
    config,
    dockerHost: stackDockerHost(config),
    managed: environment.managed,
    outputs: async () => JSON.parse(await run(["stack", "output", "--json", "--show-secrets"])) as Record<string, unknown>,
    exported,
    onDocker: async () => stackOnDocker(name, await exported()),
    pulumi: run,
    update(args) {
      const pulumi = which("pulumi", env["PATH"]);
      if (pulumi === undefined) throw new UserError("the Pulumi CLI is not installed", "npm run up installs it; npm run doctor looks");
      return runUpdate(pulumi, [...args, ...withConfig], { cwd: ROOT, env });
    },
    preview: (args) => capturePreview(["preview", ...args, ...withConfig], { cwd: ROOT, env, timeoutMs: PREVIEW_TIMEOUT_MS }),
    async remove() {
      // Pulumi would delete the tracked configuration file as well.
      await run(["stack", "rm", "--yes", "--preserve-config"]);
      for (const file of [rendered, configFile]) if (file !== undefined) rmSync(file, { force: true });
    },
    command: (command, ...args) => npmCommand(name, command, ...args),
  };
}

/** Commands of Pulumi that read the stack's configuration. */
function takesConfig(command: string): boolean {
  return ["up", "preview", "destroy", "refresh", "config"].includes(command);
}

function trackedFile(stack: string): string {
  return path.join(ROOT, `Pulumi.${stack}.yaml`);
}

/** Configuration values that are plain text; secrets and structures are left out. */
export function plainConfig(file: string): Record<string, string> {
  if (!existsSync(file)) return {};
  const content = readYaml(file) as { config?: Record<string, unknown> | null } | null;
  const entries = Object.entries(content?.config ?? {}).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return Object.fromEntries(entries.map(([key, value]) => [key, String(value)]));
}

/** @throws UserError in one line: the file is the user's own. */
function readYaml(file: string): unknown {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw notYaml(file, messageOf(error));
  }
}

function notYaml(file: string, reason: string): UserError {
  return new UserError(`${path.basename(file)} is not valid YAML: ${(reason.split("\n")[0] ?? "").replace(/:$/, "")}`);
}

/** What has to be known of a stack before it is made, to prepare the machine for it. */
export interface PlannedStack {
  /** The first one when nothing says so. */
  readonly phase: "cluster" | "database" | "cloud";
  readonly dockerHost: string | undefined;
  /** Whether it is to have Kafka, in a phase that can. */
  readonly kafka: boolean;
}

/** What the configuration of a stack says of it. */
export function plannedStack(stack: string): PlannedStack {
  validateStackName(stack);
  const config = plainConfig(trackedFile(stack));
  const phase = config[`${PROJECT}:phase`];
  return {
    phase: phase === "database" || phase === "cloud" ? phase : "cluster",
    dockerHost: stackDockerHost(config),
    kafka: config[`${PROJECT}:kafka`] === "true",
  };
}

/** Keys that are taken as secrets alone, as in stacks/config/secrets.ts, which loads Pulumi's SDK. */
export const SECRET_KEYS: readonly string[] = [
  "alertHeartbeatUrl",
  "alertWebhookUrl",
  "backupS3Key",
  "backupS3KeySecret",
  "backupPassphrase",
  "databaseUrl",
  "databaseMigrationUrl",
  "databaseReadUrl",
  "databaseShards",
  "databaseShardsMigration",
  "databaseShardsRead",
  "redisUrl",
  "redisLimitsUrl",
  "kubeconfig",
];

/**
 * Sets configuration values in `Pulumi.<stack>.yaml`, as `pulumi config set` does; comments and order stay.
 * @param settings `key=value`; a key without a project belongs to this one.
 * @param file @default `Pulumi.<stack>.yaml` of this clone
 * @throws UserError when one is not of that form, or a secret; then none is set.
 */
export function setConfig(stack: string, settings: readonly string[], file: string = trackedFile(stack)): void {
  validateStackName(stack);
  if (settings.length === 0) return;
  const document = stackDocument(existsSync(file) ? readFileSync(file, "utf8") : "", (why) => notYaml(file, why));
  for (const setting of settings) {
    const [, key, value] = /^([\w:-]+)=(.*)$/s.exec(setting) ?? [];
    if (key === undefined || value === undefined) {
      throw new UserError(`--config ${JSON.stringify(setting)} is not of the form key=value, for example port=3002`);
    }
    if (SECRET_KEYS.includes(key.replace(`${PROJECT}:`, ""))) {
      throw new UserError(
        `--config ${key} would put a secret into ${path.basename(file)} as plain text; nothing was set`,
        `eval "$(npm run -s env)"; pulumi config set --secret --stack ${stack} ${key} (it asks for the value)`,
      );
    }
    document.setIn(["config", key.includes(":") ? key : `${PROJECT}:${key}`], value);
  }
  writeFileSync(file, document.toString({ lineWidth: 0 }));
}

/** A configuration file for a stack that is not meant to stay; the salt comes from where the stack was made. */
function temporaryConfig(stack: string, config: Readonly<Record<string, string>>, rendered: string | undefined): string {
  const salt = rendered === undefined ? {} : (parse(readFileSync(rendered, "utf8")) as { encryptionsalt?: string });
  const document = parseDocument("");
  if (salt.encryptionsalt !== undefined) document.set("encryptionsalt", salt.encryptionsalt);
  for (const [key, value] of Object.entries(config)) document.setIn(["config", `${PROJECT}:${key}`], value);
  const file = path.join(STATE_DIR, "stacks", `Pulumi.${stack}.temporary.yaml`);
  writeFileSync(file, document.toString(), { mode: 0o600 });
  return file;
}

async function stackExists(name: string): Promise<boolean> {
  const environment = pulumiEnvironment();
  // The file backend keeps one file a stack; looking there needs no Pulumi CLI, which may not be installed yet.
  if (environment.managed) return existsSync(path.join(STATE_DIR, "state", ".pulumi", "stacks", PROJECT, `${name}.json`));
  const { stdout } = await exec("pulumi", ["stack", "ls", "--json", "--non-interactive"], {
    cwd: ROOT,
    env: { ...process.env, ...environment.env },
    timeoutMs: LOOK_TIMEOUT_MS,
    fix: "Log in again with: pulumi login; or keep the state in this project: pulumi logout",
  });
  const stacks = JSON.parse(stdout) as { readonly name: string }[];
  if (stacks.some((stack) => stack.name === name || stack.name.endsWith(`/${name}`))) return true;
  refuseOtherBackend(name);
  return false;
}

/**
 * Who logs in elsewhere while a stack runs has its state in this clone and looks for it there: "does not exist" would be half of the truth.
 * @param directory of the clone's own state
 * @throws UserError when the clone's own state has that stack, and something in it.
 */
export function refuseOtherBackend(name: string, directory: string = STATE_DIR): void {
  const file = path.join(directory, "state", ".pulumi", "stacks", PROJECT, `${name}.json`);
  if (!existsSync(file)) return;
  const state = JSON.parse(readFileSync(file, "utf8")) as { checkpoint?: { latest?: { resources?: readonly unknown[] } | null } };
  if ((state.checkpoint?.latest?.resources ?? []).length === 0) return;
  throw new UserError(
    `the backend that Pulumi is logged in to has no stack ${name}, but this clone's own state (.phased/state) has one with resources`,
    "To work on that one: pulumi logout, and unset PULUMI_BACKEND_URL and PULUMI_ACCESS_TOKEN. To carry it over: pulumi stack export there, import here",
  );
}
