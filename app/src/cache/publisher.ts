import type { Redis } from "ioredis";
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

  constructor(connection: RedisConnection, appName: string) {
    this.#connection = connection;
    this.#channel = `${appName}:cache-pattern`;
    // Waits for Redis as long as it takes, and subscribes again after each reconnection.
    this.#subscriber = connection.duplicate();
    this.#subscriber.on("message", (_channel: string, text: string) => {
      const message = JSON.parse(text) as PatternMessage;
      for (const listener of this.#listeners) listener(message);
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
