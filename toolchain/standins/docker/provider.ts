import type * as grpc from "@grpc/grpc-js";
import * as proto from "@pulumi/pulumi/proto/provider_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import type Docker from "dockerode";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { unary, unimplementedError } from "../shared/rpc";
import { decodeProperties, encodeProperties, type Properties } from "../shared/values";
import { connect } from "./client";
import { configProblems, readConfig, type ProviderConfig } from "./config";
import { engineLog } from "../shared/engine-log";
import { handlerFor, type Handler } from "./handlers";
import { initializationFailed } from "./init-failed";
import { InitializationError, type Operation, operationTimeout } from "./resource";

/** The version of the official plugin whose behaviour this is. */
export const VERSION = "5.2.0";

const ANNOUNCEMENT =
  `docker: using this project's stand-in for the official plugin ${VERSION}, which could not be downloaded. ` +
  "It builds images with Docker's classic builder instead of BuildKit and refuses what it leaves out.";

/** A provider plugin's service. */
export interface Provider {
  readonly service: grpc.UntypedServiceImplementation;
  /** Ends what is running: waits stop, and what exists by then goes into the state. */
  readonly cancel: () => void;
}

/** The docker provider. @param engineAddress host:port of the engine, for log lines. */
export function dockerProvider(engineAddress: string | undefined): Provider {
  const log = engineLog(engineAddress);
  const cancellation = new AbortController();
  let config: ProviderConfig | undefined;
  let connection: Promise<Docker> | undefined;

  const operation = async (urn: string, timeoutSeconds: number): Promise<Operation> => {
    if (config === undefined) throw new Error("The docker provider was not configured");
    connection ??= connect(config);
    const seconds = operationTimeout(typeOf(urn), timeoutSeconds);
    const signals = [cancellation.signal, ...(seconds === undefined ? [] : [AbortSignal.timeout(seconds * 1000)])];
    return {
      docker: await connection,
      signal: AbortSignal.any(signals),
      registryAuth: config.registryAuth,
      log: (severity, message, status) => log.write(severity, urn, message, status),
    };
  };

  const service: grpc.UntypedServiceImplementation = {
    getPluginInfo: unary(() => Promise.resolve(new PluginInfo().setVersion(VERSION))),
    getSchema: unary(() => Promise.reject(unimplementedError("GetSchema", "docker plugin"))),
    attach: unary(() => Promise.resolve(new Empty())),
    cancel: unary(() => {
      cancellation.abort(new Error("the update was cancelled"));
      return Promise.resolve(new Empty());
    }),
    checkConfig: unary((request: proto.CheckRequest) => {
      const response = new proto.CheckResponse().setInputs(request.getNews());
      return Promise.resolve(response.setFailuresList(failuresOf(configProblems(decodeProperties(request.getNews())))));
    }),
    diffConfig: unary(() => Promise.resolve(new proto.DiffResponse())),
    configure: unary(async (request: proto.ConfigureRequest) => {
      config = await readConfig(settingsOf(request));
      // As the official plugin: an unreachable Docker is an error before anything is planned.
      connection = connect(config);
      await connection;
      log.write("info", "", ANNOUNCEMENT);
      return new proto.ConfigureResponse().setSupportspreview(true).setSupportsAutonamingConfiguration(true);
    }),
    invoke: unary((request: proto.InvokeRequest) => Promise.reject(unimplementedError(`Function ${request.getTok()}`, "docker plugin"))),
    check: unary(async (request: proto.CheckRequest) => {
      const handler = handlerOf(request.getUrn());
      const { inputs, failures, note } = await handler.check(request);
      if (note !== undefined) log.write("info", request.getUrn(), note);
      return new proto.CheckResponse().setInputs(encodeProperties(inputs)).setFailuresList(failuresOf(failures));
    }),
    diff: unary((request: proto.DiffRequest) => Promise.resolve(handlerOf(request.getUrn()).diff(request))),
    create: unary(async (request: proto.CreateRequest) => {
      const handler = handlerOf(request.getUrn());
      const inputs = decodeProperties(request.getProperties());
      if (request.getPreview()) {
        const outputs = await handler.previewCreate(inputs, () => operation(request.getUrn(), request.getTimeout()));
        return new proto.CreateResponse().setProperties(encodeProperties(outputs));
      }
      return await initialising(`creating ${request.getUrn()}`, inputs, async () => {
        const { id, outputs } = await handler.create(inputs, await operation(request.getUrn(), request.getTimeout()));
        return new proto.CreateResponse().setId(id).setProperties(encodeProperties(outputs));
      });
    }),
    update: unary(async (request: proto.UpdateRequest) => {
      const handler = handlerOf(request.getUrn());
      const [olds, news] = [decodeProperties(request.getOlds()), decodeProperties(request.getNews())];
      const start = (): Promise<Operation> => operation(request.getUrn(), request.getTimeout());
      const outputs = request.getPreview()
        ? await handler.previewUpdate(olds, news, start)
        : await handler.update(request.getId(), olds, news, await start());
      return new proto.UpdateResponse().setProperties(encodeProperties(outputs));
    }),
    read: unary(async (request: proto.ReadRequest) => {
      const handler = handlerOf(request.getUrn());
      const found = await handler.read(request, await operation(request.getUrn(), 0));
      if (found === undefined) return new proto.ReadResponse();
      const response = new proto.ReadResponse().setId(found.id).setProperties(encodeProperties(found.outputs));
      return response.setInputs(encodeProperties(found.inputs));
    }),
    delete: unary(async (request: proto.DeleteRequest) => {
      const state = { id: request.getId(), outputs: decodeProperties(request.getProperties()) };
      await handlerOf(request.getUrn()).delete(state, await operation(request.getUrn(), request.getTimeout()));
      return new Empty();
    }),
  };
  return { service, cancel: () => cancellation.abort(new Error("the plugin was asked to end")) };
}

function settingsOf(request: proto.ConfigureRequest): Properties {
  const args = decodeProperties(request.getArgs());
  if (Object.keys(args).length > 0) return args;
  return Object.fromEntries(
    request
      .getVariablesMap()
      .getEntryList()
      .map(([key, value]) => [key.replace("docker:config:", ""), value]),
  );
}

function handlerOf(urn: string): Handler {
  return handlerFor(typeOf(urn));
}

function typeOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

function failuresOf(failures: readonly { property: string; reason: string }[]): proto.CheckFailure[] {
  return failures.map(({ property, reason }) => new proto.CheckFailure().setProperty(property).setReason(reason));
}

/** Turns a resource that exists and did not come up into the error with which the engine keeps it in the state. */
async function initialising<T>(what: string, inputs: Properties, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof InitializationError) throw initializationFailed(`${what}: ${error.message}`, error.message, error.state, inputs);
    throw error;
  }
}
