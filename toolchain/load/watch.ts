import type Docker from "dockerode";
import { z } from "zod";
import { execIn } from "../lib/docker";
import { messageOf } from "../lib/errors";
import type { HttpClient } from "../verify/http";

/** Between two looks, and the longest wait for one, in milliseconds. */
const LOOK = { everyMs: 1000, timeoutMs: 5000 } as const;

/** What one worker of the app said of itself while the load ran; the load balancer chooses which. */
export interface Sample {
  /** Seconds from the beginning. */
  readonly at: number;
  /** Share of the fullest pool's connections in use, averaged over 5 s; absent without pools. */
  readonly pool?: number;
  /** p99 by which the worker's timers were late, ms. */
  readonly eventLoopMs?: number;
  /** Of the replica that is furthest behind, ms; absent without replicas. */
  readonly replicaLagMs?: number;
}

const poolSchema = z.object({ usage: z.number() });
const reportSchema = z.object({
  components: z.object({
    database: z.object({
      pool: poolSchema.optional(),
      replicas: z
        .array(z.object({ healthy: z.boolean(), primary: z.boolean(), lagMs: z.number().nullable(), pool: poolSchema }))
        .default([]),
    }),
    eventLoop: z.object({ delayP99Ms: z.number() }),
  }),
});

/** Reads `/api/health/full`. @returns `undefined` when it is none: an app of the user's own may have another. */
export function sampleOf(report: unknown, at: number): Sample | undefined {
  const parsed = reportSchema.safeParse(report);
  if (!parsed.success) return undefined;
  const { database, eventLoop } = parsed.data.components;
  const pools = [...(database.pool === undefined ? [] : [database.pool]), ...database.replicas.map(({ pool }) => pool)];
  const lags = database.replicas.flatMap(({ primary, lagMs }) => (primary || lagMs === null ? [] : [lagMs]));
  return {
    at,
    eventLoopMs: eventLoop.delayP99Ms,
    ...(pools.length > 0 && { pool: Math.max(...pools.map(({ usage }) => usage)) }),
    ...(lags.length > 0 && { replicaLagMs: Math.max(...lags) }),
  };
}

/** Looks at the app once a second, beside the load and not counted as part of it. */
export class Watch {
  readonly samples: Sample[] = [];
  /** Looks that were not answered, or not with a report. */
  missed = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(http: HttpClient) {
    const started = performance.now();
    this.#timer = setInterval(() => void this.#look(http, (performance.now() - started) / 1000), LOOK.everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(http: HttpClient, at: number): Promise<void> {
    try {
      const sample = sampleOf((await http.ask("/api/health/full", { timeoutMs: LOOK.timeoutMs })).json(), at);
      if (sample === undefined) this.missed += 1;
      else this.samples.push(sample);
    } catch {
      // The load itself counts what is not answered; a look that fails is a gap in a plot.
      this.missed += 1;
    }
  }
}

/** Answers of the caches of all instances since they started. */
export interface CacheCounts {
  readonly hits: number;
  readonly misses: number;
}

const cacheSchema = z.object({
  instance: z.object({ hits: z.number(), sharedHits: z.number(), stale: z.number(), misses: z.number() }),
});

/**
 * Asks every instance, from inside its container: requests through the load balancer would reach any of them.
 * @returns `undefined` with the reason where an instance does not tell: an image of the user's own, perhaps.
 */
export async function cacheCounts(apps: readonly Docker.Container[]): Promise<CacheCounts | { readonly reason: string }> {
  try {
    const counts = await Promise.all(apps.map(countsOf));
    return {
      hits: counts.reduce((sum, { hits }) => sum + hits, 0),
      misses: counts.reduce((sum, { misses }) => sum + misses, 0),
    };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

async function countsOf(app: Docker.Container): Promise<CacheCounts> {
  // The image has no HTTP client but Node; bash opens the connection itself in a hundredth of the time.
  const script =
    "exec 3<>/dev/tcp/127.0.0.1/${PORT:-3001} && printf 'GET /api/health/cache HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && cat <&3";
  const { exitCode, stdout, stderr } = await execIn(app, ["bash", "-c", script]);
  if (exitCode !== 0) throw new Error(`the cache's figures cannot be read: ${stderr.trim().slice(0, 160)}`);
  const { hits, sharedHits, stale, misses } = cacheSchema.parse(JSON.parse(stdout.slice(stdout.indexOf("{")))).instance;
  return { hits: hits + sharedHits + stale, misses };
}

/** Share of reads that caches answered between two looks; `undefined` when there were none. */
export function hitRateBetween(before: CacheCounts, after: CacheCounts): number | undefined {
  const [hits, misses] = [after.hits - before.hits, after.misses - before.misses];
  return hits + misses <= 0 ? undefined : hits / (hits + misses);
}
