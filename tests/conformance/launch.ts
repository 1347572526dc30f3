import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

import { pulumiHome } from "../../toolchain/lib/paths";
import { packageVersion } from "../../toolchain/lib/pulumi-cli";
import { inspectExecutable } from "../../toolchain/machine/launcher";

const ROOT = path.resolve(__dirname, "../..");
/** What `--import tsx` means, for processes that start elsewhere. */
const TSX = pathToFileURL(require.resolve("tsx")).href;
/** A plugin that has not printed its port by then does not start. Milliseconds; a cold official docker plugin takes about 2 s. */
const START_TIMEOUT_MS = 30_000;

/** Which plugins the suite runs: ours, or the official ones (CONFORMANCE=official). */
export const underTest: "standin" | "official" = conformance();

function conformance(): "standin" | "official" {
  const chosen = process.env["CONFORMANCE"] ?? "standin";
  if (chosen === "standin" || chosen === "official") return chosen;
  throw new Error(`CONFORMANCE is "${chosen}"; allowed are "standin" (default) and "official".`);
}

/** Starts the plugin under test for an engine at that address; resolves once it has printed its port. */
export async function launchPlugin(name: string, engineAddress: string): Promise<{ child: ChildProcess; port: string }> {
  const [command, ...args] = pluginCommand(name);
  const child = spawn(command, [...args, engineAddress], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  return { child, port: await firstLine(name, child) };
}

/** The command line of the plugin under test; also of the language host, which is named `language-nodejs` here. */
export function pluginCommand(name: string): readonly [string, ...string[]] {
  if (underTest === "standin") return [process.execPath, "--import", TSX, path.join(ROOT, "toolchain/standins", name, "main.ts")];
  const executable = name.startsWith("language-") ? `pulumi-${name}` : `pulumi-resource-${name}`;
  const home = pulumiHome();
  const exact = executable.startsWith("pulumi-resource-") ? `resource-${name}-v${packageVersion(`@pulumi/${name}`)}` : undefined;
  const folders = [...(exact === undefined ? [] : [path.join(home, "plugins", exact)]), path.join(home, "bin")];
  const candidates = [...folders, ...(process.env["PATH"] ?? "").split(path.delimiter)].map((folder) => path.join(folder, executable));
  // Where this machine was prepared with stand-ins, their launchers lie in the same places.
  const found = candidates.find((file) => isExecutable(file) && inspectExecutable(file, name) === "official");
  if (found !== undefined) return [found];
  const install = exact === undefined ? "install the Pulumi CLI, which brings it" : `run "pulumi plugin install resource ${name}"`;
  throw new Error(`CONFORMANCE=official needs the official ${executable} in ${folders.join(", ")} or on PATH: ${install}.`);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The port that a plugin prints first; an error with what it printed when it ends before. */
function firstLine(name: string, child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let errors = "";
    child.stderr!.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    const timer = setTimeout(() => fail(`has not printed its port after ${START_TIMEOUT_MS / 1000} s`), START_TIMEOUT_MS);
    const fail = (what: string): void => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`The ${underTest} plugin ${name} ${what}. ${errors.trim()}`));
    };
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
    child.once("exit", (code) => fail(`ended with exit code ${String(code)} at start`));
    createInterface({ input: child.stdout! }).once("line", (line) => {
      clearTimeout(timer);
      child.removeAllListeners("exit");
      resolve(line.trim());
    });
  });
}
