import type * as proto from "@pulumi/pulumi/proto/provider_pb";
import type { Properties } from "../shared/values";
import { bridged } from "./bridged";
import { container } from "./container";
import { image } from "./image";
import { network } from "./network";
import { remoteImage } from "./remote-image";
import type { Operation, State } from "./resource";
import { containerSchema } from "./schema/container";
import { networkSchema, remoteImageSchema, volumeSchema } from "./schema/resources";
import { volume } from "./volume";

/** Starts the work on Docker; a preview that needs none never connects. */
export type Start = () => Promise<Operation>;

/** What one resource type does for each call of the engine. */
export interface Handler {
  check(request: proto.CheckRequest): Promise<{
    readonly inputs: Properties;
    readonly failures: readonly { readonly property: string; readonly reason: string }[];
    readonly note?: string | undefined;
  }>;
  diff(request: proto.DiffRequest): proto.DiffResponse;
  previewCreate(inputs: Properties, start: Start): Promise<Properties>;
  create(inputs: Properties, operation: Operation): Promise<State>;
  previewUpdate(olds: Properties, news: Properties, start: Start): Promise<Properties>;
  update(id: string, olds: Properties, news: Properties, operation: Operation): Promise<Properties>;
  read(request: proto.ReadRequest, operation: Operation): Promise<(State & { readonly inputs: Properties }) | undefined>;
  delete(state: State, operation: Operation): Promise<void>;
}

const handlers: Readonly<Record<string, Handler>> = {
  [networkSchema.token]: bridged(networkSchema, network),
  [volumeSchema.token]: bridged(volumeSchema, volume),
  [remoteImageSchema.token]: bridged(remoteImageSchema, remoteImage),
  [containerSchema.token]: bridged(containerSchema, container),
  "docker:index/image:Image": image,
};

/** The handler of a type. @throws Error for types that this stand-in leaves out. */
export function handlerFor(type: string): Handler {
  const handler = handlers[type];
  if (handler !== undefined) return handler;
  const known = Object.keys(handlers).map((token) => `docker.${token.split(":").at(-1) ?? ""}`);
  throw new Error(`${type} is not part of this docker stand-in, which has ${known.join(", ")}; install the official docker plugin for it.`);
}
