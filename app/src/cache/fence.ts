import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";

const defaults = {
  /** How often the epoch is read; ms. The longest that a process which can reach Redis misses that another one cannot. */
  pollMs: 1000,
  /** Without a look at the database for this long, Redis is not believed any more; ms. Longer than a failover of the database takes. */
  leaseMs: 15_000,
  /** How often the active region says that it believes its Redis; ms. */
  beatMs: 5000,
  /** Silence of the active region after which the one that stands by believes its own Redis; ms. Longer than the lease. */
  silenceMs: 30_000,
} as const;

/** With two regions on one database, each with a Redis of its own: whether this one is where requests go, or stands by. */
export type RedisSite = "active" | "standby";

interface FenceRow {
  readonly epoch: number;
  readonly runId: string;
  readonly beat: number;
}

const READ = `SELECT epoch AS "epoch", run_id AS "runId", beat AS "beat" FROM redis_fence WHERE id = 1`;
const RAISE = "UPDATE redis_fence SET epoch = epoch + 1 WHERE id = 1";
/** The first of all processes to notice a restart raises the epoch; for the others there is nothing left to change. */
const RESTARTED = "UPDATE redis_fence SET epoch = epoch + 1, run_id = ? WHERE id = 1 AND run_id <> ?";

/** One process of a region does it for all. */
const BEAT = "UPDATE redis_fence SET beat = beat + 1 WHERE id = 1 AND beat = ?";
/** Only if nothing was heard of the active region until now. */
const STEP_IN = "UPDATE redis_fence SET epoch = epoch + 1, run_id = ? WHERE id = 1 AND beat = ? AND run_id = ?";

/** How a {@link RedisFence} is put together. */
export interface FenceOptions {
  readonly database: Database;
  readonly connection: RedisConnection;
  readonly logger: Logger;
  /** Keys begin with it; two apps on one server keep apart by it. */
  readonly appName: string;
  /** @default undefined: there is one Redis only */
  readonly site?: RedisSite | undefined;
  /** @default 1000 */
  readonly pollMs?: number;
  /** @default 5000 */
  readonly beatMs?: number;
  /** @default 30000 */
  readonly silenceMs?: number;
}

/**
 * Keeps Redis from bringing back what the database says is over. What cannot be deleted there, because Redis is away, must never be
 * read again, by whichever process and whenever Redis returns, also when it returns with less than it had (a crash loses up to a second).
 *
 * Every key of sessions and cache holds an epoch, kept in the database. Who cannot delete raises it: what is under the old one is
 * out of reach for good and expires. Redis is believed only after the epoch was read since the connection was made; a Redis process
 * other than the last one known raises it as well.
 *
 * A change is told to one Redis only. So of two regions one believes its own, the last one known, and the other goes by the database: what
 * it changes raises the epoch, as if Redis were away. It steps in when the active region has been silent, and gives way, within a second, when
 * that one is back.
 */
