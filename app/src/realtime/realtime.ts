import type { DomainEvent } from "../events/event";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";
import type { Container } from "../container";
import {
  type Backplane,
  type BackplaneListener,
  type BackplaneMessage,
  type ProcessChannel,
  ProcessBackplane,
  RedisBackplane,
} from "./backplane";
import { type Channel, companyAdminChannel, PLATFORM_CHANNEL, type RealtimeMessage, userChannel } from "./channels";
import type { RealtimeConfig } from "./config";
import { Gateway } from "./gateway";
import { CLOSE, Hub } from "./hub";
import { closedTotal } from "./metrics";
import { Tickets } from "./tickets";
import { UserSlots } from "./user-slots";

/** Unsent bytes of a connection above which it is given up: several thousand messages. */
const MOST_BUFFERED_BYTES = 1024 * 1024;

/** Sessions looked up in one statement. */
const SESSIONS_AT_ONCE = 50;

export interface RealtimeOptions extends Pick<Container, "admission" | "limits" | "sessions"> {
  readonly config: RealtimeConfig;
  readonly logger: Logger;
  readonly appName: string;
  /** See {@link RedisBackplaneOptions.instanceId}. */
  readonly instanceId: string;
  /** `undefined`: messages stay within this instance. */
  readonly redis: RedisConnection | undefined;
  /** Whether this process is one of several workers with a primary. */
  readonly clustered: boolean;
  /** @default the other workers of this instance */
  readonly processes?: ProcessChannel;
}

/** What `/api/health/full` says about realtime. */
export interface RealtimeStatus {
  readonly status: "ok" | "warning";
  /** Of this worker. */
  readonly connections: number;
  readonly mostConnections: number;
  /** Who else hears what is published here. */
  readonly backplane: "instance" | "redis";
  readonly reason?: string;
}

/** WebSockets of one worker, and how it reaches those of all others (feature D7). */
export class Realtime {
  readonly gateway: Gateway;
  readonly tickets: Tickets;
  readonly #options: RealtimeOptions;
  readonly #hub: Hub;
  readonly #backplanes: readonly Backplane[];
  readonly #redis: RedisBackplane | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(options: RealtimeOptions) {
    const { config, logger, appName, instanceId, redis, clustered, processes, admission, limits, sessions } = options;
    this.#options = options;
    this.#hub = new Hub({
      mostConnections: config.mostConnections,
      mostPerUser: config.mostPerUser,
      mostBufferedBytes: MOST_BUFFERED_BYTES,
    });
    this.tickets = new Tickets({ appName, clustered, redis, logger });
    this.gateway = new Gateway({
      ...{ admission, limits, sessions, logger, hub: this.#hub, origins: config.origins },
      ...{ tickets: this.tickets, slots: clustered ? new UserSlots() : undefined },
    });
    const listener: BackplaneListener = {
      message: (message) => this.#receive(message),
      gap: () => this.#tellAll({ type: "resync", at: new Date().toISOString(), data: {} }),
    };
    this.#redis = redis && new RedisBackplane(listener, { connection: redis, instanceId, appName, logger });
    this.#backplanes = [new ProcessBackplane(listener, processes), ...(this.#redis ? [this.#redis] : [])];
    sessions.onEnded((idHashes) => this.#send({ kind: "end-sessions", idHashes }));
    this.#timer = setInterval(() => void this.#sweep(), config.pingMs).unref();
  }

  get connections(): number {
    return this.#hub.size;
  }

  /** Sends to everyone in any of the channels, on every worker of every instance, once each. Best effort. */
  publish(channel: Channel | readonly Channel[], message: RealtimeMessage): void {
    this.#send({ kind: "deliver", channels: typeof channel === "string" ? [channel] : channel, text: JSON.stringify(message) });
  }

  /** Tells those concerned of what has happened; for `Events.onCommitted`. */
  announce(event: DomainEvent): void {
    const { type, companyId, occurredAt: at, payload } = event;
    const admins = companyAdminChannel(companyId);
    const data = { id: event.id, ...payload };
    if (type === "order.created" || type === "order.updated") {
      this.publish([admins, userChannel(companyId, event.payload.order.createdBy)], { type, at, data });
    } else {
      this.publish([admins, PLATFORM_CHANNEL], { type, at, data: { ...data, companyId } });
    }
  }

  status(): RealtimeStatus {
    const common = { connections: this.#hub.size, mostConnections: this.#hub.limits.mostConnections };
    if (this.#redis === undefined) return { status: "ok", ...common, backplane: "instance" };
    if (this.#redis.connected()) return { status: "ok", ...common, backplane: "redis" };
    return { status: "warning", ...common, backplane: "instance", reason: "Redis is away: messages reach this instance only." };
  }

  /**
   * Lets nobody in any more and sends everyone away with a hint when to come back, spread so that they do not come all at once. To be
   * called when the listener closes, so that they come back to another worker.
   */
  drain(): void {
    this.gateway.stop();
    for (const connection of this.#hub.connections()) {
      const afterMs = Math.round(Math.random() * this.#options.config.reconnectMs);
      this.#hub.send(connection, JSON.stringify({ type: "reconnect", at: new Date().toISOString(), data: { afterMs } }));
      closedTotal.inc({ reason: "drain" });
      connection.socket.close(CLOSE.goingAway, `reconnect-after-ms=${afterMs}`);
    }
  }

  /** After the server is closed: whoever is still there is cut off. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.gateway.stop();
    for (const { socket } of this.#hub.connections()) socket.terminate();
    await Promise.all(this.#backplanes.map((backplane) => backplane.close()));
  }

  /** Here first: what happens to the backplanes does not delay it. */
  #send(message: BackplaneMessage): void {
    this.#receive(message);
    for (const backplane of this.#backplanes) backplane.publish(message);
  }

  #receive(message: BackplaneMessage): void {
    if (message.kind === "deliver") this.#hub.deliver(message.channels, message.text);
    else this.#hub.endSessions(message.idHashes);
  }

  #tellAll(message: RealtimeMessage): void {
    const text = JSON.stringify(message);
    for (const connection of this.#hub.connections()) this.#hub.send(connection, text);
  }

  /** Ends connections whose client is gone without a word, then those whose session has ended without anyone saying so: it expired. */
  async #sweep(): Promise<void> {
    const idHashes = new Set<string>();
    for (const connection of this.#hub.connections()) {
      if (!connection.answered) {
        closedTotal.inc({ reason: "silent" });
        connection.socket.terminate();
        continue;
      }
      connection.answered = false;
      connection.socket.ping();
      idHashes.add(connection.idHash);
    }
    try {
      const all = [...idHashes];
      for (let from = 0; from < all.length; from += SESSIONS_AT_ONCE) {
        const asked = all.slice(from, from + SESSIONS_AT_ONCE);
        const alive = await this.#options.sessions.alive(asked);
        this.#hub.endSessions(asked.filter((idHash) => !alive.has(idHash)));
      }
    } catch (error) {
      // Losing the database logs nobody out; the next sweep asks again.
      this.#options.logger.debug({ reason: String(error) }, "sessions of realtime connections could not be checked");
    }
  }
}
