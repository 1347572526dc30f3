import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** What is expected of a client. */
export interface SlowClientLimits {
  /** Distance of two looks, ms. @default 5000 */
  readonly intervalMs: number;
  /** Bytes of a body that must arrive a second, once it has begun, while somebody waits for them. @default 500 */
  readonly leastBytesPerSecond: number;
  /** Looks in a row that may fall short. @default 2 */
  readonly patience: number;
}

const defaults: SlowClientLimits = { intervalMs: 5000, leastBytesPerSecond: 500, patience: 2 };

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  bytesRead: number;
  shortfalls: number;
}

/**
 * Ends requests of clients that send their body so slowly that a few thousand of them would occupy the server (slowloris and its
 * relatives). Headers have a deadline of Node's own. Looks at what is in flight at intervals; only requests with a body are watched.
 */
export class SlowClients {
  readonly #limits: SlowClientLimits;
  readonly #exchanges = new Map<Socket, Exchange>();
  readonly #timer: NodeJS.Timeout;
  /** How many were ended. */
  ended = 0;

  /** @param refuse answers the request if that is still possible; the connection is ended afterwards. */
  constructor(
    private readonly refuse: (request: IncomingMessage, response: ServerResponse) => void,
    limits: Partial<SlowClientLimits> = {},
  ) {
    this.#limits = { ...defaults, ...limits };
    this.#timer = setInterval(() => this.look(), this.#limits.intervalMs);
    this.#timer.unref();
  }

  watch(request: IncomingMessage, response: ServerResponse): void {
    this.#exchanges.set(request.socket, { request, response, bytesRead: request.socket.bytesRead, shortfalls: 0 });
  }

  /** The connection is closed. */
  forget(socket: Socket): void {
    this.#exchanges.delete(socket);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  look(): void {
    const { intervalMs, leastBytesPerSecond, patience } = this.#limits;
    const least = (leastBytesPerSecond * intervalMs) / 1000;
    for (const [socket, exchange] of this.#exchanges) {
      const { request, response } = exchange;
      if (request.complete) {
        this.#exchanges.delete(socket);
        continue;
      }
      // As long as it is not answered, whoever does not read may be the app and not the client.
      const awaited = response.writableFinished || (request.readableFlowing === true && request.readableLength === 0);
      exchange.shortfalls = awaited && socket.bytesRead - exchange.bytesRead < least ? exchange.shortfalls + 1 : 0;
      exchange.bytesRead = socket.bytesRead;
      if (exchange.shortfalls < patience) continue;
      this.ended += 1;
      this.#exchanges.delete(socket);
      if (response.headersSent) socket.destroy();
      else this.refuse(request, response);
    }
  }
}
