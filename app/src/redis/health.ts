import type { ComponentStatus } from "../health/thresholds";
import type { RedisStatus } from "./client";
import type { RedisConnections } from "./index";

/** How the Redis servers are, for health reports (features D1, D11); without one configured there is nothing to report. */
export function redisHealth({ cache, limits }: RedisConnections): {
  readonly redis?: { readonly status: ComponentStatus } & Readonly<Record<string, ComponentStatus | RedisStatus>>;
} {
  const servers: Readonly<Record<string, RedisStatus>> = {
    ...(cache !== undefined && { cache: cache.status() }),
    ...(limits !== undefined && { limits: limits.status() }),
  };
  const states = Object.values(servers);
  if (states.length === 0) return {};
  // Every feature has its fallback (D12): without Redis the app is degraded, not down.
  return { redis: { status: states.every(({ state }) => state === "up") ? "ok" : "warning", ...servers } };
}
