import type { Database } from "../db/database";
import type { Logger } from "../observability/logger";

/** The database's time is asked for this often; ms. Between two answers a monotonic clock counts, which drifts far less than that matters. */
const SYNC_INTERVAL_MS = 60_000;

/** The database's clock as ISO 8601 text in UTC. */
const NOW: Readonly<Record<Database["kind"], string>> = {
  sqlite: "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now') AS now",
  postgres: `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS now`,
};

/**
 * One time for all instances: the database's. An instance whose own clock is wrong, or jumps, would otherwise end other instances'
 * sessions or let its own live on.
 */
export class SharedClock {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  /** The database's time when this process's monotonic clock stood at zero; ms since 1970. */
  #origin: number;

  private constructor(database: Database, logger: Logger, origin: number) {
    this.#database = database;
    this.#logger = logger;
    this.#origin = origin;
    this.#timer = setInterval(() => void this.#sync(), SYNC_INTERVAL_MS).unref();
  }

  /** Asks the database once, so that the first request already has the right time. @throws the database's error. */
  static async start(database: Database, logger: Logger): Promise<SharedClock> {
    return new SharedClock(database, logger, await readOrigin(database));
  }

  /** Milliseconds since 1970. */
  readonly now = (): number => Math.round(this.#origin + performance.now());

  stop(): void {
    clearInterval(this.#timer);
  }

  async #sync(): Promise<void> {
    try {
      this.#origin = await readOrigin(this.#database);
    } catch (error) {
      this.#logger.warn({ err: error }, "the database did not tell its time; going on with this process's monotonic clock");
    }
  }
}

async function readOrigin(database: Database): Promise<number> {
  const asked = performance.now();
  const row = await database.get<{ now: string }>(NOW[database.kind]);
  const answered = performance.now();
  // The answer is as old as half the way there and back.
  return Date.parse(row?.now ?? "") - (asked + answered) / 2;
}
