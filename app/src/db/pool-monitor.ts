import type { Logger } from "../observability/logger";
import type { Database, DatabaseFigures, PoolFigures } from "./database";
import { observeDatabase } from "./metrics";

/** How a pool is doing (feature D4). */
export interface PoolStatus extends PoolFigures {
  /** Share of the connections in use, averaged over the last seconds. */
  readonly usage: number;
  /** `critical` from 95 % on, `warning` from 80 % on or while requests wait for a connection. */
  readonly status: "ok" | "warning" | "critical";
}

/** Feature D4. */
export const POOL_THRESHOLDS = { warning: 0.8, critical: 0.95 } as const;

/** Time between two looks, ms. */
const INTERVAL_MS = 250;

/** Looks that are averaged: 5 s. A pool of four is often used up for a moment, and should be. */
const WINDOW = 20;

/** What a pool is called, for logs and metrics. */
export type PoolName = "primary" | `replica-${number}` | `shard-${string}`;

/** Watches the pools of one worker: reports when one gets full and when it has room again, and keeps its gauges. */
export class PoolMonitor {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #intervalMs: number;
  readonly #windows = new Map<PoolName, Window>();
  #timer: NodeJS.Timeout | undefined;

  /** @param intervalMs between two looks; tests take a shorter one. @default 250 */
  constructor(database: Database, logger: Logger, intervalMs = INTERVAL_MS) {
    this.#database = database;
    this.#logger = logger;
    this.#intervalMs = intervalMs;
  }

  /** Does nothing for a database without connections. */
  start(): void {
    if (this.#database.figures().pool === undefined) return;
    observeDatabase(this.#database, this);
    this.#look();
    this.#timer = setInterval(() => this.#look(), this.#intervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    observeDatabase(undefined, this);
  }

  /** The pool as it is now, judged by its last seconds. */
  status(name: PoolName, figures: PoolFigures): PoolStatus {
    const window = this.#windows.get(name);
    return { ...figures, usage: window?.usage ?? 0, status: window?.status ?? "ok" };
  }

  #look(): void {
    for (const [name, figures] of poolsOf(this.#database.figures())) {
      const window = this.#windows.get(name) ?? new Window();
      this.#windows.set(name, window);
      const before = window.status;
      window.add(figures);
      if (window.status === before) continue;
      const line = { pool: name, usage: Math.round(window.usage * 100) / 100, ...figures };
      if (window.status === "ok") this.#logger.info(line, "the connection pool has room again");
      else if (window.status === "warning") this.#logger.warn(line, "the connection pool is getting full");
      else this.#logger.error(line, "the connection pool is full");
    }
  }
}

/** Every pool with its name. */
export function poolsOf({ pool, shardPools = {}, replicas }: DatabaseFigures): [name: PoolName, figures: PoolFigures][] {
  return [
    ...(pool === undefined ? [] : [["primary", pool] as [PoolName, PoolFigures]]),
    ...Object.entries(shardPools).map(([name, figures]): [PoolName, PoolFigures] => [`shard-${name}`, figures]),
    ...replicas.map((replica, index): [PoolName, PoolFigures] => [`replica-${index + 1}`, replica.pool]),
  ];
}

/** The last looks at one pool. */
class Window {
  status: PoolStatus["status"] = "ok";
  usage = 0;
  readonly #looks: { readonly usage: number; readonly waiting: boolean }[] = [];

  add({ inUse, max, waiting }: PoolFigures): void {
    this.#looks.push({ usage: inUse / max, waiting: waiting > 0 });
    if (this.#looks.length > WINDOW) this.#looks.shift();
    this.usage = this.#looks.reduce((sum, look) => sum + look.usage, 0) / this.#looks.length;
    this.status = judgePool(this.usage, this.#looks.filter((look) => look.waiting).length / this.#looks.length);
  }
}

/**
 * @param usage mean share of connections in use.
 * @param waiting share of the time in which requests waited: half of it and more is a pool that is too small.
 */
export function judgePool(usage: number, waiting: number): PoolStatus["status"] {
  if (usage >= POOL_THRESHOLDS.critical) return "critical";
  return usage >= POOL_THRESHOLDS.warning || waiting >= 0.5 ? "warning" : "ok";
}
