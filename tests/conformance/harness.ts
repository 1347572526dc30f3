import type { ChildProcess } from "node:child_process";

import * as grpc from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as proto from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";

import { clientOptions, listen, unary } from "../../toolchain/standins/shared/rpc";
import { decodeProperties, encodeProperties, type Properties } from "../../toolchain/standins/shared/values";
import { revealWire } from "./wire";
import { initializationFailure, type InitializationFailure } from "./init-failure";
import { launchPlugin } from "./launch";

export { underTest } from "./launch";

/** What a property's change is, as in the engine's protocol. */
export type DiffKind = "add" | "add-replace" | "delete" | "delete-replace" | "update" | "update-replace";
const diffKinds: readonly DiffKind[] = ["add", "add-replace", "delete", "delete-replace", "update", "update-replace"];

/** The answer to Diff, in plain values. */
export interface Diff {
  readonly changes: "unknown" | "none" | "some";
  /** Top-level properties that force a replacement, sorted. */
  readonly replaces: readonly string[];
  /** Property path → what happens to it. */
  readonly detailed: Readonly<Record<string, DiffKind>>;
  readonly deleteBeforeReplace: boolean;
}

/** A resource's answer to Create or Read. Secret outputs are `Secret` values. */
export interface ResourceState {
  readonly id: string;
  readonly outputs: Properties;
}

/** A line that the plugin logged through the engine. */
export interface LogLine {
  readonly severity: "debug" | "info" | "warning" | "error";
  readonly message: string;
}
const severities: readonly LogLine["severity"][] = ["debug", "info", "warning", "error"];

/**
 * A provider plugin that a test speaks to as the engine would, in its own process.
 *
 * The same cases run on the stand-in and on the official plugin, so they state what the official one does. Property values are plain:
 * `UNKNOWN`, `new Secret(…)`, strings, lists, objects; what official plugins note for themselves in the state (keys beginning with `__`) is left out.
 */
export class Plugin {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #client: ResourceProviderClient;
  readonly #engine: grpc.Server;
  readonly logs: LogLine[];
  #takesSecrets = false;
  readonly #answers = new WeakMap<Properties, Struct>();

  private constructor(name: string, child: ChildProcess, client: ResourceProviderClient, engine: grpc.Server, logs: LogLine[]) {
    this.#name = name;
    this.#process = child;
    this.#client = client;
    this.#engine = engine;
    this.logs = logs;
  }

  /** Starts the plugin under test and configures it. `config` are the provider's own settings, such as `host` for docker. */
  static async start(name: string, config: Properties = {}): Promise<Plugin> {
    const logs: LogLine[] = [];
    const log = unary<LogRequest, Empty>((request) => {
      logs.push({ severity: severities[request.getSeverity()]!, message: request.getMessage() });
      return Promise.resolve(new Empty());
    });
    const { server: engine, port } = await listen((server) => server.addService({ log: EngineService.log }, { log }));
    const { child, port: pluginPort } = await launchPlugin(name, `127.0.0.1:${port}`);
    const client = new ResourceProviderClient(`127.0.0.1:${pluginPort}`, grpc.credentials.createInsecure(), clientOptions);
    const plugin = new Plugin(name, child, client, engine, logs);
    try {
      await plugin.#configure(config);
    } catch (error) {
      // A plugin that refuses its configuration must not keep the test process alive.
      await plugin.stop();
      throw error;
    }
    return plugin;
  }

