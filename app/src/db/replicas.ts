import type { QueryResult } from "pg";
import type { DatabaseFigures, Queries, ReplicaFigures, SqlValue, WriteMark } from "./database";
import { isConflict, isLoss, isRefusal } from "./postgres-errors";
import { PostgresPool, type PostgresConnection, type PostgresPoolOptions } from "./postgres-pool";
import { isRead, numberedParameters } from "./postgres-sql";
import { PrimaryHistory } from "./replica-lag";
import { markNumber, UNSEEN } from "./write-mark";

/** Which replicas there are and when one may be read. Times are milliseconds. */
export interface ReplicaOptions {
  /** One entry a server. A balancer in front of several would hide which of them has seen a write. */
  readonly servers: readonly PostgresPoolOptions[];
  /** Time between two looks at health and lag. @default 500 */
  readonly checkMs?: number;
  /** A replica further behind is left alone (feature E10). @default 5000 */
  readonly maxLagMs?: number;
  /** Told when a replica becomes usable or stops being so. */
  readonly onChange?: (replica: string, healthy: boolean, why: string) => void;
}

const defaults = { checkMs: 500, maxLagMs: 5000 } as const;

/** A look at a server that takes longer finds it down, ms. */
const LONGEST_CHECK_MS = 1000;

/** A replica that has been promoted has no replay position any more; everything it has is its own. */
const REPLICA_POSITION = "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS mark";

/** Asks the primary where its log stands; fails after the deadline. */
export type AskPrimary = (deadlineMs: number) => Promise<WriteMark>;

/**
 * The read replicas, in turn. Health and lag are measured beside the requests: a read only looks at what the last round found, and whoever
 * finds a replica broken tells the others. What no replica can answer, the primary does.
 */
export class ReplicaSet {
  readonly #replicas: readonly Replica[];
  readonly #options: ReplicaOptions & { readonly checkMs: number; readonly maxLagMs: number };
  readonly #askPrimary: AskPrimary;
  readonly #history = new PrimaryHistory();
  readonly #fallbacks = { behind: 0, unhealthy: 0, failed: 0 };
  #next = 0;
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #closed = false;
  #mark: WriteMark | undefined;
  /** A write whose position could not be learnt: until the next one, only the primary is known to have it. */
  #unmarked = false;

  constructor(options: ReplicaOptions, askPrimary: AskPrimary) {
    this.#options = { ...defaults, ...options };
    this.#askPrimary = askPrimary;
    this.#replicas = options.servers.map((server) => new Replica(server));
  }

  /** See {@link ReplicaOptions.maxLagMs}. */
  get maxLagMs(): number {
    return this.#options.maxLagMs;
  }

