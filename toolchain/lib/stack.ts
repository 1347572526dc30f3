import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parse, parseDocument } from "yaml";
import { UserError, messageOf } from "./errors";
import { exec } from "./exec";
import { ROOT, STATE_DIR } from "./paths";
import type { PulumiEnvironment } from "./pulumi-env";
import { pulumiEnvironment } from "./pulumi-env";

/** `pulumi stack init` takes 1 s with a file backend; a remote one answers within seconds. */
const STACK_TIMEOUT_MS = 60_000;

interface StackFile {
  readonly encryptionsalt?: unknown;
  readonly secretsprovider?: unknown;
}

/**
 * Creates the stack when it does not exist yet. It is created from a scratch directory with a copy of Pulumi.yaml, so that
 * Pulumi writes the encryption salt there and not into the tracked `Pulumi.<stack>.yaml`; the salt is kept under
 * `.phased/stacks/`.
 *
 * @returns true if the stack was created now
 */
export async function ensureStack(stack: string, environment: PulumiEnvironment = pulumiEnvironment()): Promise<boolean> {
  validateStackName(stack);
  const env = { ...process.env, ...environment.env };
  const directory = path.join(STATE_DIR, "stacks");
  mkdirSync(directory, { recursive: true });
  const scratch = mkdtempSync(path.join(directory, "scratch-"));
  try {
    copyFileSync(path.join(ROOT, "Pulumi.yaml"), path.join(scratch, "Pulumi.yaml"));
    if (await stackExists(stack, scratch, env, environment.managed)) return false;
    await exec("pulumi", ["stack", "init", stack, "--no-select", "--non-interactive"], {
      cwd: scratch,
      env,
      timeoutMs: STACK_TIMEOUT_MS,
      fix: `see the message of Pulumi above; by hand: pulumi stack init ${stack}`,
    });
    const created = readdirSync(scratch).find((name) => /^Pulumi\..+\.yaml$/.test(name));
    if (environment.managed && created !== undefined) renameSync(path.join(scratch, created), renderedFile(stack));
    return true;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Configuration file to pass as `--config-file`: the tracked `Pulumi.<stack>.yaml` plus the stack's encryption salt, under
 * `.phased/stacks/`. Written anew from the tracked file on every call. Undefined where the plain Pulumi way holds: the
 * tracked file carries its own salt or secrets provider, or the user is logged in elsewhere.
 */
export function configFileFor(stack: string, environment: PulumiEnvironment = pulumiEnvironment()): string | undefined {
  validateStackName(stack);
  if (!environment.managed) return undefined;
  const tracked = path.join(ROOT, `Pulumi.${stack}.yaml`);
  const target = renderedFile(stack);
  const text = mergeSalt(readIfThere(tracked), readIfThere(target), `Pulumi.${stack}.yaml`);
  if (text === undefined) return undefined;
  if (readIfThere(target) === text) return target;
  mkdirSync(path.dirname(target), { recursive: true });
  const draft = `${target}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, target);
  return target;
}

/**
 * The tracked configuration with the encryption salt of the rendered one; comments and order are kept. Undefined when the
 * tracked file has a salt or a secrets provider of its own.
 *
 * @param name of the tracked file, for the error
 */
export function mergeSalt(tracked: string | undefined, rendered: string | undefined, name: string): string | undefined {
  const document = parseDocument(tracked ?? "");
  const problem = document.errors[0];
  if (problem) throw new UserError(`${name} is not valid YAML: ${problem.message.split("\n")[0] ?? ""}`);
  const content: unknown = document.toJS();
  if (content !== null && (typeof content !== "object" || Array.isArray(content))) {
    throw new UserError(
      `${name} must hold a mapping with the key "config", it holds ${Array.isArray(content) ? "a list" : typeof content}`,
    );
  }
  const own = (content ?? {}) as StackFile;
  if (own.encryptionsalt !== undefined || own.secretsprovider !== undefined) return undefined;
  const salt = saltOf(rendered);
  if (salt !== undefined) document.set("encryptionsalt", salt);
  return content === null && salt === undefined ? "{}\n" : document.toString({ lineWidth: 0 });
}

/** Checks a stack name as Pulumi does, but before anything is started. */
export function validateStackName(stack: string): void {
  if (!/^[A-Za-z0-9_.-]{1,100}$/.test(stack)) {
    throw new UserError(`stack name ${JSON.stringify(stack)} is not allowed: use 1 to 100 letters, digits, "-", "_" or "."`);
  }
}

async function stackExists(stack: string, cwd: string, env: NodeJS.ProcessEnv, managed: boolean): Promise<boolean> {
  // The file backend keeps one file a stack; looking saves half a second against starting the CLI.
  if (managed) return existsSync(path.join(STATE_DIR, "state", ".pulumi", "stacks", projectName(), `${stack}.json`));
  const { stdout } = await exec("pulumi", ["stack", "ls", "--json", "--non-interactive"], {
    cwd,
    env,
    timeoutMs: STACK_TIMEOUT_MS,
    fix: "log in again with pulumi login, or log out with pulumi logout to let this project keep its own state",
  });
  try {
    const stacks = JSON.parse(stdout) as { name: string }[];
    return stacks.some(({ name }) => name === stack || name.endsWith(`/${stack}`));
  } catch (error) {
    throw new UserError(`pulumi stack ls --json answered something that is not JSON: ${messageOf(error)}`);
  }
}

function projectName(): string {
  return (parse(readFileSync(path.join(ROOT, "Pulumi.yaml"), "utf8")) as { name: string }).name;
}

function renderedFile(stack: string): string {
  return path.join(STATE_DIR, "stacks", `Pulumi.${stack}.yaml`);
}

function saltOf(text: string | undefined): string | undefined {
  const content = parse(text ?? "") as StackFile | null;
  return typeof content?.encryptionsalt === "string" ? content.encryptionsalt : undefined;
}

function readIfThere(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}
