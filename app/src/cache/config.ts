import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";
import { Cache, CACHE_STALE_MS } from "./cache";
import type { RedisFence } from "./fence";
import { DatabaseGenerations, RedisGenerations } from "./generations";
import { CachePublisher } from "./publisher";
import { RedisLevel } from "./redis-level";

/** Settings of the cache (features C5, B6, E2, E11). */
export interface CacheConfig {
  /** CACHE_MAX_ENTRIES in the memory of one worker; 0 switches the cache off; @default 50000 */
  readonly maxEntries: number;
  /** CACHE_MAX_MB, what these may take at most, in MiB; @default 32 */
  readonly maxMb: number;
  /** CACHE_TTL_MS; @default 300000 */
  readonly ttlMs: number;
  /** CACHE_WARM_COMPANIES: of that many companies, the busiest of the last hour, the first pages are read after the start; @default 20 */
  readonly warmCompanies: number;
}

/** What {@link createCache} needs. */
export interface CacheServices {
  readonly config: CacheConfig;
  readonly appName: string;
  /** Versions do not share entries. */
  readonly appVersion: string;
  readonly database: Database;
  readonly redis: RedisConnection | undefined;
  /** Of `redis`. */
  readonly fence: RedisFence | undefined;
  readonly now: () => number;
  readonly logger: Logger;
}

/** The cache of one worker: in memory, and in Redis when there is one. Its database's changes invalidate it from now on. */
export function createCache({ config, appName, appVersion, database, redis, fence, now, logger }: CacheServices): Cache {
  const shared =
    redis === undefined || fence === undefined
      ? undefined
      : {
          level: new RedisLevel(redis, fence, logger, CACHE_STALE_MS, now, appVersion),
          generations: new RedisGenerations(redis, fence, logger),
          publisher: new CachePublisher(redis, appName, logger),
        };
  const { maxEntries, maxMb, ttlMs } = config;
  return new Cache({
    ...{ maxEntries, maxBytes: maxMb * 1024 ** 2, ttlMs, now, logger, database },
    ...{ generations: new DatabaseGenerations(database), ...(shared && { redis: shared }) },
  });
}
