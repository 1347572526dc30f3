import type { ServiceError } from "@grpc/grpc-js";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";

import { decodeProperties, type Properties } from "../../toolchain/standins/shared/values";

/** A resource that was created and did not come up: the engine keeps it in the state and shows the reasons. */
export interface InitializationFailure {
  readonly id: string;
  readonly outputs: Properties;
  readonly reasons: readonly string[];
}

/** What a failed call says about a resource that exists all the same; undefined when it says nothing. */
export function initializationFailure(error: ServiceError): InitializationFailure | undefined {
  const [encoded] = error.metadata.get("grpc-status-details-bin");
  if (!(encoded instanceof Buffer)) return undefined;
  for (const detail of Status.deserializeBinary(encoded).getDetailsList()) {
    const failure = detail.unpack(
      (bytes: Uint8Array) => ErrorResourceInitFailed.deserializeBinary(bytes),
      "pulumirpc.ErrorResourceInitFailed",
    );
    if (failure !== null) {
      return { id: failure.getId(), outputs: decodeProperties(failure.getProperties()), reasons: failure.getReasonsList() };
    }
  }
  return undefined;
}
