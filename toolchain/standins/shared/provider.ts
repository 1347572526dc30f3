import type * as grpc from "@grpc/grpc-js";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as proto from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";

import { engineLog } from "./engine-log";
import { parsePluginArguments, runPluginProcess } from "./plugin-process";
import { unary, unimplementedError } from "./rpc";
import { decodeProperties, encodeProperties, type Properties } from "./values";

/** What is wrong with an input: the property ("" for the resource as a whole) and one sentence. */
export interface Failure {
  readonly property: string;
  readonly reason: string;
}

/** What new inputs mean for a resource. */
export interface Decision {
  /** Properties that change; none is "no changes". */
  readonly changed: readonly string[];
  /** Those of them that need a new resource in place of the old one. */
  readonly replaces: readonly string[];
}

/** A resource as the state keeps it. */
export interface State {
  readonly id: string;
  readonly outputs: Properties;
}

/**
 * What one resource type does for each call of the engine. Inputs are without secret marks: these providers tell the engine that they take none, so that
 * it marks every output of the same name by itself; further secret outputs are returned as `Secret`.
 */
export interface ResourceType {
  /** Problems of the inputs. The engine then works with the inputs as they are: defaults belong to `create`, as in the plugins followed here. */
  check(inputs: Properties): readonly Failure[] | Promise<readonly Failure[]>;
  /** @param olds the outputs in the state @returns undefined to leave it to the engine, which compares the inputs */
  diff(olds: Properties, news: Properties): Decision | undefined;
  /** Outputs that a preview can tell, `UNKNOWN` for the others. */
  previewCreate(inputs: Properties): Properties | Promise<Properties>;
  /** Absent where resources are only previewed. */
  create?(inputs: Properties): Promise<State>;
  /** The outputs after an update in place, which is where `diff` names changes and no replacement. Previews use it as well. */
  update(olds: Properties, news: Properties): Properties;
  /** The inputs and outputs that an import of `id` writes; absent where that is not possible. @throws Error for an id of the wrong form */
  import?(id: string): Promise<State & { readonly inputs: Properties }>;
}

/** A provider stand-in: what differs from one to the next. */
export interface ProviderDefinition {
  /** As in `pulumi-resource-NAME`. */
  readonly name: string;
  /** The version of the official plugin whose behaviour this is. */
  readonly version: string;
  /** Shown once per update, so that nobody takes this for the official plugin. One line. */
  readonly announcement: string;
  /** The resource type of a token such as `random:index/randomId:RandomId`. @throws Error for one that is left out */
  resourceType(token: string): ResourceType | Promise<ResourceType>;
  /** Why resources are only previewed, as one sentence; every change, refresh and import is refused with it. */
  readonly previewOnly?: string;
}

