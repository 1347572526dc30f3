import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";

import type * as grpc from "@grpc/grpc-js";
import type { ILanguageRuntimeServer } from "@pulumi/pulumi/proto/language_grpc_pb";
import * as language from "@pulumi/pulumi/proto/language_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { version } from "@pulumi/pulumi/version";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";

import { toRpcError, unary, unimplemented, unimplementedError } from "../shared/rpc";
import { installDependencies, listDependencies, resolvePackageManager } from "./dependencies";
import { parseNodeOptions, type NodeOptions } from "./options";
import { runPlugin } from "./plugin";
import { programCommand, runProgram } from "./program";

const OFFICIAL = "pulumi-language-nodejs (it comes with the Pulumi CLI)";

/** What a language host needs from its process. */
export interface HostSurroundings {
  /** host:port of the engine; an engine that attaches sends it with Handshake. */
  readonly engineAddress: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** A language host: its gRPC service, and the means to end the programs it runs. */
export interface LanguageHost {
  readonly service: ILanguageRuntimeServer;
  readonly cancel: () => void;
}

/**
 * The language host stand-in for Node programs.
 *
 * `GetRequiredPackages` answers with an empty list, unlike the official host, which reports every `@pulumi/*` package below node_modules: where
 * this stand-in is used nothing can be downloaded, and the engine looks a provider plugin up by itself when the first resource needs it.
 */
export function languageHost(around: HostSurroundings): LanguageHost {
  let engineAddress = around.engineAddress;
  const cancelled = new AbortController();

  /** Policy packs and plugins written in Node; the engine ends one by hanging up. */
  const plugin = async (call: PluginCall): Promise<void> => {
    const hungUp = new AbortController();
    call.on("cancelled", () => hungUp.abort());
    try {
      if (call.request.getAttachDebugger()) throw unimplementedError("Attaching a debugger", OFFICIAL);
      const output = {
        stdout: (chunk: Buffer): void => void call.write(new language.RunPluginResponse().setStdout(chunk)),
        stderr: (chunk: Buffer): void => void call.write(new language.RunPluginResponse().setStderr(chunk)),
      };
      await runPlugin(call.request, around.env, output, AbortSignal.any([cancelled.signal, hungUp.signal]));
      call.end();
    } catch (error) {
      call.emit("error", toRpcError(error));
    }
  };

  const service = {
    handshake: unary<language.LanguageHandshakeRequest, language.LanguageHandshakeResponse>((request) => {
      engineAddress = request.getEngineAddress();
      return Promise.resolve(new language.LanguageHandshakeResponse());
    }),
    getPluginInfo: unary<Empty, PluginInfo>(() => Promise.resolve(new PluginInfo().setVersion(version))),
    getRequiredPackages: unary<language.GetRequiredPackagesRequest, language.GetRequiredPackagesResponse>(() =>
      Promise.resolve(new language.GetRequiredPackagesResponse()),
    ),
    getProgramDependencies: unary(getProgramDependencies),
    about: unary(about),
    runtimeOptionsPrompts: unary(runtimeOptionsPrompts),
    template: unary<language.TemplateRequest, language.TemplateResponse>(() => Promise.resolve(new language.TemplateResponse())),
    installDependencies: (call: InstallCall) => void install(call),
    run: unary<language.RunRequest, language.RunResponse>(async (request, call) => {
      if (request.getAttachDebugger()) throw unimplementedError("Attaching a debugger", OFFICIAL);
      if (engineAddress === undefined) throw new Error("when debugging or running explicitly, must call Handshake before Run");
      // A program ends with its request too: an engine that goes away closes the connection.
      const ended = new AbortController();
      call.on("cancelled", () => ended.abort());
      const cancel = AbortSignal.any([cancelled.signal, ended.signal]);
      let command;
      try {
        command = programCommand(request, engineAddress, around.env);
      } catch (error) {
        return new language.RunResponse().setError(toRpcError(error).message);
      }
      const result = await runProgram(command, { ...around, engineAddress }, cancel);
      return new language.RunResponse().setError(result.error).setBail(result.bail);
    }),
    cancel: unary<Empty, Empty>(() => {
      cancelled.abort();
      return Promise.resolve(new Empty());
    }),
    // The official host answers this one so as well: GetRequiredPackages took its place.
    getRequiredPlugins: unimplemented("GetRequiredPlugins", OFFICIAL),
    runPlugin: (call: PluginCall) => void plugin(call),
    generateProgram: unimplemented("GenerateProgram", OFFICIAL),
    generateProject: unimplemented("GenerateProject", OFFICIAL),
    generatePackage: unimplemented("GeneratePackage", OFFICIAL),
    pack: unimplemented("Pack", OFFICIAL),
    link: unimplemented("Link", OFFICIAL),
  } satisfies Partial<ILanguageRuntimeServer>;

  return { service: service, cancel: () => cancelled.abort() };
}

interface HasInfo {
  getInfo(): language.ProgramInfo | undefined;
}

function programInfo(request: HasInfo): { directory: string; options: NodeOptions } {
  const info = request.getInfo();
  if (info === undefined) throw new Error("The engine sent no program information: this stand-in needs a Pulumi CLI of 3.259 or near it.");
  return { directory: info.getProgramDirectory(), options: parseNodeOptions(info.getOptions()?.toJavaScript() ?? {}) };
}

async function getProgramDependencies(request: language.GetProgramDependenciesRequest): Promise<language.GetProgramDependenciesResponse> {
  const { directory } = programInfo(request);
  const dependencies = await listDependencies(directory, request.getTransitivedependencies());
  return new language.GetProgramDependenciesResponse().setDependenciesList(
    dependencies.map(({ name, version: installed }) => new language.DependencyInfo().setName(name).setVersion(installed)),
  );
}

async function about(request: language.AboutRequest): Promise<language.AboutResponse> {
  const { directory, options } = programInfo(request);
  const manager = await resolvePackageManager(options, directory);
  const { stdout } = await promisify(execFile)("node", ["-p", "JSON.stringify([process.execPath, process.version])"]);
  const [executable, nodeVersion] = JSON.parse(stdout) as [string, string];
  const response = new language.AboutResponse().setExecutable(executable).setVersion(nodeVersion);
  response.getMetadataMap().set("packagemanager", manager);
  const typescript = installedVersion(directory, "typescript");
  if (typescript !== undefined) response.getMetadataMap().set("typescriptVersion", typescript);
  return response;
}

/** The version of a package as the program would load it; undefined where it is not installed. */
function installedVersion(directory: string, name: string): string | undefined {
  const require = createRequire(path.join(directory, "package.json"));
  try {
    return (require(`${name}/package.json`) as { version: string }).version;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

function runtimeOptionsPrompts(request: language.RuntimeOptionsRequest): Promise<language.RuntimeOptionsResponse> {
  const response = new language.RuntimeOptionsResponse();
  if (request.getInfo()?.getOptions()?.toJavaScript().packagemanager !== undefined) return Promise.resolve(response);
  const STRING = language.RuntimeOptionPrompt.RuntimeOptionType.STRING;
  const choice = (name: string): language.RuntimeOptionPrompt.RuntimeOptionValue =>
    new language.RuntimeOptionPrompt.RuntimeOptionValue().setPrompttype(STRING).setStringvalue(name).setDisplayname(name);
  const prompt = new language.RuntimeOptionPrompt()
    .setKey("packagemanager")
    .setDescription("The package manager to use for installing dependencies")
    .setPrompttype(STRING)
    .setChoicesList(["npm", "pnpm", "yarn", "bun"].map(choice))
    .setDefault(choice("npm"));
  return Promise.resolve(response.setPromptsList([prompt]));
}

type PluginCall = grpc.ServerWritableStream<language.RunPluginRequest, language.RunPluginResponse>;
type InstallCall = grpc.ServerWritableStream<language.InstallDependenciesRequest, language.InstallDependenciesResponse>;

async function install(call: InstallCall): Promise<void> {
  try {
    const { directory, options } = programInfo(call.request);
    await installDependencies(directory, options, {
      stdout: (chunk) => call.write(new language.InstallDependenciesResponse().setStdout(chunk)),
      stderr: (chunk) => call.write(new language.InstallDependenciesResponse().setStderr(chunk)),
    });
    call.end();
  } catch (error) {
    call.emit("error", toRpcError(error));
  }
}
