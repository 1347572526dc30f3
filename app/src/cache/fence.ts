import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";
import type { RedisConnection } from "../redis/client";

const defaults = {
  /** How often the epoch is read; ms. The longest that a process which can reach Redis misses that another one cannot. */
  pollMs: 1000,
  /** Without a look at the database for this long, Redis is not believed any more; ms. Longer than a failover of the database takes. */
  leaseMs: 15_000,
} as const;

interface FenceRow {
  readonly epoch: number;
  readonly runId: string;
}

const READ = `SELECT epoch AS "epoch", run_id AS "runId" FROM redis_fence WHERE id = 1`;
const RAISE = "UPDATE redis_fence SET epoch = epoch + 1 WHERE id = 1";
/** The first of all processes to notice a restart raises the epoch; for the others there is nothing left to change. */
const RESTARTED = "UPDATE redis_fence SET epoch = epoch + 1, run_id = ? WHERE id = 1 AND run_id <> ?";

/** How a {@link RedisFence} is put together. */
export interface FenceOptions {
  readonly database: Database;
  readonly connection: RedisConnection;
  readonly logger: Logger;
  /** Keys begin with it; two apps on one server keep apart by it. */
  readonly appName: string;
  /** @default 1000 */
  readonly pollMs?: number;
}

/**
 * Keeps Redis from bringing back what the database says is over. What cannot be deleted there, because Redis is away, must never be
 * read again, by whichever process and whenever Redis returns, also when it returns with less than it had (a crash loses up to a second).
 *
 * Every key of sessions and cache holds an epoch, kept in the database. Who cannot delete raises it: what is under the old one is
 * out of reach for good and expires. Redis is believed only after the epoch was read since the connection was made; a Redis process
 * other than the last one known raises it as well.
 */
export class RedisFence {
  readonly #options: FenceOptions;
  readonly #stopListening: () => void;
  readonly #timer: NodeJS.Timeout;
  #epoch: number | undefined;
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
    return `${this.#options.appName}:${this.#epoch}:`;
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
  }

  async #read(): Promise<string> {
    const readAt = performance.now();
    const row = await this.#options.database.get<FenceRow>(READ);
    if (row === undefined) throw new Error("The table redis_fence has no row.");
    // Answers may arrive in another order than the questions left; the epoch only grows.
    if (this.#epoch === undefined || row.epoch >= this.#epoch) this.#epoch = row.epoch;
    this.#readAt = Math.max(this.#readAt, readAt);
    return row.runId;
  }

  async #verify(): Promise<void> {
    const { connection, database, logger } = this.#options;
    const verifying = this.#connection;
    try {
      const runId = runIdOf(await connection.call((redis) => redis.info("server")));
      if ((await this.#read()) !== runId) {
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
