import type { QueryResult } from "pg";
import type { DatabaseFigures, Queries, SqlValue, WriteMark } from "./database";
import { isConflict, isLoss, isRefusal } from "./postgres-errors";
import type { PostgresPoolOptions } from "./postgres-pool";
import { isRead } from "./postgres-sql";
import { Replica, type Finding, type Standing } from "./replica";
import { PrimaryHistory } from "./replica-lag";
import { markNumber, UNSEEN } from "./write-mark";

/** Which replicas there are and when one may be read. Times are milliseconds. */
export interface ReplicaOptions {
  /**
   * One entry a server, also the one that is the primary now: each look finds out which that is, and it is not read as a replica. A
   * balancer in front of several would hide which of them has seen a write.
   */
  readonly servers: readonly PostgresPoolOptions[];
  /** Time between two looks at health and lag. @default 500 */
  readonly checkMs?: number;
  /** A replica further behind is left alone (feature E10). @default 5000 */
  readonly maxLagMs?: number;
  /** Told when a server becomes a replica that is read, the primary, or neither. */
  readonly onChange?: (server: string, standing: Standing, why: string) => void;
}

const defaults = { checkMs: 500, maxLagMs: 5000 } as const;

/** A look at a server that takes longer finds it down, ms. */
const LONGEST_CHECK_MS = 1000;

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
  #asking: Promise<void> | undefined;
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
    await Promise.all(this.#check());
    await Promise.all(this.#replicas.map(({ pool }) => pool.warm()));
    this.#timer = setInterval(() => void this.#check(), this.#options.checkMs);
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
        if (!isConflict(error)) this.#judge(replica, { standing: "unfit", why: (error as Error).message });
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
    clearInterval(this.#timer);
    await Promise.all([this.#asking, ...this.#replicas.map(({ looking }) => looking)]);
    await Promise.all(this.#replicas.map(({ pool }) => pool.close()));
  }

  #choose(afterWrite: WriteMark | undefined): Replica | undefined {
    const healthy = this.#replicas.filter(({ standing }) => standing === "replica");
    const after = afterWrite === undefined ? undefined : markNumber(afterWrite);
    const eligible = after === undefined ? healthy : healthy.filter((replica) => replica.position >= after);
    const chosen = eligible[this.#next++ % Math.max(1, eligible.length)];
    if (chosen === undefined) this.#fallbacks[healthy.length === 0 ? "unhealthy" : "behind"] += 1;
    return chosen;
  }

  /**
   * Looks at every server, and at where the primary's log stands; each by itself, so that one that is slow to answer delays no news of the
   * others. None of the promises rejects: what is found out is in the replicas.
   */
  #check(): Promise<void>[] {
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    for (const replica of this.#replicas) replica.looking ??= this.#look(replica).finally(() => (replica.looking = undefined));
    return [this.#asking, ...this.#replicas.map(({ looking }) => looking ?? Promise.resolve())];
  }

  async #ask(): Promise<void> {
    const asked = performance.now();
    try {
      this.#history.record(asked, markNumber(await this.#askPrimary(LONGEST_CHECK_MS)));
    } catch {
      // Its own pool tells about a primary that is away; replicas go on being read, and are as far as the primary was last seen.
    }
  }

  async #look(replica: Replica): Promise<void> {
    const found = await replica.look(LONGEST_CHECK_MS);
    if (found.standing !== "replica") {
      this.#judge(replica, found);
      // Whoever still waits for a server that does not answer would wait until the deadline. What the primary answers is right.
      if (found.standing === "unfit") replica.pool.cut();
      return;
    }
    const lagMs = this.#history.lag(replica.position, performance.now());
    replica.lagMs = lagMs;
    const late = { standing: "unfit", why: `${Math.round(lagMs)} ms behind the primary` } as const;
    this.#judge(replica, lagMs <= this.#options.maxLagMs ? found : late);
  }

  #judge(replica: Replica, { standing, why }: Finding): void {
    if (standing === "unfit") replica.lastError = why;
    if (replica.standing === standing) return;
    replica.standing = standing;
    this.#options.onChange?.(replica.pool.name, standing, why);
  }
}
