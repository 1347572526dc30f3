import { spawn, type ChildProcess } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

const ROOT = path.resolve(__dirname, "../..");
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

/** The command line of the plugin under test. */
function pluginCommand(name: string): readonly [string, ...string[]] {
  if (underTest === "standin") return [process.execPath, "--import", "tsx", path.join(ROOT, "toolchain/standins", name, "main.ts")];
  const executable = `pulumi-resource-${name}`;
  const plugins = path.join(process.env["PULUMI_HOME"] ?? path.join(homedir(), ".pulumi"), "plugins");
  const folders = listFolder(plugins).filter((folder) => folder.startsWith(`resource-${name}-v`));
  const candidates = [...folders.map((folder) => path.join(plugins, folder)), ...(process.env["PATH"] ?? "").split(path.delimiter)];
  const found = candidates.map((folder) => path.join(folder, executable)).find(isExecutable);
  if (found !== undefined) return [found];
  throw new Error(
    `CONFORMANCE=official needs ${executable} in ${plugins}/resource-${name}-v*/ or on PATH: run "pulumi plugin install resource ${name}".`,
  );
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
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
