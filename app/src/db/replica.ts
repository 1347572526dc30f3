import type { QueryResult } from "pg";
import type { ReplicaFigures, SqlValue, WriteMark } from "./database";
import { PostgresPool, type PostgresConnection, type PostgresPoolOptions } from "./postgres-pool";
import { numberedParameters } from "./postgres-sql";
import { markNumber } from "./write-mark";

/**
 * What a server is at the moment. Any of them can become the primary, and a primary a replica.
 * - `replica`: it follows the primary, and may be read.
 * - `primary`: it takes writes, and does not count as a replica.
 * - `unfit`: it cannot be read; why, is said beside it.
 */
export type Standing = "replica" | "primary" | "unfit";

/** What a look at a server found. */
export interface Finding {
  readonly standing: Standing;
  /** One phrase, for people. */
  readonly why: string;
}

/** Everybody may ask this: of a WAL receiver, only that there is one. */
const LOOK = `SELECT pg_is_in_recovery() AS standby, pg_last_wal_replay_lsn()::text AS mark,
  pg_postmaster_start_time()::text AS started, EXISTS (SELECT FROM pg_stat_wal_receiver) AS receiving`;

interface Looked {
  readonly standby: number;
  readonly mark: WriteMark | null;
  readonly started: string;
  readonly receiving: number;
}

/** One server that may be read: its pool, and what is known of it. */
export class Replica {
  readonly pool: PostgresPool;
  /** Nothing is known until it was looked at. */
  standing: Standing = "unfit";
  /** How far it had come when it was last looked at. */
  position = 0n;
  lagMs: number | undefined;
  lastError: string | undefined;
  /** The look under way. */
  looking: Promise<void> | undefined;
  /** Start of the server process that has been seen to follow a primary. */
  #following: string | undefined;
  #latencyMs: number | undefined;
  #reads = 0;
  #failures = 0;

  constructor(server: PostgresPoolOptions) {
    this.pool = new PostgresPool(server);
  }

  async read(sql: string, parameters?: readonly SqlValue[]): Promise<QueryResult> {
    this.#reads += 1;
    try {
      return await this.pool.use((connection) => connection.statement(numberedParameters(sql), parameters));
    } catch (error) {
      this.#failures += 1;
      throw error;
    }
  }

  /** Learns what it is and where it stands. */
  async look(deadlineMs: number): Promise<Finding> {
    const start = performance.now();
    try {
      const ask = (connection: PostgresConnection): Promise<QueryResult> => connection.query(LOOK, [], deadlineMs);
      const { rows } = await this.pool.use(ask);
      this.#latencyMs = performance.now() - start;
      return this.#judge(rows[0] as Looked);
    } catch (error) {
      this.#latencyMs = undefined;
      this.lagMs = undefined;
      return { standing: "unfit", why: (error as Error).message };
    }
  }

  figures(): ReplicaFigures {
    const rounded = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value * 100) / 100);
    return {
      name: this.pool.name,
      primary: this.standing === "primary",
      healthy: this.standing === "replica",
      lagMs: rounded(this.lagMs),
      latencyMs: rounded(this.#latencyMs),
      reads: this.#reads,
      failures: this.#failures,
      lastError: this.lastError ?? null,
      pool: this.pool.figures,
    };
  }

  #judge({ standby, mark, started, receiving }: Looked): Finding {
    if (standby === 0) {
      this.#following = undefined;
      this.lagMs = undefined;
      return { standing: "primary", why: "it is the primary" };
    }
    // A server that was the primary may hold writes that the new one never had, at positions where that has others: what it says about
    // its position counts only once it has been taken into the line. One that has followed, and lost its primary, has nothing of its own.
    if (receiving === 1) this.#following = started;
    if (this.#following !== started) return { standing: "unfit", why: "it does not follow a primary yet" };
    if (mark === null) return { standing: "unfit", why: "it has not replayed anything yet" };
    this.position = markNumber(mark);
    return { standing: "replica", why: "it follows the primary" };
  }
}
