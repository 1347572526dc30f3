import * as grpc from "@grpc/grpc-js";
import { AnalyzerClient, AnalyzerService } from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import * as analyzer from "@pulumi/pulumi/proto/analyzer_pb";

import { RpcError, clientOptions, listen, toRpcError, unary } from "../shared/rpc";

/** Calls that go on to the policy pack as they are. */
const FORWARDED = ["analyze", "analyzeStack", "remediate", "getAnalyzerInfo", "getPluginInfo", "configure", "cancel"] as const;

/** How long calls that are being answered may take once it is closed, milliseconds. */
const CLOSE_GRACE_MS = 1_000;

type Call = (request: unknown, callback: (error: grpc.ServiceError | null, response: unknown) => void) => unknown;

/**
 * What the engine talks to in the place of a policy pack. A pack reads the stack's name and configuration from its environment, so it can only be
 * started once the engine has told them; the proxy listens for that, and hands everything else on to the pack when that is up. The official host does
 * the same (PolicyProxy).
 */
export class PolicyProxy {
  readonly port: number;
  readonly #server: grpc.Server;
  readonly #configuration = deferred<analyzer.AnalyzerStackConfigureRequest | undefined>();
  readonly #pack = deferred<AnalyzerClient>();

  private constructor(server: grpc.Server, port: number, attach: (proxy: PolicyProxy) => void) {
    this.#server = server;
    this.port = port;
    // Whoever calls hears of a pack that did not start; where nobody does, it is no unhandled rejection.
    this.#pack.promise.catch(() => undefined);
    attach(this);
  }

  /** Listens on a free loopback port. */
  static async start(): Promise<PolicyProxy> {
    const ready = deferred<PolicyProxy>();
    const { server, port } = await listen((toServe) => {
      toServe.addService(AnalyzerService, {
        handshake: unary(() => Promise.resolve(new analyzer.AnalyzerHandshakeResponse())),
        configureStack: unary(async (request: analyzer.AnalyzerStackConfigureRequest) => {
          (await ready.promise).#configuration.resolve(request);
          return new analyzer.AnalyzerStackConfigureResponse();
        }),
        ...Object.fromEntries(
          FORWARDED.map((method) => [method, unary(async (request: unknown) => (await ready.promise).#forward(method, request))]),
        ),
      });
    });
    return new PolicyProxy(server, port, ready.resolve);
  }

  /** Resolves with what the engine says about the stack; undefined when it calls the pack without saying anything, as `pulumi policy publish` does. */
  get configuration(): Promise<analyzer.AnalyzerStackConfigureRequest | undefined> {
    return this.#configuration.promise;
  }

  /** Hands calls on to the pack on that port from now on, beginning with the stack's configuration. */
  async attach(port: number): Promise<void> {
    const client = new AnalyzerClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), clientOptions);
    const request = await this.configuration;
    try {
      if (request !== undefined) await call(client, "configureStack", request);
    } catch (error) {
      // Packs of an older SDK do not know the call.
      if ((error as grpc.ServiceError).code !== grpc.status.UNIMPLEMENTED) {
        client.close();
        throw new Error(`policy pack configuration failed: ${toRpcError(error).message}`, { cause: error });
      }
    }
    this.#pack.resolve(client);
  }

  /** Ends it: calls that still wait for the pack fail with the reason. */
  close(reason: Error): void {
    this.#configuration.resolve(undefined);
    this.#pack.reject(reason);
    this.#pack.promise.then((client) => client.close()).catch(() => undefined);
    // Calls that wait hear the reason before the connection is closed.
    this.#server.tryShutdown(() => undefined);
    setTimeout(() => this.#server.forceShutdown(), CLOSE_GRACE_MS).unref();
  }

  /** Fails the calls that wait for the pack, so that the engine hears why it does not start. */
  fail(reason: Error): void {
    this.#pack.reject(reason);
  }

  async #forward(method: (typeof FORWARDED)[number], request: unknown): Promise<unknown> {
    this.#configuration.resolve(undefined);
    let client: AnalyzerClient;
    try {
      client = await this.#pack.promise;
    } catch (error) {
      throw new Error(`policy pack not started: ${toRpcError(error).message}`, { cause: error });
    }
    return call(client, method, request);
  }
}

/** One unary call; the status of a failure is kept, so that the engine sees what the pack said. */
function call(client: AnalyzerClient, method: string, request: unknown): Promise<unknown> {
  const start = (client as unknown as Record<string, Call>)[method];
  return new Promise((resolve, reject) => {
    if (start === undefined) throw new Error(`the analyzer service has no ${method}`);
    start.call(client, request, (error, response) => (error === null ? resolve(response) : reject(asStatus(error))));
  });
}

/** A failure that `unary` answers with as it is. */
function asStatus({ code, details, metadata }: grpc.ServiceError): Error {
  return new RpcError(code, details, metadata);
}

/** A promise that others settle. */
interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: Error) => void;
}

function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, "resolve" | "reject"> | undefined;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  if (settle === undefined) throw new Error("a promise calls its executor at once");
  return { promise, ...settle };
}