  /** Ends the plugin; resolves once its process is gone. */
  async stop(): Promise<void> {
    this.#client.close();
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const gone = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGTERM");
      await gone;
    }
    this.#engine.forceShutdown();
  }

  async #configure(config: Properties): Promise<void> {
    const args = encodeProperties(config);
    const check = new proto.CheckRequest().setUrn(this.#urn(`pulumi:providers:${this.#name}`, "test")).setNews(args);
    const checked = await call<proto.CheckResponse>((done) => this.#client.checkConfig(check, done));
    const failures = checked.getFailuresList().map((failure) => `${failure.getProperty()}: ${failure.getReason()}`);
    if (failures.length > 0) throw new Error(`CheckConfig: ${failures.join("; ")}`);
    const request = new proto.ConfigureRequest()
      .setArgs(checked.getInputs() ?? args)
      .setAcceptsecrets(true)
      .setAcceptresources(true)
      .setSendsOldInputs(true)
      .setSendsOldInputsToDelete(true);
    for (const [key, value] of Object.entries(config)) {
      request.getVariablesMap().set(`${this.#name}:config:${key}`, typeof value === "string" ? value : JSON.stringify(value));
    }
    const configured = await call<proto.ConfigureResponse>((done) => this.#client.configure(request, done));
    this.#takesSecrets = configured.getAcceptsecrets();
  }

  /**
   * Properties as the engine sends them: what a plugin answered goes back as it was, with the notes it made for itself (keys beginning with `__`),
   * and without secret marks to a plugin that has said no to them.
   */
  #encode(properties: Properties): Struct {
    const answered = this.#answers.get(properties);
    const wire = answered ?? encodeProperties(properties);
    return this.#takesSecrets ? wire : Struct.fromJavaScript(revealWire(wire.toJavaScript()) as Record<string, string>);
  }

  #decode(struct: Struct | undefined): Properties {
    const properties = decodeProperties(struct);
    if (struct !== undefined) this.#answers.set(properties, struct);
    return properties;
  }

  #urn(type: string, name: string): string {
    return `urn:pulumi:test::conformance::${type}::${name}`;
  }

  /** Check: the inputs with what the provider fills in, and the failures as "property: reason". */
  async check(type: string, news: Properties, olds: Properties = {}): Promise<{ inputs: Properties; failures: string[] }> {
    const request = new proto.CheckRequest()
      .setUrn(this.#urn(type, "test"))
      .setOlds(this.#encode(olds))
      .setNews(this.#encode(news))
      .setRandomseed(new Uint8Array(32).fill(7));
    const response = await call<proto.CheckResponse>((done) => this.#client.check(request, done));
    return {
      inputs: this.#decode(response.getInputs()),
      failures: response
        .getFailuresList()
        .map((failure) => [failure.getProperty(), failure.getReason()].filter((part) => part !== "").join(": ")),
    };
  }

  /** Check, for inputs that have to be right. */
  async checked(type: string, news: Properties): Promise<Properties> {
    const { inputs, failures } = await this.check(type, news);
    if (failures.length > 0) throw new Error(`${type} refuses ${JSON.stringify(news)}: ${failures.join("; ")}`);
    return inputs;
  }

  /** Check and Diff of new inputs against a state, as the engine does in every update. `oldInputs` are the inputs of the last update, unchecked. */
  async diff(
    type: string,
    state: ResourceState,
    oldInputs: Properties,
    newInputs: Properties,
    options: { ignoreChanges?: readonly string[] } = {},
  ): Promise<Diff> {
    const request = new proto.DiffRequest()
      .setId(state.id)
      .setUrn(this.#urn(type, "test"))
      .setOlds(this.#encode(state.outputs))
      .setOldInputs(this.#encode(await this.checked(type, oldInputs)))
      .setNews(this.#encode(await this.checked(type, newInputs)))
      .setIgnorechangesList([...(options.ignoreChanges ?? [])]);
    const response = await call<proto.DiffResponse>((done) => this.#client.diff(request, done));
    const detailed: Record<string, DiffKind> = {};
    response.getDetaileddiffMap().forEach((change, property) => (detailed[property] = diffKinds[change.getKind()]!));
    return {
      changes: (["unknown", "none", "some"] as const)[response.getChanges()],
      replaces: [...new Set(response.getReplacesList())].sort(),
      detailed,
      deleteBeforeReplace: response.getDeletebeforereplace(),
    };
  }

  /** Check and Create. In a preview outputs that are not known yet are `UNKNOWN`, or absent. */
  async create(type: string, inputs: Properties, options: { preview?: boolean; timeoutSeconds?: number } = {}): Promise<ResourceState> {
    const request = new proto.CreateRequest()
      .setUrn(this.#urn(type, "test"))
      .setProperties(this.#encode(await this.checked(type, inputs)))
      .setPreview(options.preview ?? false)
      .setTimeout(options.timeoutSeconds ?? 0);
    const response = await call<proto.CreateResponse>((done) => this.#client.create(request, done));
    return { id: response.getId(), outputs: this.#decode(response.getProperties()) };
  }

  /** Check and Update in place. */
  async update(
    type: string,
    state: ResourceState,
    oldInputs: Properties,
    newInputs: Properties,
    options: { preview?: boolean; timeoutSeconds?: number } = {},
  ): Promise<ResourceState> {
    const request = new proto.UpdateRequest()
      .setId(state.id)
      .setUrn(this.#urn(type, "test"))
      .setOlds(this.#encode(state.outputs))
      .setOldInputs(this.#encode(await this.checked(type, oldInputs)))
      .setNews(this.#encode(await this.checked(type, newInputs)))
      .setPreview(options.preview ?? false)
      .setTimeout(options.timeoutSeconds ?? 0);
    const response = await call<proto.UpdateResponse>((done) => this.#client.update(request, done));
    return { id: state.id, outputs: this.#decode(response.getProperties()) };
  }

  /** Read: refresh when a state is given, import when only the id is; undefined when there is no such resource any more. */
  async read(
    type: string,
    id: string,
    state?: ResourceState,
    inputs?: Properties,
  ): Promise<(ResourceState & { inputs: Properties }) | undefined> {
    const request = new proto.ReadRequest()
      .setId(id)
      .setUrn(this.#urn(type, "test"))
      .setProperties(this.#encode(state?.outputs ?? {}));
    if (inputs !== undefined) request.setInputs(this.#encode(await this.checked(type, inputs)));
    const response = await call<proto.ReadResponse>((done) => this.#client.read(request, done));
    if (response.getId() === "") return undefined;
    return { id: response.getId(), outputs: this.#decode(response.getProperties()), inputs: this.#decode(response.getInputs()) };
  }

  /** Delete. */
  async delete(type: string, state: ResourceState, inputs: Properties, options: { timeoutSeconds?: number } = {}): Promise<void> {
    const request = new proto.DeleteRequest()
      .setId(state.id)
      .setUrn(this.#urn(type, "test"))
      .setProperties(this.#encode(state.outputs))
      .setOldInputs(this.#encode(inputs))
      .setTimeout(options.timeoutSeconds ?? 0);
    await call((done) => this.#client.delete(request, done));
  }

  /** Invoke, as data sources are. */
  async invoke(token: string, args: Properties): Promise<{ result: Properties; failures: string[] }> {
    const request = new proto.InvokeRequest().setTok(token).setArgs(this.#encode(args));
    const response = await call<proto.InvokeResponse>((done) => this.#client.invoke(request, done));
    return {
      result: this.#decode(response.getReturn()),
      failures: response.getFailuresList().map((failure) => `${failure.getProperty()}: ${failure.getReason()}`),
    };
  }

  /** Asks the plugin to end what it is doing, as the engine does on Ctrl-C. */
  async cancel(): Promise<void> {
    await call((done) => this.#client.cancel(new Empty(), done));
  }

  /** The plugin's version. */
  async version(): Promise<string> {
    return (await call<{ getVersion(): string }>((done) => this.#client.getPluginInfo(new Empty(), done))).getVersion();
  }
}

/** A call that failed: the message, and the resource that exists although it could not be initialised (kept in the state by the engine). */
export class PluginError extends Error {
  readonly code: grpc.status;
  readonly initialization: InitializationFailure | undefined;

  constructor(error: grpc.ServiceError) {
    super(error.details);
    this.name = "PluginError";
    this.code = error.code;
    this.initialization = initializationFailure(error);
  }
}

function call<Response>(start: (done: (error: grpc.ServiceError | null, response: Response) => void) => void): Promise<Response> {
  return new Promise((resolve, reject) => {
    start((error, response) => (error === null ? resolve(response) : reject(new PluginError(error))));
  });
}