export class RedisFence {
  readonly #options: FenceOptions;
  readonly #stopListening: () => void;
  readonly #timer: NodeJS.Timeout;
  #epoch: number | undefined;
  /** The row when it was read last. */
  #row: FenceRow | undefined;
  /** `performance.now()` since when neither beat nor run id have been others. */
  #silentSince = performance.now();
  /** Of the Redis this process is connected to. */
  #ownRunId: string | undefined;
  /** `performance.now()` of the last look at the database. */
  #readAt = -Infinity;
  /** The connection whose server was compared with the last one known; counts up with every connection. */
  #connection = 0;
  #verifiedConnection = -1;
  #raising: Promise<void> | undefined;
  #raiseNext: Promise<void> | undefined;
  /** Something is in Redis that must not be read, and the epoch above it is not known yet: Redis is not believed. */
  #owed = false;
  #closed = false;
  readonly #onLost = (): void => {
    this.#connection += 1;
  };

  constructor(options: FenceOptions) {
    this.#options = options;
    options.connection.redis.on("close", this.#onLost);
    this.#stopListening = options.connection.onAvailable(() => void this.#verify());
    this.#timer = setInterval(() => void this.#poll(), options.pollMs ?? defaults.pollMs).unref();
  }

  /** Resolves once Redis is believed, or it is clear that it cannot be asked now. */
  async started(): Promise<void> {
    if (this.#options.connection.available()) await this.#verify();
  }

  /** What keys begin with; `undefined` while Redis is away or not to be believed. */
  prefix(): string | undefined {
    if (this.#owed || this.#epoch === undefined || this.#verifiedConnection !== this.#connection || !this.#options.connection.available())
      return undefined;
    if (performance.now() - this.#readAt > defaults.leaseMs) return undefined;
    if (this.#options.site !== undefined && this.#row?.runId !== this.#ownRunId) return undefined;
    return `${this.#options.appName}:${this.#epoch}:`;
  }

  /** Whether this region leaves it to the other one to believe its Redis. */
  standsBy(): boolean {
    return this.#options.site === "standby" && this.#row !== undefined && this.#row.runId !== this.#ownRunId;
  }

  /**
   * Puts everything that Redis holds out of reach, for all processes: at once for those that have lost it too, within a second for
   * others. Callers at the same time share one write.
   * @throws the database's error. Then this process believes Redis no more until a later attempt of its own succeeds.
   */
  raise(): Promise<void> {
    this.#owed = true;
    if (this.#raising === undefined) return (this.#raising = this.#raise());
    // One that runs already may have been committed before this caller's reason came about.
    this.#raiseNext ??= this.#raising.then(
      () => this.#raiseAgain(),
      () => this.#raiseAgain(),
    );
    return this.#raiseNext;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#stopListening();
    this.#options.connection.redis.off("close", this.#onLost);
  }

  #raiseAgain(): Promise<void> {
    this.#raiseNext = undefined;
    return (this.#raising = this.#raise());
  }

  async #raise(): Promise<void> {
    try {
      await this.#options.database.run(RAISE);
      await this.#read();
      if (this.#raiseNext === undefined) this.#owed = false;
    } finally {
      if (this.#raiseNext === undefined) this.#raising = undefined;
    }
  }

  async #poll(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#owed && this.#raising === undefined) await this.raise();
      else await this.#read();
    } catch (error) {
      this.#options.logger.warn({ err: error }, "the epoch of Redis cannot be read");
      return;
    }
    // What failed when the connection was made is tried again.
    if (this.#verifiedConnection !== this.#connection && this.#options.connection.available()) await this.#verify();
    if (this.#options.site !== undefined) await this.#takeTurns(this.#options.site);
  }

  /** Says that this region's Redis is believed, or sees whether it is its turn. */
  async #takeTurns(site: RedisSite): Promise<void> {
    const { connection, database, logger, beatMs = defaults.beatMs, silenceMs = defaults.silenceMs } = this.#options;
    const [row, own] = [this.#row, this.#ownRunId];
    if (row === undefined || own === undefined || this.#verifiedConnection !== this.#connection || !connection.available()) return;
    const silentMs = performance.now() - this.#silentSince;
    try {
      if (row.runId === own) {
        if (site === "active" && silentMs >= beatMs) await database.run(BEAT, [row.beat]);
      } else if (site === "active") {
        await this.#verify();
      } else if (silentMs >= silenceMs && (await database.run(STEP_IN, [own, row.beat, row.runId])) === 1) {
        await this.#read();
        logger.warn({ redis: connection.name, epoch: this.#epoch }, "the active region is silent: this region's Redis is used");
      }
    } catch (error) {
      if (!this.#closed) logger.warn({ err: error, redis: connection.name }, "the regions could not agree whose Redis is used");
    }
  }

  async #read(): Promise<string> {
    const readAt = performance.now();
    const row = await this.#options.database.get<FenceRow>(READ);
    if (row === undefined) throw new Error("The table redis_fence has no row.");
    // Answers may arrive in another order than the questions left; the epoch only grows.
    if (this.#epoch === undefined || row.epoch >= this.#epoch) {
      this.#epoch = row.epoch;
      this.#heard(row);
    }
    this.#readAt = Math.max(this.#readAt, readAt);
    return row.runId;
  }

  /** Of two rows of one epoch the one with more beats is the later one. */
  #heard(row: FenceRow): void {
    const last = this.#row;
    if (last?.epoch === row.epoch && last.beat > row.beat) return;
    if (last?.runId !== row.runId || last.beat !== row.beat) this.#silentSince = performance.now();
    this.#row = row;
  }

  async #verify(): Promise<void> {
    const { connection, database, logger, site } = this.#options;
    const verifying = this.#connection;
    try {
      const runId = runIdOf(await connection.call((redis) => redis.info("server")));
      this.#ownRunId = runId;
      // Who stands by waits for its turn.
      if ((await this.#read()) !== runId && site !== "standby") {
        await database.run(RESTARTED, [runId, runId]);
        await this.#read();
        logger.info({ redis: connection.name, epoch: this.#epoch }, "another Redis process than before: what it holds is not used");
      }
      this.#verifiedConnection = verifying;
    } catch (error) {
      if (!this.#closed)
        logger.warn({ err: error, redis: connection.name }, "Redis is not used yet: it could not be compared with the database");
    }
  }
}

function runIdOf(info: string): string {
  const runId = /^run_id:([0-9a-f]+)/m.exec(info)?.[1];
  if (runId === undefined) throw new Error("INFO of Redis has no run_id.");
  return runId;
}
