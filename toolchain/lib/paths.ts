import { homedir } from "node:os";
import path from "node:path";

/** Directory of this clone. */
export const ROOT = path.resolve(__dirname, "../..");

/** Project-local state, ignored by git: backend, passphrase, rendered stack configuration. */
export const STATE_DIR = path.join(ROOT, ".phased");

/** What is built from the sources of this clone and can be built again: bundles. Ignored by git. */
export const BUILD_DIR = path.join(ROOT, ".build");

type Environment = Readonly<Record<string, string | undefined>>;

/** Pulumi's own directory: `$PULUMI_HOME`, by default `~/.pulumi`. Holds the CLI, plugins and credentials. */
export function pulumiHome(env: Environment = process.env): string {
  return env["PULUMI_HOME"] ? path.resolve(env["PULUMI_HOME"]) : path.join(homedir(), ".pulumi");
}

/**
 * Directory for what is costly to make again and independent of this clone: a built Pulumi CLI, the root file system of the
 * base image. `$PHASED_STACK_CACHE`, else `$XDG_CACHE_HOME/phased-stack`, else `~/.cache/phased-stack`.
 */
export function cacheDir(env: Environment = process.env): string {
  if (env["PHASED_STACK_CACHE"]) return path.resolve(env["PHASED_STACK_CACHE"]);
  return path.join(env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "phased-stack");
}

/** Name of an executable on this platform: `pulumi` or `pulumi.exe`. */
export function executable(name: string, platform: NodeJS.Platform = process.platform): string {
  return platform === "win32" ? `${name}.exe` : name;
}
