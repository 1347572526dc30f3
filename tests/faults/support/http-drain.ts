import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/** How often connections that fell idle are looked for while the server closes, in milliseconds. */
const SWEEP_MS = 50;

/**
 * Ends an HTTP server without failing a request.
 *
 * The trap is the kept-alive connection: closing it while its client sends the next request fails that request. So responses first
 * announce `Connection: close` for a while, which makes clients leave on their own; only connections that stayed idle all that time
 * are closed from here. Attach before the server listens and before other `request` listeners.
 */
export class HttpDrain {
  /** The newest response of every connection. */
  private readonly responses = new Map<Socket, ServerResponse>();
  private announcing = false;

  constructor(private readonly server: Server) {
    server.on("connection", (socket) => {
      socket.once("close", () => this.responses.delete(socket));
    });
    server.prependListener("request", (request, response) => {
      this.responses.set(request.socket, response);
      // Node then writes `Connection: close`, whichever way the headers are set later.
      if (this.announcing) response.shouldKeepAlive = false;
    });
  }

  /** From now on every response ends its connection, also those being worked on. New connections are still accepted. */
  begin(): void {
    this.announcing = true;
    for (const response of this.responses.values()) if (!response.headersSent) response.shouldKeepAlive = false;
  }

  /**
   * Stops listening and waits for requests in flight.
   * @param deadlineMs longest wait; connections still open then are cut.
   * @returns how many connections were cut.
   */
  async close(deadlineMs: number): Promise<number> {
    this.begin();
    // What has arrived by now is read first: a request in the socket's buffer would otherwise be taken for an idle connection.
    await nextTurn();
    const closed = new Promise<void>((resolve, reject) => {
      this.server.close((error) => {
        if (error) reject(error);
        else resolve();
      });
    });
    let cut = 0;
    // A response whose headers were sent before the drain leaves its connection open; Node closes idle ones only once, in close().
    const sweep = setInterval(() => this.server.closeIdleConnections(), SWEEP_MS);
    const deadline = setTimeout(() => {
      cut = this.responses.size;
      this.server.closeAllConnections();
    }, deadlineMs);
    try {
      await closed;
    } finally {
      clearInterval(sweep);
      clearTimeout(deadline);
    }
    return cut;
  }
}
