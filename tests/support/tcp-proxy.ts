import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A proxy between an app and its server that a test may break. */
export interface TcpProxy {
  readonly port: number;
  /** Where new connections lead from now on, or who is asked about each; `undefined`: they are refused by a reset. */
  target: number | (() => number) | undefined;
  /**
   * Looks at everything clients send. `cut` ends the connection at once and the server gets nothing of it; `cut-after` hands it to the
   * server, waits for its answer, keeps that from the client, and ends the connection.
   */
  onRequest: ((chunk: Buffer) => "pass" | "cut" | "cut-after") | undefined;
  /** Resets every connection; while {@link onRequest} looks at one, every other. */
  cutAll(): void;
  close(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1 and leads to `target`, a port of the same. */
export async function startTcpProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [client: Socket, server: Socket]>();
  let lookedAt: readonly [client: Socket, server: Socket] | undefined;
  const server = createServer({ allowHalfOpen: false }, (client) => {
    if (proxy.target === undefined) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(typeof proxy.target === "function" ? proxy.target() : proxy.target, "127.0.0.1");
    const pair = [client, upstream] as const;
    pairs.add(pair);
    let muted = false;
    const end = (): void => {
      pairs.delete(pair);
      client.resetAndDestroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.setNoDelay(true).on("error", end).on("close", end);
    client.on("data", (chunk: Buffer) => {
      lookedAt = pair;
      const verdict = proxy.onRequest?.(chunk) ?? "pass";
      lookedAt = undefined;
      if (verdict === "cut") {
        end();
        return;
      }
      if (verdict === "cut-after") muted = true;
      upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      if (muted) end();
      else client.write(chunk);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cutAll = (): void => {
    for (const pair of pairs) {
      if (pair === lookedAt) continue;
      const [client, upstream] = pair;
      client.resetAndDestroy();
      upstream.destroy();
    }
  };
  const proxy: TcpProxy = {
    port: (server.address() as AddressInfo).port,
    target,
    onRequest: undefined,
    cutAll,
    async close() {
      const closed = once(server, "close");
      server.close();
      cutAll();
      await closed;
    },
  };
  return proxy;
}
