import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";

/** A TCP proxy on 127.0.0.1 between a client and a server, which a test can make slow or silent, or take away. */
export interface Proxy {
  readonly port: number;
  /** Every chunk, in both directions, arrives that much later; 0 ends it. */
  delay(milliseconds: number): void;
  /** Refuses new connections and ends those there are. */
  refuse(): Promise<void>;
  /** Accepts connections again. */
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a proxy to a server. */
export async function startProxy(host: string, port: number): Promise<Proxy> {
  let latencyMs = 0;
  let server: Server;
  const sockets = new Set<Socket>();

  /** In order: a chunk never overtakes an earlier one, also when the delay shrinks in between. */
  const pipe = (from: Socket, to: Socket): void => {
    let last = Promise.resolve();
    from.on("data", (chunk) => {
      const due = performance.now() + latencyMs;
      last = last.then(async () => {
        const wait = due - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        if (to.writable) to.write(chunk);
      });
    });
    from.on("close", () => to.destroy());
    from.on("error", () => to.destroy());
  };
  const listen = async (on: number): Promise<number> => {
    server = createServer({ noDelay: true }, (client) => {
      const upstream = connect({ host, port, noDelay: true });
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
      }
      pipe(client, upstream);
      pipe(upstream, client);
    });
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(on, "127.0.0.1", resolve));
    return (server.address() as AddressInfo).port;
  };
  const end = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };

  const own = await listen(0);
  return {
    port: own,
    delay: (milliseconds) => {
      latencyMs = milliseconds;
    },
    refuse: end,
    accept: async () => {
      await listen(own);
    },
    close: end,
  };
}
