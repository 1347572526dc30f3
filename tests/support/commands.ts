import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
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

/** Runs `npm run COMMAND` for a stack in a copy of the project, as a user does: a process of its own, without a terminal. */
export async function runCommand(project: ProjectCopy, stack: string, command: string, ...args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [path.join(project.directory, "toolchain/run.mjs"), command, "--stack", stack, ...args], {
    cwd: project.directory,
    // Its own state and PULUMI_HOME in the copy, as on a new machine: stand-ins that it installs go with the copy.
    env: {
      ...process.env,
      PATH: withoutPulumi(process.env["PATH"] ?? ""),
      PULUMI_HOME: path.join(project.directory, ".phased/pulumi-home"),
      ...{ PULUMI_BACKEND_URL: "", PULUMI_CONFIG_PASSPHRASE: "", PULUMI_CONFIG_PASSPHRASE_FILE: "" },
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** For assertion messages. */
export function everything({ code, stdout, stderr }: Outcome): string {
  return `exit code ${String(code)}\n${stdout}\n${stderr}`;
}
