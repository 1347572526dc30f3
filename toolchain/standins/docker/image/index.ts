import * as proto from "@pulumi/pulumi/proto/provider_pb";
import { Secret, Unknown, decodeProperties, hasUnknown, isObject, reveal, type Properties } from "../../shared/values";
import type { Handler, Start } from "../handlers";
import type { State } from "../resource";
import { buildImage } from "./build";
import { checkImage, diffImage } from "./check";

/**
 * docker.Image: built when a new resource is created and when any input, the build context's digest included, changes; never replaced. Deleting it
 * leaves the image on the Docker host, and a refresh looks at nothing: both as in the official plugin.
 */
export const image: Handler = {
  async check(request) {
    return await checkImage(decodeProperties(request.getNews()));
  },

  diff(request) {
    const changes = diffImage(storedInputs(request), decodeProperties(request.getNews()));
    const { DIFF_NONE, DIFF_SOME } = proto.DiffResponse.DiffChanges;
    if (changes.size === 0) return new proto.DiffResponse().setChanges(DIFF_NONE);
    const { ADD, DELETE, UPDATE } = proto.PropertyDiff.Kind;
    const response = new proto.DiffResponse()
      .setChanges(DIFF_SOME)
      .setHasdetaileddiff(true)
      .setDiffsList([...changes.keys()]);
    for (const [key, kind] of changes)
      response.getDetaileddiffMap().set(key, new proto.PropertyDiff().setKind({ add: ADD, delete: DELETE, update: UPDATE }[kind]));
    return response;
  },

  previewCreate: preview,
  async create(inputs, operation) {
    return withInputs(await buildImage(inputs, false, operation), inputs);
  },

  previewUpdate: (_olds, news, start) => preview(news, start),
  async update(_id, _olds, news, operation) {
    return withInputs(await buildImage(news, false, operation), news).outputs;
  },

  read: (request) =>
    Promise.resolve({
      id: request.getId(),
      outputs: { ...decodeProperties(request.getProperties()), ...keptInputs(request.getProperties()?.toJavaScript()["__inputs"]) },
      inputs: decodeProperties(request.getInputs()),
    }),

  delete: () => Promise.resolve(),
};

async function preview(inputs: Properties, start: Start): Promise<Properties> {
  if (inputs["buildOnPreview"] !== true) return inputs;
  const operation = await start();
  const build = inputs["build"];
  const needed = [inputs["imageName"], ...(isObject(build) ? [build["context"], build["dockerfile"], build["args"]] : [build])];
  if (needed.some((value) => value !== undefined && (value instanceof Unknown || hasUnknown(value)))) {
    operation.log(
      "warning",
      "Minimum inputs for build are unresolved. Continuing without preview image build. To avoid this warning, ensure image name, dockerfile, args, and context are resolved at preview.",
    );
    return inputs;
  }
  return withInputs(await buildImage(inputs, true, operation), inputs).outputs;
}

/** The official plugin compares new inputs with those it keeps, as a secret, in the outputs; either plugin continues with the other's state. */
function withInputs({ id, outputs }: State, inputs: Properties): State {
  return { id, outputs: { ...outputs, __inputs: new Secret(inputs) } };
}

function storedInputs(request: proto.DiffRequest): Properties {
  const kept = keptInputs(request.getOlds()?.toJavaScript()["__inputs"])["__inputs"];
  const inputs = kept === undefined ? undefined : reveal(kept);
  return isObject(inputs) ? inputs : decodeProperties(request.getOldInputs());
}

function keptInputs(raw: unknown): Properties {
  if (typeof raw !== "object" || raw === null) return {};
  const value = "value" in raw ? raw.value : raw;
  return { __inputs: new Secret(value as Properties) };
}
