import type { Logger } from "../observability/logger";
import type { RedisConnection } from "./client";
import type { RedisConfig } from "./config";

/** The Redis servers of one worker. Eviction policy is per server, so cache and limits are two (data-plane.md); small stacks share one. */
export interface RedisConnections {
  /** Cache, sessions, pub/sub. */
  readonly cache: RedisConnection | undefined;
  /** Rate limits and job queues: nothing there may be evicted. */
  readonly limits: RedisConnection | undefined;
}

/** Connects to the configured servers; waits at most 1 s for them, because a worker serves without them as well. */
export async function connectRedis({ url, limitsUrl, ca, commandTimeoutMs }: RedisConfig, logger: Logger): Promise<RedisConnections> {
  if (url === undefined && limitsUrl === undefined) return { cache: undefined, limits: undefined };
  // ten megabytes in every worker that the smallest phase does without
  const client = await import("./client.js");
  const connect = (name: string, target: string | undefined): RedisConnection | undefined =>
    target === undefined ? undefined : new client.RedisConnection({ url: target, ca, name, commandTimeoutMs, logger });
  const cache = connect("cache", url);
  // One server, one connection: what a request asks of both then leaves in one write and comes back in one read.
  const limits = limitsUrl === url ? cache : connect("limits", limitsUrl);
  await Promise.all([cache?.started(), limits?.started()]);
  return { cache, limits };
}

export async function closeRedis({ cache, limits }: RedisConnections): Promise<void> {
  await Promise.all([cache?.close(), limits === cache ? undefined : limits?.close()]);
}
