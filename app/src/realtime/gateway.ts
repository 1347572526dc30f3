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
import { CLOSE, type Connection, type Hub, userOf } from "./hub";
import { closedTotal, upgradesTotal } from "./metrics";
import { isOwnPage } from "./origin";
import type { Tickets } from "./tickets";
import type { UserSlots } from "./user-slots";

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
  | { readonly outcome: "accepted"; readonly session: Session; readonly idHash: string; readonly counted?: true }
  | { readonly outcome: string; readonly problem: RawProblem }
  | { readonly outcome: string; readonly limited: Refused };

/** What the gateway needs of a worker. */
export type GatewayParts = Pick<Container, "admission" | "limits" | "sessions" | "logger"> & {
  readonly hub: Hub;
  readonly tickets: Tickets;
  /** Absent in a single process, whose own count is all there is. */
  readonly slots: UserSlots | undefined;
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
      .then((decision) => this.#takePlace(decision, socket))
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
    const { admission, limits } = this.#parts;
    const malformed = refuseRequest(request);
    if (malformed !== undefined) return { outcome: "malformed", problem: malformed };
    if (request.url?.split("?", 1)[0] !== REALTIME_PATH)
      return denied("not-found", 404, "not-found", `WebSockets are at ${REALTIME_PATH}.`);
    if (this.#closing || this.#pending >= defaults.mostPending) return denied("busy", 503, "unavailable", "Connect again in a moment.", 1);
    const wait = admission.refusal(request);
    if (wait !== undefined) return denied("overload", 503, "overloaded", `The server has too much to do; try again in ${wait} s.`, wait);
    const limited = limits.admit(request);
    if (limited !== undefined) return { outcome: "rate-limited", limited };
    return this.#authenticate(request);
  }

  async #authenticate(request: IncomingMessage): Promise<Decision> {
    const { sessions, origins } = this.#parts;
    const bearer = BEARER.exec(request.headers.authorization ?? "")?.[1];
    // Browsers send cookies along wherever a page connects to; a ticket or a bearer token nobody sends by accident.
    const ticket = new URLSearchParams(request.url?.split("?", 2)[1]).get("ticket");
    if (bearer === undefined && ticket !== null) return this.#redeem(ticket);
    const token = bearer ?? readCookie(request.headers.cookie, SESSION_COOKIE);
    if (bearer === undefined && !isOwnPage(request, origins)) {
      return denied("foreign-origin", 403, "forbidden", "A page of another site may not connect with a visitor's session.");
    }
    if (token === undefined) return denied("unauthenticated", 401, "authentication-required", "Log in first.");
    const session = await this.#whilePending(() => sessions.find(token));
    const idHash = sessions.idOf(token);
    if (session === undefined || idHash === undefined) {
      return denied("unauthenticated", 401, "authentication-required", "The session has ended; log in again.");
    }
    return { outcome: "accepted", session, idHash };
  }

  async #redeem(ticket: string): Promise<Decision> {
    const { sessions, tickets } = this.#parts;
    const holder = await this.#whilePending(async () => {
      const found = await tickets.redeem(ticket);
      if (found === undefined) return undefined;
      // The session may have ended since it got the ticket.
      const alive = await sessions.alive([found.idHash], found.session.companyId);
      return alive.has(found.idHash) ? found : undefined;
    });
    if (holder !== undefined) return { outcome: "accepted", ...holder };
    return denied("unauthenticated", 401, "authentication-required", "The ticket was used, is too old, or never was one; get another one.");
  }

  /** Takes a place of its user among those of all workers, handed back when the socket closes, whatever becomes of it. */
  async #takePlace(decision: Decision, socket: Duplex): Promise<Decision> {
    const { slots, hub, logger } = this.#parts;
    if (!("session" in decision) || slots === undefined) return decision;
    try {
      const give = await this.#whilePending(() => slots.take(userOf(decision.session), hub.limits.mostPerUser));
      if (give === undefined) return this.#userFull();
      if (socket.destroyed) give();
      else socket.once("close", give);
      return { ...decision, counted: true };
    } catch (error) {
      logger.debug({ reason: String(error) }, "connections of a user are counted by this worker alone");
      return decision;
    }
  }

  #userFull(): Decision {
    const detail = `A user may have ${this.#parts.hub.limits.mostPerUser} connections; close one first.`;
    return denied("user-full", 429, "too-many-connections", detail, 10);
  }

  /** Asked in the same turn in which the connection is added, so that those who come together do not all see the last place free. */
  #place(decision: Decision): Decision {
    if (!("session" in decision)) return decision;
    const { hub } = this.#parts;
    const full = hub.refusal(decision.session, decision.counted === true);
    if (full === undefined) return decision;
    return full === "user-full"
      ? this.#userFull()
      : denied(full, 503, "unavailable", "There are too many connections; try again later.", 5);
  }

  async #whilePending<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#pending += 1;
    try {
      return await work();
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
