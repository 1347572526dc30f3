import * as grpc from "@grpc/grpc-js";

/** The largest message either side sends, bytes: the 400 MB that Pulumi's own SDKs and engine allow. */
const MAX_MESSAGE_BYTES = 400 * 1024 * 1024;

/** An error that already carries the gRPC status and metadata it has to be answered with. */
export class RpcError extends Error implements Partial<grpc.StatusObject> {
  readonly code: grpc.status;
  readonly details: string;
  readonly metadata: grpc.Metadata;

  constructor(code: grpc.status, message: string, metadata = new grpc.Metadata()) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.details = message;
    this.metadata = metadata;
  }
}

/** Any thrown value as the status a gRPC caller receives. The text is the error's message: a caller never sees a stack trace. */
export function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  return new RpcError(grpc.status.UNKNOWN, error instanceof Error ? error.message : String(error));
}

/** A unary gRPC handler from an async function: what it throws becomes the status of the call. */
export function unary<Request, Response>(
  handler: (request: Request, call: grpc.ServerUnaryCall<Request, Response>) => Promise<Response>,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    handler(call.request, call).then(
      (response) => callback(null, response),
      (error: unknown) => callback(toRpcError(error)),
    );
  };
}

/** A handler for a method that a stand-in leaves out: UNIMPLEMENTED, saying who has it. */
export function unimplemented<Request, Response>(method: string, official: string): grpc.handleUnaryCall<Request, Response> {
  return unary(() => Promise.reject(unimplementedError(method, official)));
}

/** The error of a method that a stand-in leaves out. */
export function unimplementedError(method: string, official: string): RpcError {
  return new RpcError(grpc.status.UNIMPLEMENTED, `${method} is not part of this stand-in; it needs the official ${official}.`);
}

/** A gRPC server with Pulumi's message limits, listening on a free port of 127.0.0.1. */
export async function listen(register: (server: grpc.Server) => void): Promise<{ server: grpc.Server; port: number }> {
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  });
  register(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return { server, port };
}

/** Options of a gRPC client towards the engine or a plugin: the same limits, and no proxy for a loopback address. */
export const clientOptions: grpc.ClientOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  "grpc.enable_http_proxy": 0,
};
