import * as grpc from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import { clientOptions } from "./rpc";

/** Lines beside a resource in the engine's display. */
export interface EngineLog {
  /** @param status true for a line that the next one replaces. */
  write(severity: "info" | "warning", urn: string, message: string, status?: boolean): void;
  close(): void;
}

/** Log lines for the engine at `address`; without one (a plugin started by hand) they go nowhere. */
export function engineLog(address: string | undefined): EngineLog {
  if (address === undefined) return { write: () => undefined, close: () => undefined };
  const client = new EngineClient(address, grpc.credentials.createInsecure(), clientOptions);
  return {
    write(severity, urn, message, status = false) {
      const request = new LogRequest()
        .setSeverity(severity === "warning" ? LogSeverity.WARNING : LogSeverity.INFO)
        .setUrn(urn)
        .setMessage(message)
        .setEphemeral(status);
      client.log(request, (error) => {
        // A line that the engine does not take must not fail an update; plugins' stderr is what it shows instead.
        if (error !== null) process.stderr.write(`${message}\n`);
      });
    },
    close: () => client.close(),
  };
}
