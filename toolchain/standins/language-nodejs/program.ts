import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";

import type { RunRequest } from "@pulumi/pulumi/proto/language_pb";

import { parseNodeOptions, splitWords } from "./options";

/** The exit code with which a Pulumi program says that it has already shown the user what is wrong. */
export const BAIL_EXIT_CODE = 32;
/** How long a cancelled program may take to end before it is killed, and its output to drain, milliseconds (official host: 5 s). */
const CANCEL_GRACE_MS = 5_000;
/** The script of the SDK that runs a program, unless PULUMI_LANGUAGE_NODEJS_RUN_PATH names another. */
const DEFAULT_RUN_MODULE = "@pulumi/pulumi/cmd/run";
const OUT_OF_MEMORY_MARK = "<--- Last few GCs --->";
const OUT_OF_MEMORY_ADVICE =
  "Detected a possible out of memory error. Consider increasing the memory available to the nodejs process by setting the `nodeargs` runtime " +
  "option in Pulumi.yaml to `nodeargs: --max-old-space-size=<size>` where `<size>` is the maximum memory in megabytes.";

/** A command to spawn. */
export interface ProgramCommand {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** How a program ended, in the words of the language protocol: no error and no bail is success. */
export interface ProgramResult {
  readonly error: string;
  readonly bail: boolean;
}

/** What stands around a request: the engine's address, the environment and the streams that the program's output goes to. */
export interface ProgramSurroundings {
  readonly engineAddress: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** The arguments after `node` and the additional environment for one run of a program. */
export function programCommand(request: RunRequest, engineAddress: string, env: NodeJS.ProcessEnv): ProgramCommand {
  const info = request.getInfo();
  if (info === undefined) throw new Error("The engine sent no program information: this stand-in needs a Pulumi CLI of 3.259 or near it.");
  const options = parseNodeOptions(info.getOptions()?.toJavaScript() ?? {});
  const script = locateRunScript(info.getProgramDirectory(), env.PULUMI_LANGUAGE_NODEJS_RUN_PATH ?? DEFAULT_RUN_MODULE);

  const args = [...splitWords(options.nodeargs), script];
  const flag = (name: string, value: string): void => {
    if (value !== "") args.push(`--${name}`, value);
  };
  // The program talks to the engine's monitor itself: the proxy of the official host exists for synchronous invokes, which SDKs no longer make.
  flag("monitor", request.getMonitorAddress());
  flag("engine", engineAddress);
  flag("organization", request.getOrganization());
  flag("project", request.getProject());
  flag("root-directory", info.getRootDirectory());
  flag("stack", request.getStack());
  flag("pwd", info.getProgramDirectory());
  if (request.getDryrun()) args.push("--dry-run");
  flag("parallel", String(request.getParallel()));
  args.push(info.getEntryPoint(), ...request.getArgsList());

  return {
    args,
    env: {
      PULUMI_CONFIG: JSON.stringify(
        Object.fromEntries(
          request
            .getConfigMap()
            .toArray()
            .map(([key, value]) => [legacyConfigKey(key), value]),
        ),
      ),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
      ...(options.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
      ...(options.tsconfig === undefined ? {} : { PULUMI_NODEJS_TSCONFIG_PATH: options.tsconfig }),
    },
  };
}

/** `namespace:name` as `namespace:config:name`, the form that every version of the SDK understands. */
export function legacyConfigKey(key: string): string {
  const parts = key.split(":");
  const [namespace, second, third] = parts;
  if (parts.length === 2) return `${String(namespace)}:config:${String(second)}`;
  if (parts.length === 3 && second === "config") return `${String(namespace)}:config:${String(third)}`;
  throw new Error(`could not parse ${key} as a configuration key (configuration keys should be of the form \`<namespace>:<name>\`)`);
}

/**
 * The file of the SDK's run script, resolved from the program's directory as `require` would.
 * @param install what to tell the user to run where the SDK is missing
 */
export function locateRunScript(programDirectory: string, module: string, install = "npm install or pulumi install"): string {
  try {
    return createRequire(path.join(programDirectory, "package.json")).resolve(module);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    throw new Error(`It looks like the Pulumi SDK has not been installed. Have you run ${install}?`, { cause: error });
  }
}

/**
 * Runs a Pulumi program with the `node` of PATH until it ends. `cancel` interrupts it: SIGINT first, SIGKILL after five seconds.
 * Never rejects for what the program does: its failure is the result.
 */
export async function runProgram(command: ProgramCommand, around: ProgramSurroundings, cancel: AbortSignal): Promise<ProgramResult> {
  if (cancel.aborted) return { error: "The program was cancelled before it started.", bail: false };
  const env = { ...around.env, ...command.env };
  const child = spawn("node", [...command.args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const seen = { outOfMemory: false };
  // Piped instead of inherited: Node switches inherited pipes to non-blocking, which would lose output of this process.
  child.stdout.pipe(around.stdout, { end: false });
  child.stderr.pipe(around.stderr, { end: false });
  child.stderr.on("data", (chunk: Buffer) => {
    seen.outOfMemory ||= chunk.includes(OUT_OF_MEMORY_MARK);
  });
  const onCancel = (): void => interrupt(child);
  cancel.addEventListener("abort", onCancel, { once: true });
  try {
    const ended = await outcome(child);
    if (ended instanceof Error) {
      const reason = (ended as NodeJS.ErrnoException).code === "ENOENT" ? "could not find node on the $PATH" : ended.message;
      return { error: `Problem executing program (could not run language executor): ${reason}`, bail: false };
    }
    if (ended.code === 0) return { error: "", bail: false };
    if (ended.code === BAIL_EXIT_CODE) return { error: "", bail: true };
    const how = ended.code === null ? `-1 (ended by ${String(ended.signal)})` : String(ended.code);
    const error = `Program exited with non-zero exit code: ${how}`;
    return { error: seen.outOfMemory ? `${error}. ${OUT_OF_MEMORY_ADVICE}` : error, bail: false };
  } finally {
    cancel.removeEventListener("abort", onCancel);
  }
}

/** Asks a process to end, and kills it when it has not after five seconds. */
export function interrupt(child: ChildProcess): void {
  child.kill("SIGINT");
  const kill = setTimeout(() => child.kill("SIGKILL"), CANCEL_GRACE_MS);
  child.once("exit", () => clearTimeout(kill));
}

/** Waits for the process and its output; a grandchild that keeps the output open is waited for five seconds more, then left alone. */
export function outcome(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null } | Error> {
  return new Promise((resolve) => {
    child.once("error", resolve);
    child.once("exit", () => {
      const drain = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, CANCEL_GRACE_MS);
      child.once("close", () => clearTimeout(drain));
    });
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}
