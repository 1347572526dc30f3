import { chmodSync, existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { UserError } from "../lib/errors";
import { exec, which } from "../lib/exec";
import type { Progress } from "../lib/progress";
import { aptInstall, canInstallPackages, thisHost } from "./host";

const QUESTION_TIMEOUT_MS = 30_000;
const MODULE_TIMEOUT_MS = 10 * 60_000;
/** The first Go that fetches a newer one by itself. */
const FIRST_WITH_TOOLCHAINS = [1, 21, 0];

/** A Go tool chain to build with. */
export interface Go {
  readonly command: string;
  /** Environment that makes it the required version. */
  readonly env: Record<string, string>;
}

/** How a Go of some version can serve as the required one. */
export type GoPlan = "as it is" | "fetches a newer one by itself" | "fetches a newer one as a module";

/** @param found output of `go version`, e.g. `go version go1.19.8 linux/amd64` @param required e.g. `1.25.11` */
export function planGo(found: string, required: string): GoPlan {
  const version = numbers(/go(\d+\.\d+(?:\.\d+)?)/.exec(found)?.[1] ?? "0");
  if (atLeast(version, numbers(required))) return "as it is";
  return atLeast(version, FIRST_WITH_TOOLCHAINS) ? "fetches a newer one by itself" : "fetches a newer one as a module";
}

/** A `go` command: from PATH, else Debian's package. @param what that is to be built, for errors */
export async function goCommand(what: string, progress: Progress): Promise<string> {
  const onPath = which("go");
  if (onPath) return onPath;
  if (!canInstallPackages(thisHost())) {
    throw new UserError(
      `Go is needed to build ${what} and is not on PATH`,
      "install Go 1.21 or newer (package golang-go, or https://go.dev/dl/) and try again",
    );
  }
  await aptInstall(["golang-go", "ca-certificates"], progress);
  const installed = which("go");
  if (!installed)
    throw new UserError("the package golang-go brought no go command onto PATH", "install Go 1.21 or newer by hand: https://go.dev/dl/");
  return installed;
}

/** Makes `command` serve as Go `required`; tool chains come through the Go module proxy like every module. */
export async function goToolchain(command: string, required: string, directory: string, progress: Progress): Promise<Go> {
  // GOTOOLCHAIN=local asks for the version of this very program; inside a module a newer Go would answer for it.
  const { stdout } = await exec(command, ["version"], {
    cwd: path.parse(directory).root,
    env: { ...process.env, GOTOOLCHAIN: "local" },
    timeoutMs: QUESTION_TIMEOUT_MS,
    fix: "the Go on PATH does not run; install Go again or remove it from PATH",
  });
  const plan = planGo(stdout, required);
  if (plan === "as it is") return { command, env: { GOTOOLCHAIN: "local" } };
  progress.line(`${stdout.trim().split(" ")[2] ?? "Go"} is older than the needed ${required}, which comes through the Go module proxy`);
  if (plan === "fetches a newer one by itself") return { command, env: { GOTOOLCHAIN: `go${required}` } };
  return toolchainModule(command, required, directory, progress);
}

/** Go before 1.21 knows nothing of tool chains, but downloads them like any module. */
async function toolchainModule(command: string, required: string, directory: string, progress: Progress): Promise<Go> {
  const name = `golang.org/toolchain@v0.0.1-go${required}.${goSystem()}`;
  const { stdout } = await exec(command, ["mod", "download", "-json", name], {
    cwd: directory,
    timeoutMs: MODULE_TIMEOUT_MS,
    onLine: progress.detail,
    fix: `install Go ${required} or newer by hand: https://go.dev/dl/`,
  });
  const { Dir: root } = JSON.parse(stdout) as { Dir: string };
  makeExecutable(path.join(root, "bin"));
  makeExecutable(path.join(root, "pkg", "tool", goSystem().replace("-", "_")));
  return { command: path.join(root, "bin", "go"), env: { GOROOT: root, GOTOOLCHAIN: "local" } };
}

/** An old Go unpacks modules without the permission to execute. */
function makeExecutable(directory: string): void {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory)) chmodSync(path.join(directory, name), 0o555);
}

/** `linux-amd64`: this platform in the words of Go. */
function goSystem(): string {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  return `${process.platform === "win32" ? "windows" : process.platform}-${arch}`;
}

function numbers(version: string): number[] {
  return version.split(".").map(Number);
}

function atLeast(version: readonly number[], wanted: readonly number[]): boolean {
  for (const [index, number] of wanted.entries()) {
    const difference = (version[index] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}
