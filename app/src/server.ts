import type { Server as HttpServer } from "node:http";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import type { Express } from "express";
import type { Container } from "./container";
import { messageClasses } from "./http/message-classes";
import { sendRawProblem } from "./http/raw-problem";
import { refuseRequest } from "./http/request-guard";
import { sendRawJson } from "./http/respond";
import { healthReport } from "./health/reports";
import { wantsWebSocket } from "./realtime/gateway";
import { sendRefusal } from "./rate-limit/refusal";
import { SlowClients } from "./lifecycle/slow-clients";
import { Refusals } from "./observability/refusals";

const defaults = {
  /** Slow clients get this long for their headers (ms); Node allows a minute, which is what slowloris lives on. */
  headersTimeoutMs: 15_000,
  /** And this long for the whole request, body included. */
  requestTimeoutMs: 60_000,
  /** How often Node looks for connections beyond those limits; ms. */
  connectionsCheckingIntervalMs: 5000,
  /** All headers of a request; bytes. Node's own default, said here because a proxy has to fit it. */
  maxHeaderBytes: 16 * 1024,
  /**
   * Connections without a request are left open this long after the listener closed (ms): a client may be sending its next request
   * at this very moment, and gets an answer that tells it to reconnect instead of a reset.
   */
  lingerMs: 500,
  /**
   * After a refusal for overload the connection is not read for this long (ms, and up to twice that): whoever asks again at once, instead
   * of after Retry-After, then waits in the kernel, where waiting costs nothing. Not behind a proxy, whose connections are everybody's.
   */
  restMs: 250,
} as const;

/** Requests being answered on a connection. On the socket itself, because looking it up in a map costs every request a microsecond. */
const IN_FLIGHT = Symbol("requests in flight");
interface Connection extends Socket {
  [IN_FLIGHT]?: number;
}

/** The HTTP server of one worker. */
export interface AppServer {
  readonly port: number;
  /** Stops listening, waits for requests in flight up to the deadline, then ends every connection. */
  close(deadlineMs: number): Promise<void>;
}

/**
 * Starts listening. Health checks are answered before Express, because load balancers ask all the time, and a process that is
 * overloaded or draining has to answer them still.
 */
