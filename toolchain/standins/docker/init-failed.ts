import * as grpc from "@grpc/grpc-js";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { RpcError } from "../shared/rpc";
import { encodeProperties, type Properties } from "../shared/values";
import type { State } from "./resource";

/** The error for a resource that was created and did not come up; the engine keeps it in the state and updates it next time. */
export function initializationFailed(message: string, reason: string, state: State, inputs: Properties): RpcError {
  const detail = new ErrorResourceInitFailed()
    .setId(state.id)
    .setProperties(encodeProperties(state.outputs))
    .setInputs(encodeProperties(inputs))
    .setReasonsList([reason]);
  const any = new Any();
  any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const status = new Status();
  status.setCode(grpc.status.UNKNOWN);
  status.setMessage(message);
  status.addDetails(any);
  const metadata = new grpc.Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  return new RpcError(grpc.status.UNKNOWN, message, metadata);
}
