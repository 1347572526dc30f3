import type { RedisConnection } from "../redis/client";
import { ClusterStore } from "./cluster-store";
import { FallbackStore } from "./fallback-store";
import { MemoryStore } from "./memory-store";
import { RedisStore } from "./redis-store";
import type { SampledLog } from "./sampled-log";
import type { LimitStore } from "./types";

/**
 * Redis for all instances if there is one, behind it the primary for this instance, behind that this process: each takes over from the
 * one before it while that does not answer.
 */
export function createLimitStore(redis: RedisConnection | undefined, clustered: boolean, log: SampledLog): LimitStore {
  const memory = new MemoryStore();
  const primary = new ClusterStore();
  const local = clustered
    ? new FallbackStore(primary, memory, {
        usable: () => primary.usable,
        failed: ({ message }) => log.warn("cluster", { reason: message }, "the primary did not count; this worker counts for itself"),
      })
    : memory;
  if (redis === undefined) return local;
  return new FallbackStore(new RedisStore(redis), local, {
    usable: () => redis.available(),
    failed: ({ message }) => log.warn("redis", { reason: message }, "redis did not count; this instance counts for itself"),
  });
}
