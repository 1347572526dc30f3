import { ServerResponse, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Socket } from "node:net";
import { type RawData, WebSocketServer } from "ws";
import type { Container } from "../container";
import { sendRawProblem, type RawProblem } from "../http/raw-problem";
import { refuseRequest } from "../http/request-guard";
import { type Refused, sendRefusal } from "../rate-limit/refusal";
import { readCookie, SESSION_COOKIE } from "../session/cookie";
import type { Session } from "../session/session-store";
import { CLOSE, type Connection, type Hub } from "./hub";
import { closedTotal, upgradesTotal } from "./metrics";
import { isOwnPage } from "./origin";

/** Path of the WebSocket. */
export const REALTIME_PATH = "/api/realtime";

const defaults = {
  /** Clients have nothing to say but `{"type":"ping"}`; bytes of one message. */
  maxPayloadBytes: 4096,
  /** Messages of a client within the window (ms); more is misbehaviour. */
  mostMessages: 20,
  messageWindowMs: 10_000,
  /** Upgrades being authenticated at a time; a database that hangs must not collect sockets. */
  mostPending: 500,
} as const;

const BEARER = /^Bearer +([\x21-\x7e]{1,4096})$/i;

/** What becomes of an upgrade; `outcome` is its name in the metrics. */
type Decision =
  | { readonly outcome: "accepted"; readonly session: Session; readonly idHash: string }
  | { readonly outcome: string; readonly problem: RawProblem }
  | { readonly outcome: string; readonly limited: Refused };

/** What the gateway needs of a worker. */
export type GatewayParts = Pick<Container, "admission" | "limits" | "sessions" | "logger"> & {
  readonly hub: Hub;
  readonly origins: readonly string[];
};

/** Whether a request asks for a WebSocket; every other `Upgrade` is ignored, as HTTP wants it. */
export function wantsWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === "websocket";
}

/**
 * Turns HTTP requests into WebSockets (feature D7). An upgrade passes the same shedding, limits and authentication as a request, and is
 * refused with the same problem documents, before the protocol changes.
 */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #server = new WebSocketServer({
    noServer: true,
    // Compression keeps hundreds of KB a connection, and these messages are small.
    perMessageDeflate: false,
    maxPayload: defaults.maxPayloadBytes,
    clientTracking: false,
  });
  #pending = 0;
  #closing = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  /** From now on nobody is let in. */
  stop(): void {
    this.#closing = true;
  }

  /** For the server's `upgrade` event. */
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { logger, limits, hub } = this.#parts;
    const onError = (error: Error): void => logger.debug({ reason: error.message }, "a connection broke while it was upgraded");
    socket.on("error", onError);
    this.#decide(request)
      .catch((error: unknown): Decision => {
        logger.error({ err: error }, "an upgrade failed");
        return denied("error", 503, "unavailable", "Try again in a moment.", 1);
      })
      .then((decided) => {
        limits.leave(request);
        const decision = this.#place(decided);
        upgradesTotal.inc({ outcome: decision.outcome });
        if (!("session" in decision)) {
          const response = responseOn(request, socket);
          if ("limited" in decision) sendRefusal(request, response, decision.limited);
          else sendRawProblem(request, response, decision.problem);
          return;
        }
        socket.removeListener("error", onError);
        this.#server.handleUpgrade(request, socket, head, (webSocket) => {
          this.#listen(hub.add(webSocket, decision.session, decision.idHash));
        });
      })
      .catch((error: unknown) => {
        logger.error({ err: error }, "an upgrade failed");
        socket.destroy();
      });
  }

  async #decide(request: IncomingMessage): Promise<Decision> {
    const { admission, limits, sessions, origins } = this.#parts;
    const malformed = refuseRequest(request);
    if (malformed !== undefined) return { outcome: "malformed", problem: malformed };
    if (request.url?.split("?", 1)[0] !== REALTIME_PATH)
      return denied("not-found", 404, "not-found", `WebSockets are at ${REALTIME_PATH}.`);
    if (this.#closing || this.#pending >= defaults.mostPending) return denied("busy", 503, "unavailable", "Connect again in a moment.", 1);
    const wait = admission.refusal(request);
    if (wait !== undefined) return denied("overload", 503, "overloaded", `The server has too much to do; try again in ${wait} s.`, wait);
    const limited = limits.admit(request);
    if (limited !== undefined) return { outcome: "rate-limited", limited };
    const bearer = BEARER.exec(request.headers.authorization ?? "")?.[1];
    const token = bearer ?? readCookie(request.headers.cookie, SESSION_COOKIE);
    if (bearer === undefined && !isOwnPage(request, origins)) {
      return denied("foreign-origin", 403, "forbidden", "A page of another site may not connect with a visitor's session.");
    }
    if (token === undefined) return denied("unauthenticated", 401, "authentication-required", "Log in first.");
    const session = await this.#find(token);
    const idHash = sessions.idOf(token);
    if (session === undefined || idHash === undefined) {
      return denied("unauthenticated", 401, "authentication-required", "The session has ended; log in again.");
    }
    return { outcome: "accepted", session, idHash };
  }

  /** Asked in the same turn in which the connection is added, so that those who come together do not all see the last place free. */
  #place(decision: Decision): Decision {
    if (!("session" in decision)) return decision;
    const { hub } = this.#parts;
    const full = hub.refusal(decision.session);
    if (full === undefined) return decision;
    return full === "user-full"
      ? denied(full, 429, "too-many-connections", `A user may have ${hub.limits.mostPerUser} connections; close one first.`, 10)
      : denied(full, 503, "unavailable", "There are too many connections; try again later.", 5);
  }

  async #find(token: string): Promise<Session | undefined> {
    this.#pending += 1;
    try {
      return await this.#parts.sessions.find(token);
    } finally {
      this.#pending -= 1;
    }
  }

  #listen(connection: Connection): void {
    const { socket } = connection;
    let windowEnds = 0;
    let messages = 0;
    const misbehaved = (code: number, reason: string): void => {
      closedTotal.inc({ reason: "misbehaved" });
      socket.close(code, reason);
    };
    // Too large, not UTF-8, not masked: ws closes with the fitting code itself.
    socket.on("error", (error) => this.#parts.logger.debug({ reason: error.message }, "a WebSocket broke the protocol"));
    socket.on("pong", () => (connection.answered = true));
    socket.on("message", (data, isBinary) => {
      connection.answered = true;
      const now = performance.now();
      if (now > windowEnds) [windowEnds, messages] = [now + defaults.messageWindowMs, 0];
      messages += 1;
      if (isBinary) misbehaved(CLOSE.unsupported, "text only");
      else if (messages > defaults.mostMessages) misbehaved(CLOSE.policy, "too many messages");
      else if (isPing(data)) this.#parts.hub.send(connection, '{"type":"pong"}');
      else misbehaved(CLOSE.policy, 'only {"type":"ping"} is understood');
    });
  }
}

function denied(outcome: string, status: number, kind: string, detail: string, retryAfterSeconds?: number): Decision {
  return { outcome, problem: { status, kind, detail, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) } };
}

function isPing(data: RawData): boolean {
  try {
    return (JSON.parse((data as Buffer).toString("utf8")) as { type?: unknown } | null)?.type === "ping";
  } catch {
    // Not JSON is not a ping.
    return false;
  }
}

/** A response on a socket that was taken out of HTTP's hands; the connection ends with it. */
function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  if (socket instanceof Socket) response.assignSocket(socket);
  response.once("finish", () => socket.end());
  return response;
}