/** The gRPC service of a provider stand-in. @param engineAddress host:port of the engine, for the announcement. */
export function providerService(definition: ProviderDefinition, engineAddress: string | undefined): grpc.UntypedServiceImplementation {
  const log = engineLog(engineAddress);
  const official = `${definition.name} plugin`;
  const resourceType = (request: HasUrn): Promise<ResourceType> => Promise.resolve(definition.resourceType(tokenOf(request.getUrn())));
  const refuseChanges = (): void => {
    if (definition.previewOnly !== undefined) throw new Error(definition.previewOnly);
  };
  let announced = false;

  return {
    getPluginInfo: unary(() => Promise.resolve(new PluginInfo().setVersion(definition.version))),
    getSchema: unary(() => Promise.reject(unimplementedError("GetSchema", official))),
    construct: unary((request: proto.ConstructRequest) => Promise.reject(unimplementedError(`Component ${request.getType()}`, official))),
    invoke: unary((request: proto.InvokeRequest) => Promise.reject(unimplementedError(`Function ${request.getTok()}`, official))),
    attach: unary(() => Promise.resolve(new Empty())),
    cancel: unary(() => Promise.resolve(new Empty())),
    checkConfig: unary((request: proto.CheckRequest) => Promise.resolve(new proto.CheckResponse().setInputs(request.getNews()))),
    diffConfig: unary(() => Promise.resolve(new proto.DiffResponse())),
    configure: unary(() => {
      // A program with several configurations of one provider still hears it once.
      if (!announced) log.write("info", "", definition.announcement);
      announced = true;
      return Promise.resolve(new proto.ConfigureResponse().setSupportspreview(true));
    }),
    check: unary(async (request: proto.CheckRequest) => {
      const failures = await (await resourceType(request)).check(decodeProperties(request.getNews()));
      return new proto.CheckResponse()
        .setInputs(request.getNews())
        .setFailuresList(failures.map(({ property, reason }) => new proto.CheckFailure().setProperty(property).setReason(reason)));
    }),
    diff: unary(async (request: proto.DiffRequest) => {
      const olds = decodeProperties(request.getOlds());
      const news = withoutIgnored(decodeProperties(request.getNews()), olds, request.getIgnorechangesList());
      const decision = (await resourceType(request)).diff(olds, news);
      const { DIFF_NONE, DIFF_SOME } = proto.DiffResponse.DiffChanges;
      if (decision === undefined) return new proto.DiffResponse();
      return new proto.DiffResponse()
        .setChanges(decision.changed.length === 0 ? DIFF_NONE : DIFF_SOME)
        .setDiffsList([...decision.changed])
        .setReplacesList([...decision.replaces]);
    }),
    create: unary(async (request: proto.CreateRequest) => {
      const type = await resourceType(request);
      const inputs = decodeProperties(request.getProperties());
      if (request.getPreview()) return new proto.CreateResponse().setProperties(encodeProperties(await type.previewCreate(inputs)));
      refuseChanges();
      if (type.create === undefined) throw unimplementedError("Create", official);
      const { id, outputs } = await type.create(inputs);
      return new proto.CreateResponse().setId(id).setProperties(encodeProperties(outputs));
    }),
    update: unary(async (request: proto.UpdateRequest) => {
      const type = await resourceType(request);
      if (!request.getPreview()) refuseChanges();
      const outputs = type.update(decodeProperties(request.getOlds()), decodeProperties(request.getNews()));
      return new proto.UpdateResponse().setProperties(encodeProperties(outputs));
    }),
    read: unary(async (request: proto.ReadRequest) => {
      const type = await resourceType(request);
      refuseChanges();
      if (Object.keys(decodeProperties(request.getProperties())).length > 0) {
        // Refresh: these resources live in the state alone, so that there is nothing to look up.
        return new proto.ReadResponse().setId(request.getId()).setProperties(request.getProperties()).setInputs(request.getInputs());
      }
      if (type.import === undefined) throw new Error("Resource Import Not Implemented: This resource does not support import.");
      const { id, outputs, inputs } = await type.import(request.getId());
      return new proto.ReadResponse().setId(id).setProperties(encodeProperties(outputs)).setInputs(encodeProperties(inputs));
    }),
    delete: unary(async (request: proto.DeleteRequest) => {
      await resourceType(request);
      refuseChanges();
      return new Empty();
    }),
  };
}

/** Runs a provider stand-in as the plugin process that the engine started; what its `main.ts` is made of. */
export function runProvider(definition: ProviderDefinition): void {
  const { engineAddress, version } = parsePluginArguments(process.argv.slice(2));
  if (version) {
    process.stdout.write(`${definition.version}\n`);
    return;
  }
  const service = providerService(definition, engineAddress);
  runPluginProcess({
    register: (server) => server.addService(ResourceProviderService, service),
    engineAddress,
    stop: () => undefined,
  }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    process.stderr.write(`The ${definition.name} provider stand-in could not start: ${reason}\n`);
    process.exitCode = 1;
  });
}

interface HasUrn {
  getUrn(): string;
}

/** The resource type in a URN: the last of the types, which are the component parents' and its own. */
export function tokenOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

/** New inputs with the state's value for each ignored property: the engine put the old *input* there, which a drift has made wrong. */
function withoutIgnored(news: Properties, olds: Properties, ignored: readonly string[]): Properties {
  const kept: Properties = { ...news };
  for (const path of ignored) {
    const name = path.split(/[.[]/)[0] ?? path;
    const old = olds[name];
    if (old === undefined) Reflect.deleteProperty(kept, name);
    else kept[name] = old;
  }
  return kept;
}
