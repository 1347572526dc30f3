import type Docker from "dockerode";
import { z } from "zod";
import { execIn } from "../lib/docker";
import { messageOf } from "../lib/errors";
import { interrupted } from "../lib/interrupt";
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
  /** Replicas that the worker does not read, as they are away or too far behind; absent where there are none. */
  readonly unfitReplicas?: readonly string[];
}

const poolSchema = z.object({ usage: z.number() });
const reportSchema = z.object({
  components: z.object({
    database: z.object({
      pool: poolSchema.optional(),
      replicas: z
        .array(z.object({ name: z.string(), healthy: z.boolean(), primary: z.boolean(), lagMs: z.number().nullable(), pool: poolSchema }))
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
  const unfit = database.replicas.filter(({ primary, healthy }) => !primary && !healthy).map(({ name }) => name);
  return {
    at,
    eventLoopMs: eventLoop.delayP99Ms,
    ...(pools.length > 0 && { pool: Math.max(...pools.map(({ usage }) => usage)) }),
    ...(lags.length > 0 && { replicaLagMs: Math.max(...lags) }),
    ...(unfit.length > 0 && { unfitReplicas: unfit }),
  };
}

/** Looks at the app once a second, beside the load and not counted as part of it. */
export class Watch {
  readonly samples: Sample[] = [];
  /** Of looks that were not answered, or not with a report: seconds from the beginning. */
  readonly missed: number[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;

  constructor(http: HttpClient) {
    const started = performance.now();
    this.#timer = setInterval(() => {
      const look = this.#look(http, (performance.now() - started) / 1000).finally(() => this.#underWay.delete(look));
      this.#underWay.add(look);
    }, LOOK.everyMs);
  }

  /** Ends it, and waits for looks that are under way: those that an app that hangs does not answer would not be counted. Not after Ctrl-C. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    if (!interrupted.aborted) await Promise.all(this.#underWay);
  }

  async #look(http: HttpClient, at: number): Promise<void> {
    try {
      const sample = sampleOf((await http.ask("/api/health/full", { timeoutMs: LOOK.timeoutMs })).json(), at);
      if (sample === undefined) this.missed.push(at);
      else this.samples.push(sample);
    } catch {
      // The load itself tells why requests are not answered.
      this.missed.push(at);
    }
  }
}

/** Answers of the caches of one instance since it started. */
export interface CacheCounts {
  readonly hits: number;
  readonly misses: number;
}

/** Figures that an instance did not tell, and why. */
export interface Unread {
  readonly reason: string;
}

const cacheSchema = z.object({
  instance: z.object({ hits: z.number(), sharedHits: z.number(), stale: z.number(), misses: z.number() }),
});

/**
 * Asks every instance, from inside its container: requests through the load balancer would reach any of them.
 * @returns the counts of each in the given order, or the reason where one does not tell.
 */
export async function cacheCounts(apps: readonly Docker.Container[]): Promise<readonly CacheCounts[] | Unread> {
  try {
    return await Promise.all(apps.map(countsOf));
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

async function countsOf(app: Docker.Container): Promise<CacheCounts> {
  // The image has no HTTP client but Node; bash opens the connection itself in a hundredth of the time.
  const script =
    "exec 3<>/dev/tcp/127.0.0.1/${PORT:-3001} && printf 'GET /api/health/cache HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && cat <&3";
  const { exitCode, stdout, stderr } = await execIn(app, ["bash", "-c", script]);
  if (exitCode !== 0) throw new Error(stderr.trim().slice(0, 160));
  const { hits, sharedHits, stale, misses } = figuresIn(stdout);
  return { hits: hits + sharedHits + stale, misses };
}

function figuresIn(answer: string): z.infer<typeof cacheSchema>["instance"] {
  try {
    return cacheSchema.parse(JSON.parse(answer.slice(answer.indexOf("{")))).instance;
  } catch {
    // What JSON and schema say of it is pages long, and the first line tells more.
    throw new Error(`/api/health/cache answers ${JSON.stringify(answer.split(/\r?\n/, 1)[0] ?? "")} without figures of a cache`);
  }
}
