import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";
import { RedisUnavailableError } from "../redis/errors";
import type { RedisFence } from "./fence";
import type { CacheEntry } from "./local-level";

/** Whoever makes an entry keeps the others from making it as well for at most this long; ms. */
const LOCK_MS = 2000;

/** How long the others wait for it before they make it themselves, and how often they look; ms. */
const WAIT_MS = 500;
const LOOK_EVERY_MS = 20;

/** Keys looked at by one SCAN, and deleted by one UNLINK. */
const SCAN_COUNT = 500;

/** The second level: shared by all workers and instances. None of the methods but {@link deleteMatching} rejects. */
export class RedisLevel {
  readonly #connection: RedisConnection;
  readonly #fence: RedisFence;
  readonly #logger: Logger;
  /** Entries are kept this long beyond their freshness, in case nothing newer can be had; ms. */
  readonly #staleMs: number;
  readonly #now: () => number;
  /** Part of every key: while an update rolls through, two versions may answer the same question in different shapes. */
  readonly #suffix: string;

  constructor(connection: RedisConnection, fence: RedisFence, logger: Logger, staleMs: number, now: () => number, appVersion: string) {
    this.#connection = connection;
    this.#fence = fence;
    this.#logger = logger;
    this.#staleMs = staleMs;
    this.#now = now;
    this.#suffix = `@${appVersion}`;
  }

  async get(key: string): Promise<CacheEntry | undefined> {
    return this.#attempt(async (redis, prefix) => {
      const text = await redis.get(this.#key(prefix, key));
      return text === null ? undefined : decode(text);
    });
  }

  async set(key: string, entry: CacheEntry): Promise<void> {
    const lifetimeMs = Math.max(1, Math.round(entry.freshUntil - this.#now() + this.#staleMs));
    await this.#attempt((redis, prefix) => redis.set(this.#key(prefix, key), encode(entry), "PX", lifetimeMs));
  }

  /**
   * Lets one process make an entry, for a moment, while the others wait for it.
   * @returns how to end the moment, or the entry that another process made meanwhile; `undefined` when there is neither.
   */
  async lead(key: string, usable: (entry: CacheEntry) => boolean): Promise<CacheEntry | (() => Promise<void>) | undefined> {
    const token = randomBytes(6).toString("base64url");
    const lock = (prefix: string): string => `${prefix}cache-lock:${key}${this.#suffix}`;
    const taken = await this.#attempt((redis, prefix) => redis.set(lock(prefix), token, "PX", LOCK_MS, "NX"));
    if (taken === undefined) return undefined;
    if (taken === "OK") {
      return async () => {
        await this.#attempt((redis, prefix) => redis.del(lock(prefix)));
      };
    }
    const deadline = performance.now() + WAIT_MS;
    while (performance.now() < deadline) {
      await delay(LOOK_EVERY_MS);
      const entry = await this.get(key);
      if (entry !== undefined && usable(entry)) return entry;
    }
    return undefined;
  }

  /**
   * Deletes by a glob pattern, a few hundred keys at a time.
   * @returns how many.
   * @throws when Redis cannot be asked, or another error of Redis; some may be deleted then.
   */
  async deleteMatching(glob: string): Promise<number> {
    const prefix = this.#fence.prefix();
    if (prefix === undefined) throw new RedisUnavailableError(this.#connection.name, "not believed now");
    let cursor = "0";
    let deleted = 0;
    do {
      const [next, keys] = await this.#connection.call((redis) =>
        redis.scan(cursor, "MATCH", `${escapeGlob(`${prefix}cache:`)}${glob}@*`, "COUNT", SCAN_COUNT),
      );
      if (keys.length > 0) deleted += await this.#connection.call((redis) => redis.unlink(...keys));
      cursor = next;
    } while (cursor !== "0");
    return deleted;
  }

  #key(prefix: string, key: string): string {
    return `${prefix}cache:${key}${this.#suffix}`;
  }

  async #attempt<T>(work: (redis: RedisConnection["redis"], prefix: string) => Promise<T>): Promise<T | undefined> {
    const prefix = this.#fence.prefix();
    if (prefix === undefined) return undefined;
    try {
      const result = await this.#connection.call((redis) => work(redis, prefix));
      return this.#fence.prefix() === prefix ? result : undefined;
    } catch (error) {
      if (!(error instanceof RedisUnavailableError)) this.#logger.warn({ err: error }, "the cache in Redis failed");
      return undefined;
    }
  }
}

/** Takes the meaning from `*`, `?`, `[`, `]` and `\` in a Redis pattern. */
export function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\]/g, "\\$&");
}

/** One line of what belongs to the entry, then the text as it is, so that reading it parses nothing large. */
function encode({ text, etag, stamp, freshUntil }: CacheEntry): string {
  return `${JSON.stringify([etag, stamp, freshUntil])}\n${text}`;
}

function decode(stored: string): CacheEntry {
  const end = stored.indexOf("\n");
  const [etag, stamp, freshUntil] = JSON.parse(stored.slice(0, end)) as [string, string, number];
  return { text: stored.slice(end + 1), etag, stamp, freshUntil };
}
