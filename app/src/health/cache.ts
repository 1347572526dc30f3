import { hitRate } from "../cache/statistics";
import type { Container } from "../container";
import { parseMetrics } from "./metrics-summary";

/** `GET /api/health/cache` (feature E9): this worker's cache, and how often the caches of the instance answered. */
export async function cacheReport({ cache, redis, fence, instance, config }: Container) {
  const samples = parseMetrics(await instance.metricsText());
  const sum = (name: string, result?: string): number =>
    samples
      .filter((sample) => sample.name === name && (result === undefined || sample.labels["result"] === result))
      .reduce((total, { value }) => total + value, 0);
  const count = (result: string): number => sum("cache_requests_total", result);
  const [hits, sharedHits, misses, stale] = [count("hit"), count("shared_hit"), count("miss"), count("stale")];
  // A region that stands by does without its Redis as long as the active one has one.
  const isDegraded = redis.cache !== undefined && fence?.prefix() === undefined && !(fence?.standsBy() === true && redis.cache.available());
  return {
    enabled: cache.enabled,
    status: !cache.enabled ? "disabled" : isDegraded ? "degraded" : "ok",
    ttlMs: config.cache.ttlMs,
    worker: cache.stats(),
    instance: {
      ...{ size: sum("cache_entries"), bytes: sum("cache_bytes"), hits, sharedHits, misses, stale },
      hitRate: hitRate(hits + sharedHits + stale, misses),
    },
    shared:
      redis.cache === undefined ? { enabled: false } : { enabled: true, believed: fence?.prefix() !== undefined, ...redis.cache.status() },
  };
}
