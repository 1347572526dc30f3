import type { Redis } from "ioredis";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";

/** A pattern of one company's keys that is to be forgotten. */
export interface PatternMessage {
  readonly companyId: string;
  readonly glob: string;
}

/** Tells the other instances, by pub/sub of Redis. A process that is away misses it; see `Cache.invalidatePattern`. */
export class CachePublisher {
  readonly #connection: RedisConnection;
  readonly #channel: string;
  readonly #listeners = new Set<(message: PatternMessage) => void>();
  readonly #subscriber: Redis;

  constructor(connection: RedisConnection, appName: string, logger: Logger) {
    this.#connection = connection;
    this.#channel = `${appName}:cache-pattern`;
    // Waits for Redis as long as it takes, and subscribes again after each reconnection.
    this.#subscriber = connection.duplicate();
    this.#subscriber.on("message", (_channel: string, text: string) => {
      const message = parse(text);
      if (message === undefined) logger.warn({ channel: this.#channel }, "a message that is not ours");
      else for (const listener of this.#listeners) listener(message);
    });
    // Rejected when the connection is closed before it was ever there.
    this.#subscriber.subscribe(this.#channel).catch(() => undefined);
  }

  /** @throws when Redis cannot be asked. */
  async publish(message: PatternMessage): Promise<void> {
    await this.#connection.call((redis) => redis.publish(this.#channel, JSON.stringify(message)));
  }

  /** @returns how to stop. */
  listen(listener: (message: PatternMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}

/** Whoever may publish on the server may send anything; it must not end this process. */
function parse(text: string): PatternMessage | undefined {
  try {
    const message = JSON.parse(text) as Partial<PatternMessage> | null;
    return typeof message?.companyId === "string" && typeof message.glob === "string" ? (message as PatternMessage) : undefined;
  } catch {
    return undefined;
  }
}
