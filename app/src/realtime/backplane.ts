import { broadcast, onBroadcast } from "../cluster/channel";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";
import type { Channel } from "./channels";
import { backplaneFailuresTotal, backplaneUp } from "./metrics";

/** What processes tell each other. */
export type BackplaneMessage =
  /** `text` is what clients get, made once. */
  | { readonly kind: "deliver"; readonly channels: readonly Channel[]; readonly text: string }
  | { readonly kind: "end-sessions"; readonly idHashes: readonly string[] };

/** Carries messages to other processes: to each other member once, never back to the sender. Best effort, in the order of each sender. */
export interface Backplane {
  publish(message: BackplaneMessage): void;
  /** `false` while messages may be lost. */
  connected(): boolean;
  close(): Promise<void>;
}

/** Told what arrives, and that something may have been missed. */
export interface BackplaneListener {
  message(message: BackplaneMessage): void;
  /** The connection was lost and is back. */
  gap(): void;
}

/** How processes of one instance reach each other; `cluster/channel.ts` is the real one. */
export interface ProcessChannel {
  broadcast(topic: string, payload: unknown): void;
  onBroadcast(topic: string, listener: (payload: unknown) => void): () => void;
}

const TOPIC = "realtime";

/** The other workers of this instance, through the primary. */
export class ProcessBackplane implements Backplane {
  readonly #channel: ProcessChannel;
  readonly #stop: () => void;

  constructor(listener: BackplaneListener, channel: ProcessChannel = { broadcast, onBroadcast }) {
    this.#channel = channel;
    this.#stop = channel.onBroadcast(TOPIC, (payload) => listener.message(payload as BackplaneMessage));
  }

  publish(message: BackplaneMessage): void {
    this.#channel.broadcast(TOPIC, message);
  }

  connected(): boolean {
    return true;
  }

  close(): Promise<void> {
    this.#stop();
    return Promise.resolve();
  }
}

/** A subscriber that does not answer a ping for this long (ms) is connected anew: its peer may be gone without a word. */
const PING_MS = 5000;

/** Messages kept while Redis is away: so many, and so long (ms). Later they would tell of what clients have looked up meanwhile. */
const MOST_WAITING = 1000;
const WAIT_MS = 10_000;

export interface RedisBackplaneOptions {
  readonly connection: RedisConnection;
  /** The same in every worker of an instance, different in every instance: what comes from the own one is known already. */
  readonly instanceId: string;
  /** Names the app, so that two of them can share a server. */
  readonly appName: string;
  readonly logger: Logger;
  /** @default 5000 */
  readonly pingMs?: number;
}

/** The workers of all other instances, by Redis pub/sub. While Redis is away, messages wait for a few seconds. */
export class RedisBackplane implements Backplane {
  readonly #options: RedisBackplaneOptions;
  readonly #subscriber: ReturnType<RedisConnection["duplicate"]>;
  readonly #name: string;
  readonly #timer: NodeJS.Timeout;
  readonly #stopFlushing: () => void;
  readonly #waiting: { readonly text: string; readonly until: number }[] = [];
  #connected = false;
  #closed = false;

  constructor(listener: BackplaneListener, options: RedisBackplaneOptions) {
    this.#options = options;
    this.#name = `${options.appName}:realtime`;
    const { logger, instanceId } = options;
    // A subscription of its own, made again by hand: only then it is known from when on messages arrive.
    const subscriber = options.connection.duplicate({ autoResubscribe: false });
    this.#subscriber = subscriber;
    let subscribedBefore = false;
    subscriber.on("ready", () => {
      subscriber.subscribe(this.#name).then(
        () => {
          this.#setConnected(true);
          if (subscribedBefore) listener.gap();
          subscribedBefore = true;
        },
        (error: unknown) => logger.debug({ reason: String(error) }, "the realtime subscription failed; a new connection tries again"),
      );
    });
    subscriber.on("close", () => this.#setConnected(false));
    subscriber.on("message", (_channel: string, text: string) => {
      // What was on its way when this member left.
      if (this.#closed) return;
      const message = parse(text);
      if (message === undefined) logger.warn("a message of another program is on the realtime channel");
      else if (message.instance !== instanceId) listener.message(message.message);
    });
    this.#timer = setInterval(() => this.#ping(), options.pingMs ?? PING_MS).unref();
    this.#stopFlushing = options.connection.onAvailable(() => this.#flush());
    backplaneUp.set(0);
  }

  publish(message: BackplaneMessage): void {
    const text = JSON.stringify({ instance: this.#options.instanceId, message });
    if (this.#options.connection.available()) {
      this.#flush();
      this.#send(text);
      return;
    }
    // Nothing was sent, so nothing can come twice: a short outage delays messages, a long one loses them.
    if (this.#waiting.push({ text, until: performance.now() + WAIT_MS }) > MOST_WAITING) {
      this.#waiting.shift();
      backplaneFailuresTotal.inc();
    }
  }

  #flush(): void {
    const waiting = this.#waiting.splice(0);
    for (const { text, until } of waiting) {
      if (until > performance.now()) this.#send(text);
      else backplaneFailuresTotal.inc();
    }
  }

  #send(text: string): void {
    this.#options.connection
      .call((redis) => redis.publish(this.#name, text))
      .catch((error: unknown) => {
        // Said once by the connection itself; here it is counted.
        backplaneFailuresTotal.inc();
        this.#options.logger.debug({ reason: String(error) }, "a realtime message stays within this instance");
      });
  }

  connected(): boolean {
    return this.#connected && this.#options.connection.available();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#stopFlushing();
    clearInterval(this.#timer);
    this.#subscriber.disconnect();
    return Promise.resolve();
  }

  #setConnected(connected: boolean): void {
    this.#connected = connected;
    backplaneUp.set(connected ? 1 : 0);
  }

  #ping(): void {
    if (!this.#connected) return;
    let answered = false;
    const deadline = setTimeout(() => {
      if (!answered && !this.#closed) this.#subscriber.disconnect(true);
    }, this.#options.pingMs ?? PING_MS).unref();
    this.#subscriber.ping().then(
      () => {
        answered = true;
        clearTimeout(deadline);
      },
      (error: unknown) => this.#options.logger.debug({ reason: String(error) }, "the realtime subscription does not answer"),
    );
  }
}

function parse(text: string): { instance: string; message: BackplaneMessage } | undefined {
  try {
    const value = JSON.parse(text) as { instance?: unknown; message?: { kind?: unknown } } | null;
    const ours = typeof value?.instance === "string" && ["deliver", "end-sessions"].includes(String(value.message?.kind));
    return ours ? (value as { instance: string; message: BackplaneMessage }) : undefined;
  } catch {
    // What is no JSON is not ours either.
    return undefined;
  }
}