  /** Looks at all for the first time, then again and again until {@link close}. Until then reads go to the primary. */
  async start(): Promise<void> {
    await this.#check();
    await Promise.all(this.#replicas.map(({ pool }) => pool.warm()));
    this.#schedule();
  }

  /** Remembers the newest write; `undefined` when its position is not known. */
  wrote(mark: WriteMark | undefined): void {
    this.#unmarked = mark === undefined;
    if (mark !== undefined && (this.#mark === undefined || markNumber(mark) > markNumber(this.#mark))) this.#mark = mark;
  }

  writeMark(): WriteMark | undefined {
    return this.#unmarked ? UNSEEN : this.#mark;
  }

  /**
   * Reads from one replica, the same for all statements, so that a later one never sees less than an earlier one; from the first failure
   * of the replica on, from the primary.
   */
  reader(primary: Queries, afterWrite: WriteMark | undefined): Queries {
    const replica = this.#choose(afterWrite);
    if (replica === undefined) return primary;
    let failed = false;
    const read = async (sql: string, parameters?: readonly SqlValue[]): Promise<QueryResult | undefined> => {
      if (failed || !isRead(sql)) return undefined;
      try {
        return await replica.read(sql, parameters);
      } catch (error) {
        if (!isLoss(error) && !isRefusal(error) && !isConflict(error)) throw error;
        // Whoever has had an answer of the primary sees no less in the next one.
        failed = true;
        // In the way of replay is the statement's bad luck, not the replica's fault.
        if (!isConflict(error)) this.#judge(replica, false, (error as Error).message);
        this.#fallbacks.failed += 1;
        return undefined;
      }
    };
    return {
      all: async <Row extends object>(sql: string, parameters?: readonly SqlValue[]) => {
        const result = await read(sql, parameters);
        return result === undefined ? primary.all<Row>(sql, parameters) : (result.rows as Row[]);
      },
      get: async <Row extends object>(sql: string, parameters?: readonly SqlValue[]) => {
        const result = await read(sql, parameters);
        return result === undefined ? primary.get<Row>(sql, parameters) : (result.rows[0] as Row | undefined);
      },
      run: (sql, parameters) => primary.run(sql, parameters),
    };
  }

  figures(): Pick<DatabaseFigures, "replicas" | "fallbacks"> {
    return { replicas: this.#replicas.map((replica) => replica.figures()), fallbacks: { ...this.#fallbacks } };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#round;
    await Promise.all(this.#replicas.map(({ pool }) => pool.close()));
  }

  #choose(afterWrite: WriteMark | undefined): Replica | undefined {
    const healthy = this.#replicas.filter((replica) => replica.healthy);
    const after = afterWrite === undefined ? undefined : markNumber(afterWrite);
    const eligible = after === undefined ? healthy : healthy.filter((replica) => replica.position >= after);
    const chosen = eligible[this.#next++ % Math.max(1, eligible.length)];
    if (chosen === undefined) this.#fallbacks[healthy.length === 0 ? "unhealthy" : "behind"] += 1;
    return chosen;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#round = this.#check().then(() => this.#schedule());
    }, this.#options.checkMs);
  }

  /** Never rejects: what it finds out is in the replicas. */
  async #check(): Promise<void> {
    const asked = performance.now();
    const positions = this.#replicas.map((replica) => replica.look(LONGEST_CHECK_MS));
    try {
      this.#history.record(asked, markNumber(await this.#askPrimary(LONGEST_CHECK_MS)));
    } catch {
      // Its own pool tells about a primary that is away; replicas go on being read, and are as far as the primary was last seen.
    }
    await Promise.all(
      this.#replicas.map(async (replica, index) => {
        const problem = await positions[index];
        if (problem !== undefined) {
          this.#judge(replica, false, problem);
          // Whoever still waits for this server would wait until the deadline.
          replica.pool.cut();
          return;
        }
        const lagMs = this.#history.lag(replica.position, performance.now());
        replica.lagMs = lagMs;
        this.#judge(replica, lagMs <= this.#options.maxLagMs, `${Math.round(lagMs)} ms behind the primary`);
      }),
    );
  }

  #judge(replica: Replica, healthy: boolean, why: string): void {
    if (!healthy) replica.lastError = why;
    if (replica.healthy === healthy) return;
    replica.healthy = healthy;
    this.#options.onChange?.(replica.pool.name, healthy, why);
  }
}

/** One replica: its pool, and what is known of it. */
class Replica {
  readonly pool: PostgresPool;
  healthy = false;
  /** How far it had come when it was last looked at. */
  position = 0n;
  lagMs: number | undefined;
  lastError: string | undefined;
  #latencyMs: number | undefined;
  #reads = 0;
  #failures = 0;

  constructor(server: PostgresPoolOptions) {
    this.pool = new PostgresPool(server);
  }

  async read(sql: string, parameters?: readonly SqlValue[]): Promise<QueryResult> {
    this.#reads += 1;
    try {
      return await this.pool.use((connection) => connection.query(numberedParameters(sql), parameters));
    } catch (error) {
      this.#failures += 1;
      throw error;
    }
  }

  /** Learns its position; resolves with what is wrong with it, if anything. */
  async look(deadlineMs: number): Promise<string | undefined> {
    const start = performance.now();
    try {
      const ask = (connection: PostgresConnection): Promise<QueryResult> => connection.query(REPLICA_POSITION, [], deadlineMs);
      const { rows } = await this.pool.use(ask);
      const mark = (rows[0] as { mark: WriteMark | null }).mark;
      this.#latencyMs = performance.now() - start;
      if (mark === null) return "it has not replayed anything yet";
      this.position = markNumber(mark);
      return undefined;
    } catch (error) {
      this.#latencyMs = undefined;
      this.lagMs = undefined;
      return (error as Error).message;
    }
  }

  figures(): ReplicaFigures {
    const rounded = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value * 100) / 100);
    return {
      name: this.pool.name,
      healthy: this.healthy,
      lagMs: rounded(this.lagMs),
      latencyMs: rounded(this.#latencyMs),
      reads: this.#reads,
      failures: this.#failures,
      lastError: this.lastError ?? null,
      pool: this.pool.figures,
    };
  }
}
