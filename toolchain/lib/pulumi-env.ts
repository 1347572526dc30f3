import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parse } from "yaml";
import { UserError, messageOf } from "./errors";
import { BUILD_DIR, ROOT, STATE_DIR, pulumiHome } from "./paths";
import { choosePulumi } from "./pulumi-cli";

/** Environment for the Pulumi CLI. */
export interface PulumiEnvironment {
  /** Variables to add to the user's own; never removes one. */
  readonly env: Record<string, string>;
  /** True when this project keeps the state itself (`.phased/state`); false when the user is logged in elsewhere. */
  readonly managed: boolean;
}

export interface PulumiEnvironmentOptions {
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where Pulumi.yaml lies. @default this clone */
  readonly root?: string;
  /** Where state and passphrase are kept. @default `.phased` in this clone */
  readonly stateDir?: string;
}

/**
 * Environment in which every `pulumi` command of this project runs. Without a login elsewhere it uses a file backend and a
 * random passphrase under `.phased/`, both created here when missing and never overwritten.
 *
 * "Logged in elsewhere" means: PULUMI_BACKEND_URL or PULUMI_ACCESS_TOKEN is set, Pulumi.yaml names a backend, or
 * `$PULUMI_HOME/credentials.json` has a current one. A backend address that is this project's own does not count.
 */
export function pulumiEnvironment(options: PulumiEnvironmentOptions = {}): PulumiEnvironment {
  const outer = options.env ?? process.env;
  const root = options.root ?? ROOT;
  const stateDir = options.stateDir ?? STATE_DIR;
  const env: Record<string, string> = {
    PATH: searchPath(outer, root),
    // The plugins are installed by `prepare`: a missing one must fail at once, not start a download of several hundred MB.
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  if (outer["PULUMI_HOME"]) env["PULUMI_HOME"] = path.resolve(outer["PULUMI_HOME"]);
  // Keeps the compiled form of the SDK: a fifth of the program's start. Node 20 does not know it and goes without.
  if (!outer["NODE_COMPILE_CACHE"]) env["NODE_COMPILE_CACHE"] = path.join(BUILD_DIR, "compile-cache");
  const own = ownBackend(stateDir);
  const managed = !loggedInElsewhere(outer, root, own);
  if (managed) {
    mkdirSync(path.join(stateDir, "state"), { recursive: true });
    env["PULUMI_BACKEND_URL"] = own;
    if (!outer["PULUMI_CONFIG_PASSPHRASE"] && !outer["PULUMI_CONFIG_PASSPHRASE_FILE"]) {
      env["PULUMI_CONFIG_PASSPHRASE_FILE"] = ensurePassphrase(stateDir);
    }
  }
  return { env, managed };
}

/** Address of the file backend this project keeps for itself. */
export function ownBackend(stateDir: string = STATE_DIR): string {
  return pathToFileURL(path.join(stateDir, "state")).href;
}

function loggedInElsewhere(env: Readonly<Record<string, string | undefined>>, root: string, own: string): boolean {
  const backend = env["PULUMI_BACKEND_URL"];
  if (backend) return backend !== own;
  if (env["PULUMI_ACCESS_TOKEN"]) return true;
  if (projectBackend(root) !== undefined) return true;
  const current = currentBackend(env);
  return current !== undefined && current !== own;
}

function projectBackend(root: string): string | undefined {
  const project = parse(readFileSync(path.join(root, "Pulumi.yaml"), "utf8")) as { backend?: { url?: string } };
  return project.backend?.url;
}

function currentBackend(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const file = path.join(env["PULUMI_CREDENTIALS_PATH"] || pulumiHome(env), "credentials.json");
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new UserError(`${file} cannot be read: ${messageOf(error)}`, "make it readable, or log in again with pulumi login");
  }
  try {
    const credentials = JSON.parse(text) as { current?: string };
    return credentials.current === "" ? undefined : credentials.current;
  } catch (error) {
    throw new UserError(`${file} is not valid JSON: ${messageOf(error)}`, "remove it and log in again with pulumi login");
  }
}

/** Creates the passphrase once: 32 random bytes, readable by this user alone. Two processes at once agree on one. */
function ensurePassphrase(stateDir: string): string {
  const file = path.join(stateDir, "passphrase");
  const draft = path.join(stateDir, `passphrase.${process.pid}`);
  try {
    if (readFileSync(file, "utf8").trim() !== "") return file;
    throw new UserError(
      `${file} is empty, the secrets of the stacks cannot be read without it`,
      "restore it from a backup, or remove the whole directory .phased to begin anew",
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  writeFileSync(draft, randomBytes(32).toString("base64url"), { mode: 0o600 });
  try {
    // A link fails where the file exists by now; a rename would overwrite it.
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return file;
}

/**
 * The project's own Node first, then the Pulumi CLI. `$PULUMI_HOME/bin` goes before the user's PATH when its CLI is the one
 * to use, after it otherwise: the stand-in of the language host may live there even then.
 */
function searchPath(env: Readonly<Record<string, string | undefined>>, root: string): string {
  const home = path.join(pulumiHome(env), "bin");
  const modules = path.join(root, "node_modules", ".bin");
  const ours = new Set(["", home, modules]);
  const rest = (env["PATH"] ?? "").split(path.delimiter).filter((entry) => !ours.has(entry) && !addedByNpm(entry, root));
  const chosen = choosePulumi(env);
  const onPath = chosen !== undefined && path.dirname(chosen.file) !== home;
  return [modules, ...(onPath ? [...rest, home] : [home, ...rest])].join(path.delimiter);
}

/** `npm run` puts the programs of every directory above in front of PATH, and its own helper; a user's shell must not keep them. */
function addedByNpm(entry: string, root: string): boolean {
  if (path.basename(entry) === "node-gyp-bin") return true;
  const [modules, bin] = [path.dirname(entry), path.basename(entry)];
  return (
    bin === ".bin" && path.basename(modules) === "node_modules" && `${root}${path.sep}`.startsWith(withSeparator(path.dirname(modules)))
  );
}

function withSeparator(directory: string): string {
  return directory.endsWith(path.sep) ? directory : directory + path.sep;
}
