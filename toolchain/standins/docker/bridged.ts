import * as proto from "@pulumi/pulumi/proto/provider_pb";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { decodeProperties, type Properties, type PropertyValue } from "../shared/values";
import type { Handler } from "./handlers";
import { withoutGaps, type Resource } from "./resource";
import { check, type Autonaming } from "./schema/check";
import { decide, type Change } from "./schema/diff";
import type { ResourceSchema } from "./schema/fields";
import { importedInputs, plannedOutputs, refreshedInputs, updatedOutputs } from "./schema/plan";

/** A resource type of the official plugin's bridged part: decisions by schema, work by `resource`. */
export function bridged(schema: ResourceSchema, resource: Resource): Handler {
  const stored = (outputs: Properties): Properties => withMeta(schema, outputs);
  return {
    check(request) {
      const { inputs, defaults, failures } = check(schema, decodeProperties(request.getNews()), {
        resourceName: request.getName() || (request.getUrn().split("::").at(-1) ?? ""),
        olds: decodeProperties(request.getOlds()),
        randomSeed: request.getRandomseed_asU8(),
        autonaming: autonamingOf(request),
      });
      // The official plugin notes here what it filled in; with it either plugin keeps the names that the other made.
      return Promise.resolve({ inputs: { ...inputs, __defaults: [...defaults] }, failures });
    },

    diff(request) {
      const news = decodeProperties(request.getNews());
      const olds = decodeProperties(request.getOlds());
      const ignored = new Set(request.getIgnorechangesList().map((path) => path.split(/[.[]/)[0] ?? path));
      for (const key of ignored) assign(news, key, olds[key]);
      return diffResponse(schema, olds, news, notedDefaults(request.getNews()));
    },

    previewCreate: (inputs) => Promise.resolve(plannedOutputs(schema, inputs)),

    async create(inputs, operation) {
      const { id, outputs } = await resource.create(inputs, operation);
      return { id, outputs: stored(outputs) };
    },

    previewUpdate: (olds, news) => Promise.resolve(updatedOutputs(schema, olds, news)),

    async update(id, olds, news, operation) {
      const outputs = updatedOutputs(schema, olds, news);
      return stored(resource.update === undefined ? outputs : await resource.update(id, olds, outputs, operation));
    },

    async read(request, operation) {
      const prior = decodeProperties(request.getProperties());
      const isImport = Object.keys(prior).length === 0;
      if (isImport && resource.importRefused !== undefined) throw new Error(resource.importRefused);
      const found = await resource.read({ id: request.getId(), outputs: prior }, operation);
      if (found === undefined) return undefined;
      const inputs = decodeProperties(request.getInputs());
      return {
        id: found.id,
        outputs: stored(found.outputs),
        inputs: isImport
          ? { ...importedInputs(schema, withoutGaps(found.outputs)), __defaults: [] }
          : { ...refreshedInputs(schema, inputs, withoutGaps(found.outputs)), __defaults: notedDefaults(request.getInputs()) ?? [] },
      };
    },

    delete: (state, operation) => resource.delete(state, operation),
  };
}

function diffResponse(
  schema: ResourceSchema,
  olds: Properties,
  news: Properties,
  newDefaults: readonly string[] | undefined,
): proto.DiffResponse {
  const { changes, deleteBeforeReplace } = decide(schema, olds, news, newDefaults);
  const response = new proto.DiffResponse().setHasdetaileddiff(true);
  if (changes.size === 0) return response.setChanges(proto.DiffResponse.DiffChanges.DIFF_NONE);
  const paths = [...changes].map(([path, change]) => ({ top: path.split(/[.[]/)[0] ?? path, path, change }));
  for (const { path, change } of paths) response.getDetaileddiffMap().set(path, new proto.PropertyDiff().setKind(kindOf(change)));
  return response
    .setChanges(proto.DiffResponse.DiffChanges.DIFF_SOME)
    .setDiffsList([...new Set(paths.map(({ top }) => top))])
    .setReplacesList([...new Set(paths.filter(({ change }) => change.replace).map(({ top }) => top))])
    .setDeletebeforereplace(deleteBeforeReplace);
}

function kindOf({ kind, replace }: Change): proto.PropertyDiff.Kind {
  const { ADD, ADD_REPLACE, DELETE, DELETE_REPLACE, UPDATE, UPDATE_REPLACE } = proto.PropertyDiff.Kind;
  const kinds = { add: [ADD, ADD_REPLACE], delete: [DELETE, DELETE_REPLACE], update: [UPDATE, UPDATE_REPLACE] } as const;
  return kinds[kind][replace ? 1 : 0];
}

function autonamingOf(request: proto.CheckRequest): Autonaming | undefined {
  const options = request.getAutonaming();
  if (options === undefined) return undefined;
  const modes = ["propose", "enforce", "disable"] as const;
  return { mode: modes[options.getMode()], proposedName: options.getProposedName() };
}

/** The official plugin's note of which inputs were filled in; decoded properties are without such notes. */
function notedDefaults(struct: Struct | undefined): string[] | undefined {
  const noted: unknown = struct?.toJavaScript()["__defaults"];
  return Array.isArray(noted) ? noted.map(String) : undefined;
}

function assign(properties: Properties, key: string, value: PropertyValue | undefined): void {
  if (value === undefined) Reflect.deleteProperty(properties, key);
  else properties[key] = value;
}

/** Outputs with the schema version that the official plugin looks for, should it continue with this state. */
function withMeta(schema: ResourceSchema, outputs: Properties): Properties {
  const filled = withoutGaps(outputs);
  return schema.version === undefined ? filled : { ...filled, __meta: JSON.stringify({ schema_version: schema.version }) };
}