export async function listen(container: Container, app: Express): Promise<AppServer> {
  const { config, state, admission, limits } = container;
  const connections = new Set<Connection>();
  const refusals = new Refusals(container.logger);
  const slowClients = new SlowClients((request, response) => {
    refusals.count("slow");
    response.shouldKeepAlive = false;
    sendRawProblem(request, response, { status: 408, kind: "too-slow", detail: "The body arrived too slowly." });
  });
  const server = createServer(
    {
      keepAliveTimeout: config.keepAliveTimeoutMs,
      headersTimeout: defaults.headersTimeoutMs,
      requestTimeout: defaults.requestTimeoutMs,
      connectionsCheckingInterval: defaults.connectionsCheckingIntervalMs,
      maxHeaderSize: defaults.maxHeaderBytes,
      ...messageClasses(app),
      shouldUpgradeCallback: wantsWebSocket,
    },
    (request, response) => {
      const { socket } = request;
      inFlightOn(socket, 1);
      response.on("close", answered);
      admission.begin();
      if (state.draining) response.shouldKeepAlive = false;
      if (answerProbe(container, request, response)) return;
      const refused = refuseRequest(request);
      if (refused !== undefined) {
        refusals.count("malformed");
        sendRawProblem(request, response, refused);
        return;
      }
      const retryAfterSeconds = admission.refusal(request);
      if (retryAfterSeconds !== undefined) {
        refusals.count("overload");
        const detail = `The server has too much to do; try again in ${retryAfterSeconds} s.`;
        sendRawProblem(request, response, { status: 503, kind: "overloaded", detail, retryAfterSeconds });
        if (config.trustProxy === 0 && response.shouldKeepAlive) rest(socket);
        return;
      }
      const limited = limits.admit(request);
      if (limited !== undefined) {
        sendRefusal(request, response, limited);
        return;
      }
      if (!request.complete && request.method !== "GET" && request.method !== "HEAD") slowClients.watch(request, response);
      app(request, response);
    },
  );
  let closing: Promise<void> | undefined;
  /** One function for all responses: a closure for each would be made and thrown away. */
  function answered(this: ServerResponse): void {
    const { socket } = this.req;
    admission.end();
    limits.leave(this.req);
    const open = inFlightOn(socket, -1);
    // An answer that began before the drain kept its connection open.
    if (open === 0 && closing !== undefined) socket.end();
  }
  server.on("connection", (socket) => {
    connections.add(socket);
    socket.once("close", () => {
      connections.delete(socket);
      slowClients.forget(socket);
    });
  });
  server.on("upgrade", (request, socket, head) => container.realtime.gateway.handle(request, socket, head));
  server.maxConnections = config.protection.maxConnections;
  server.on("drop", () => refusals.count("connections"));
  // Whoever takes nothing of an answer for as long as an idle connection may stay open is not coming back for the rest.
  server.setTimeout(config.keepAliveTimeoutMs, (socket) => {
    if (socket.writableLength > 0) refusals.count("slow");
    if (socket.writableLength > 0 || inFlightOn(socket) === 0) socket.destroy();
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    refusals.count(error.code === "HPE_HEADER_OVERFLOW" ? "too-large" : error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? "slow" : "malformed");
    refuseMalformed(error, socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(config.port, config.host, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server listens on no TCP port.");
  admission.listening(address.port, config.host);

  return {
    port: address.port,
    close: (deadlineMs) => {
      slowClients.stop();
      return (closing ??= drainConnections(server, connections, deadlineMs));
    },
  };
}

/** How many requests of a connection are being answered. @param change by how many there are more now */
function inFlightOn(connection: Connection, change = 0): number {
  return (connection[IN_FLIGHT] = (connection[IN_FLIGHT] ?? 0) + change);
}

/** Leaves a connection unread for a while; see {@link defaults.restMs}. */
function rest(socket: Socket): void {
  socket.pause();
  setTimeout(() => socket.resume(), defaults.restMs * (1 + Math.random())).unref();
}

/** `GET /health` and `GET /ready`; `false` for everything else. */
function answerProbe(container: Container, request: IncomingMessage, response: ServerResponse): boolean {
  const { url = "", method } = request;
  if ((!url.startsWith("/health") && !url.startsWith("/ready")) || (method !== "GET" && method !== "HEAD")) return false;
  const path = url.split("?", 1)[0];
  if (path === "/ready") {
    const { ready, draining } = container.state;
    // Whoever asks nevertheless is answered: load balancers leave for an instance on the other database, and use this one while there is none.
    const moved = container.database.hasMoved?.() === true;
    const status = moved ? "moved" : ready ? "ready" : draining ? "draining" : "starting";
    sendRawJson(request, response, ready && !moved ? 200 : 503, { status });
    return true;
  }
  if (path !== "/health") return false;
  healthReport(container).then(
    (report) => sendRawJson(request, response, 200, report),
    (error: unknown) => {
      container.logger.error({ err: error }, "health report failed");
      sendRawJson(request, response, 500, { status: "failed" });
    },
  );
  return true;
}

async function drainConnections(server: HttpServer, connections: ReadonlySet<Connection>, deadlineMs: number): Promise<void> {
  const closed = new Promise<void>((resolve, reject) => {
    // Not http.Server's own close: that ends idle connections at once.
    NetServer.prototype.close.call(server, (error?: Error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
  const linger = setTimeout(
    () => {
      for (const socket of connections) if (inFlightOn(socket) === 0) socket.destroySoon();
    },
    Math.min(defaults.lingerMs, deadlineMs),
  );
  // Not closeAllConnections: it leaves out WebSockets, and one whose client takes nothing would hold up the end for half a minute.
  const deadline = setTimeout(() => {
    for (const socket of connections) socket.destroy();
  }, deadlineMs);
  try {
    await closed;
  } finally {
    clearTimeout(linger);
    clearTimeout(deadline);
  }
}

/** Requests that are no HTTP get a problem document too; there is no request object to answer through. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket | import("node:stream").Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, title] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "Request Header Fields Too Large"]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "Request Timeout"]
        : [400, "Bad Request"];
  const body = JSON.stringify({ type: "urn:phased-stack:problem:bad-request", title, status, detail: "The request is not valid HTTP." });
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}
