import type { WebSocket } from "ws";
import type { Session } from "../session/session-store";
import { type Channel, channelsOf } from "./channels";
import { closedTotal, connectionsGauge, deliveredTotal } from "./metrics";

/** Bounds of one worker. */
export interface HubLimits {
  /** Connections of this worker. */
  readonly mostConnections: number;
  /** Connections of one user to this instance; a worker that cannot ask the others applies it to its own. */
  readonly mostPerUser: number;
  /** A connection with more unsent bytes than this is closed: its client does not keep up, and its messages would fill the memory. */
  readonly mostBufferedBytes: number;
}

/** Close codes of our own (4000–4999 are free for applications). */
export const CLOSE = {
  /** RFC 6455: the server goes away. */
  goingAway: 1001,
  unsupported: 1003,
  policy: 1008,
  /** The session ended; connecting again needs a new one. */
  sessionEnded: 4001,
} as const;

/** One open connection. */
export interface Connection {
  readonly socket: WebSocket;
  readonly session: Session;
  readonly idHash: string;
  readonly channels: readonly Channel[];
  /** Answered since the last ping. */
  answered: boolean;
}

/** What the connections of one user are counted under. */
export const userOf = ({ companyId, userId }: Session): string => `${companyId} ${userId}`;

/** The connections of one worker, by channel. */
export class Hub {
  readonly limits: HubLimits;
  readonly #connections = new Set<Connection>();
  readonly #byChannel = new Map<Channel, Set<Connection>>();
  readonly #perUser = new Map<string, number>();

  constructor(limits: HubLimits) {
    this.limits = limits;
  }

  get size(): number {
    return this.#connections.size;
  }

  connections(): ReadonlySet<Connection> {
    return this.#connections;
  }

  /**
   * Why a session may not open another connection; `undefined` when it may.
   * @param counted the user's connections were counted over all workers already.
   */
  refusal(session: Session, counted: boolean): "worker-full" | "user-full" | undefined {
    if (this.#connections.size >= this.limits.mostConnections) return "worker-full";
    return !counted && (this.#perUser.get(userOf(session)) ?? 0) >= this.limits.mostPerUser ? "user-full" : undefined;
  }

  add(socket: WebSocket, session: Session, idHash: string): Connection {
    const connection: Connection = { socket, session, idHash, channels: channelsOf(session), answered: true };
    this.#connections.add(connection);
    connectionsGauge.set(this.#connections.size);
    const user = userOf(session);
    this.#perUser.set(user, (this.#perUser.get(user) ?? 0) + 1);
    for (const channel of connection.channels) {
      const members = this.#byChannel.get(channel) ?? new Set();
      this.#byChannel.set(channel, members);
      members.add(connection);
    }
    socket.once("close", () => this.#remove(connection));
    return connection;
  }

  /** Sends a text to everyone in any of the channels, once each. */
  deliver(channels: readonly Channel[], text: string): void {
    const [first, ...others] = channels.flatMap((channel) => this.#byChannel.get(channel) ?? []);
    if (first === undefined) return;
    const members = others.length === 0 ? first : new Set([...first, ...others.flatMap((set) => [...set])]);
    for (const connection of members) this.send(connection, text);
  }

  /** Sends to one connection, or ends it when it does not keep up. */
  send({ socket }: Connection, text: string): void {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > this.limits.mostBufferedBytes) {
      closedTotal.inc({ reason: "slow" });
      // A closing handshake would wait behind what the client does not take.
      socket.terminate();
      return;
    }
    deliveredTotal.inc();
    socket.send(text);
  }

  /** Ends the connections of these sessions. */
  endSessions(idHashes: readonly string[]): void {
    const ended = new Set(idHashes);
    for (const { socket, idHash } of this.#connections) {
      if (!ended.has(idHash)) continue;
      closedTotal.inc({ reason: "session-ended" });
      socket.close(CLOSE.sessionEnded, "session-ended");
    }
  }

  #remove(connection: Connection): void {
    this.#connections.delete(connection);
    connectionsGauge.set(this.#connections.size);
    const user = userOf(connection.session);
    const left = (this.#perUser.get(user) ?? 1) - 1;
    if (left === 0) this.#perUser.delete(user);
    else this.#perUser.set(user, left);
    for (const channel of connection.channels) {
      const members = this.#byChannel.get(channel);
      members?.delete(connection);
      if (members?.size === 0) this.#byChannel.delete(channel);
    }
  }
}
