import { spawn, type ChildProcess } from "node:child_process";

import type { AnalyzerStackConfigureRequest } from "@pulumi/pulumi/proto/analyzer_pb";
import type { RunPluginRequest } from "@pulumi/pulumi/proto/language_pb";

import { parseNodeOptions, splitWords } from "./options";
import { PolicyProxy } from "./policy-proxy";
import { interrupt, locateRunScript, outcome, type ProgramCommand } from "./program";

/** What the engine calls a policy pack. */
const ANALYZER = "analyzer";
/** Scripts of the SDK that run a policy pack and any other plugin. */
const POLICY_PACK_MODULE = "@pulumi/pulumi/cmd/run-policy-pack";
const PLUGIN_MODULE = "@pulumi/pulumi/cmd/run-plugin";

/** Where a plugin's output goes: to the engine, which reads its port from the first line. */
export interface PluginOutput {
  readonly stdout: (chunk: Buffer) => void;
  readonly stderr: (chunk: Buffer) => void;
}

/** A plugin's command, and the directory it runs in. */
export interface PluginCommand extends ProgramCommand {
  readonly cwd: string;
}

/** The command for a plugin, in the official host's order: a policy pack is told its directory last, any other plugin first. */
export function pluginCommand(request: RunPluginRequest, env: NodeJS.ProcessEnv): PluginCommand {
  const info = request.getInfo();
  if (info === undefined) throw new Error("The engine sent no program information: this stand-in needs a Pulumi CLI of 3.259 or near it.");
  const directory = info.getProgramDirectory();
  const options = parseNodeOptions(info.getOptions()?.toJavaScript() ?? {});
  const isPolicyPack = request.getKind() === ANALYZER;
  const module = isPolicyPack ? POLICY_PACK_MODULE : (env["PULUMI_LANGUAGE_NODEJS_RUN_PATH"] ?? PLUGIN_MODULE);
  const script = locateRunScript(directory, module, `npm install in ${directory}`);
  const own = isPolicyPack ? [...request.getArgsList(), directory] : [directory, ...request.getArgsList()];
  return {
    // Behind the script, where the official host puts them as well: for a plugin they are arguments of the script, not of node.
    args: [script, ...splitWords(options.nodeargs), ...own],
    cwd: isPolicyPack ? directory : request.getPwd(),
    env: {
      ...environmentOf(request.getEnvList(), env),
      ...(options.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
      ...(options.tsconfig === undefined ? {} : { PULUMI_NODEJS_TSCONFIG_PATH: options.tsconfig }),
    },
  };
}

/** What a policy pack is told of the stack, in the names that the SDK reads. */
export function stackEnvironment(configuration: AnalyzerStackConfigureRequest | undefined): Record<string, string> {
  if (configuration === undefined) return {};
  const values = {
    PULUMI_NODEJS_ORGANIZATION: configuration.getOrganization(),
    PULUMI_NODEJS_PROJECT: configuration.getProject(),
    PULUMI_NODEJS_STACK: configuration.getStack(),
    PULUMI_NODEJS_DRY_RUN: String(configuration.getDryRun()),
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(configuration.getConfigMap().toArray())),
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}

/**
 * Runs a plugin written in Node until it ends or `cancel` says so, which is how an engine stops one. For a policy pack the engine talks to a
 * {@link PolicyProxy}, whose port it is told instead of the pack's.
 * @throws Error when it cannot be run, or ends with another code than 0 without being cancelled
 */
export async function runPlugin(
  request: RunPluginRequest,
  env: NodeJS.ProcessEnv,
  output: PluginOutput,
  cancel: AbortSignal,
): Promise<void> {
  const command = pluginCommand(request, env);
  if (request.getKind() !== ANALYZER) {
    const child = start(command, output);
    child.stdout?.on("data", output.stdout);
    await ended(child, cancel);
    return;
  }
  const proxy = await PolicyProxy.start();
  const onCancel = (): void => proxy.close(new Error("the engine has ended the policy pack"));
  cancel.addEventListener("abort", onCancel, { once: true });
  try {
    output.stdout(Buffer.from(`${proxy.port}\n`));
    const configuration = await proxy.configuration;
    if (cancel.aborted) return;
    const child = start({ ...command, env: { ...command.env, ...stackEnvironment(configuration) } }, output);
    const running = ended(child, cancel);
    try {
      await Promise.race([attach(proxy, child, output), running]);
    } catch (error) {
      interrupt(child);
      await running.catch(() => undefined);
      throw error;
    }
    await running;
  } catch (error) {
    proxy.fail(error instanceof Error ? error : new Error(String(error)));
    throw error;
  } finally {
    cancel.removeEventListener("abort", onCancel);
    proxy.close(new Error("the policy pack has ended"));
  }
}

function start({ args, cwd, env }: PluginCommand, { stderr }: PluginOutput): ChildProcess {
  const child = spawn("node", [...args], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  child.stderr.on("data", stderr);
  return child;
}

/** Reads the pack's port from its first line, and hands what follows on. Never resolves when it ends before that. */
async function attach(proxy: PolicyProxy, child: ChildProcess, { stdout }: PluginOutput): Promise<void> {
  const port = await new Promise<number>((resolve, reject) => {
    let first = "";
    const onData = (chunk: Buffer): void => {
      first += chunk.toString("latin1");
      const end = first.indexOf("\n");
      if (end === -1) return;
      child.stdout?.off("data", onData);
      child.stdout?.on("data", stdout);
      const line = first.slice(0, end).trim();
      if (/^\d+$/.test(line)) resolve(Number(line));
      else reject(new Error(`could not read policy pack port: its first line is ${JSON.stringify(line)}`));
      const rest = Buffer.from(first.slice(end + 1), "latin1");
      if (rest.length > 0) stdout(rest);
    };
    child.stdout?.on("data", onData);
  });
  await proxy.attach(port);
}

/** Waits for a plugin. @throws Error when it ends in another way than with code 0 or by being cancelled */
async function ended(child: ChildProcess, cancel: AbortSignal): Promise<void> {
  const onCancel = (): void => interrupt(child);
  cancel.addEventListener("abort", onCancel, { once: true });
  if (cancel.aborted) onCancel();
  try {
    const result = await outcome(child);
    if (cancel.aborted) return;
    if (result instanceof Error) {
      const reason = (result as NodeJS.ErrnoException).code === "ENOENT" ? "could not find node on the $PATH" : result.message;
      throw new Error(`Problem executing plugin program (could not run language executor): ${reason}`);
    }
    if (result.code !== 0) {
      const how = result.code === null ? `-1 (ended by ${String(result.signal)})` : String(result.code);
      throw new Error(`Program exited with non-zero exit code: ${how}`);
    }
  } finally {
    cancel.removeEventListener("abort", onCancel);
  }
}

/** The engine sends its whole environment; where it sends none, the host's own is taken. The last of two entries counts. */
function environmentOf(list: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  if (list.length === 0)
    return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
  return Object.fromEntries(
    list.map((entry) => {
      const at = entry.indexOf("=", 1);
      return at === -1 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}
