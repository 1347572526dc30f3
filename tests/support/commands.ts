import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import type { ProjectCopy } from "./project";

/** How a command ended, and what it printed. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The search path without the directories of an installed language host: that one belongs to the clone that runs the tests. */
function withoutPulumi(search: string): string {
  const directories = search.split(path.delimiter);
  return directories.filter((directory) => !existsSync(path.join(directory, "pulumi-language-nodejs"))).join(path.delimiter);
}

/** A command that runs. */
export interface StartedCommand {
  /** What it has printed so far. */
  printed(): string;
  readonly outcome: Promise<Outcome>;
  hasEnded(): boolean;
  /** Ctrl-C: SIGINT to its whole process group, on a terminal the key. */
  interrupt(): void;
  /**
   * SIGKILL to its process group and to Pulumi's program, which a terminal has in the same group. Pulumi's plugins are in groups of their own: they go on
   * with what they do until they notice.
   */
  kill(): void;
}

/** Starts `npm run COMMAND` for a stack in a copy of the project, as a user does: a process of its own, without a terminal. */
export function startCommand(project: ProjectCopy, stack: string, command: string, ...args: readonly string[]): StartedCommand {
  const child = spawn(process.execPath, commandLine(project, stack, command, args), {
    ...surroundings(project),
    stdio: ["ignore", "pipe", "pipe"],
  });
  return started(child, (pid) => signalTo(-pid, "SIGINT"));
}

/** The same on a terminal (by `script` of util-linux), so that the command asks. Ctrl-C is the key there. What it prints is all standard output. */
export function startOnTerminal(project: ProjectCopy, stack: string, command: string, ...args: readonly string[]): StartedCommand {
  const line = [process.execPath, ...commandLine(project, stack, command, args)]
    .map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
    .join(" ");
  const child = spawn("script", ["--quiet", "--return", "--command", line, "/dev/null"], { ...surroundings(project), stdio: "pipe" });
  return started(child, () => child.stdin.write("\x03"));
}

function commandLine(project: ProjectCopy, stack: string, command: string, args: readonly string[]): string[] {
  return [path.join(project.directory, "toolchain/run.mjs"), command, "--stack", stack, ...args];
}

/** Its own state and PULUMI_HOME in the copy, as on a new machine: stand-ins that it installs go with the copy. A process group of its own. */
function surroundings(project: ProjectCopy) {
  return {
    cwd: project.directory,
    env: {
      ...process.env,
      PATH: withoutPulumi(process.env["PATH"] ?? ""),
      PULUMI_HOME: path.join(project.directory, ".phased/pulumi-home"),
      ...{ PULUMI_BACKEND_URL: "", PULUMI_CONFIG_PASSPHRASE: "", PULUMI_CONFIG_PASSPHRASE_FILE: "" },
    },
    detached: true,
  };
}

type Piped = ChildProcess & { readonly stdout: Readable; readonly stderr: Readable };

function started(child: Piped, interrupt: (pid: number) => void): StartedCommand {
  const { pid } = child;
  if (pid === undefined) throw new Error(`${child.spawnfile} was not started`);
  // Nobody else ends a group of its own when the tests are ended.
  const end = (): void => signalTo(-pid, "SIGTERM");
  process.once("exit", end);
  let [stdout, stderr, isOver] = ["", "", false];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const outcome = once(child, "close").then(([code]) => {
    isOver = true;
    process.removeListener("exit", end);
    return { code: code as number | null, stdout, stderr };
  });
  return {
    printed: () => stdout + stderr,
    outcome,
    hasEnded: () => isOver,
    interrupt: () => interrupt(pid),
    kill() {
      const programs = pulumiBelow(pid);
      for (const one of [-pid, ...programs]) signalTo(one, "SIGKILL");
    },
  };
}

/** Runs a command to its end. */
export function runCommand(project: ProjectCopy, stack: string, command: string, ...args: readonly string[]): Promise<Outcome> {
  return startCommand(project, stack, command, ...args).outcome;
}

/** @param pid negative for a process group */
function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Ids of Pulumi's programs that a process has started, itself or through others. */
function pulumiBelow(root: number): number[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" }).split("\n");
  const all = lines.map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)).filter((match) => match !== null);
  const below = (parent: number): number[] =>
    all
      .filter(([, , ppid]) => Number(ppid) === parent)
      .flatMap(([, pid, , name = ""]) => (path.basename(name.trim()) === "pulumi" ? [Number(pid)] : below(Number(pid))));
  return below(root);
}

/** For assertion messages. */
export function everything({ code, stdout, stderr }: Outcome): string {
  return `exit code ${String(code)}\n${stdout}\n${stderr}`;
}
