import type { ConnectionOptions } from "node:tls";
import { parseIntoClientConfig } from "pg-connection-string";
import { Pool, types, type PoolClient, type QueryResult } from "pg";
import { PoolExhaustedError, type PoolFigures, type SqlValue } from "./database";
import { Dialer } from "./dial";
import { ConnectFailedError, ConnectionLostError, endsConnection, preparedFailure, sqlState } from "./postgres-errors";
import type { NamedStatement, StatementNames } from "./statement-names";
import { Traffic } from "./traffic";

/** One server (or pooler) and how many connections to it. Times are milliseconds. */
export interface PostgresPoolOptions {
  /** With user and password; without parameters about TLS, see `tls.ts`. */
  readonly url: string;
  /** Asked for with every new connection, instead of the one in {@link url}. @default that one */
  readonly password?: (() => Promise<string>) | undefined;
  /** How connections are encrypted. @default not at all */
  readonly ssl?: ConnectionOptions | false | undefined;
  readonly max: number;
  /** Connections kept open when idle. */
  readonly min: number;
  /** Longest wait for a connection, new or returned (feature E1: 2 s). */
  readonly connectTimeoutMs: number;
  /** An idle connection beyond `min` is closed after this (feature E1: 30 s). */
  readonly idleTimeoutMs: number;
  /** A connection is replaced after so many uses (feature E1: 7,500) … */
  readonly maxUses: number;
  /** … or when it is this old, s. */
  readonly maxLifetimeSeconds: number;
  /** A server that is silent for this long during one statement counts as lost; 0: wait for ever. */
  readonly statementTimeoutMs: number;
  /** Names under which the server keeps statements prepared. @default none: it parses and plans each again */
  readonly names?: StatementNames | undefined;
  /** What `pg_stat_activity` shows. */
  readonly applicationName: string;
  /** An idle connection was lost; its pool has replaced it. */
  readonly onIdleError?: (error: Error) => void;
}

/** Requests that wait for a connection at most, for each connection there may be; more would only wait to be refused. */
const WAITING_PER_CONNECTION = 50;

const OID = { bool: 16, int8: 20, numeric: 1700, json: 114, jsonb: 3802, date: 1082, timestamp: 1114, timestamptz: 1184 } as const;

const text = (value: string): string => value;

function wholeNumber(value: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new RangeError(`The database holds ${value}, which is beyond what a JavaScript number keeps exactly.`);
}

/** The row contract of `Database`: numbers for every number, 0 and 1 for booleans, text for the rest. pg's own types give text and objects. */
const PARSERS: Readonly<Record<number, (value: string) => string | number>> = {
  [OID.bool]: (value) => (value === "t" ? 1 : 0),
  [OID.int8]: wholeNumber,
  [OID.numeric]: Number,
  [OID.json]: text,
  [OID.jsonb]: text,
  [OID.date]: text,
  [OID.timestamp]: text,
  [OID.timestamptz]: text,
};

const typeParsers = {
  getTypeParser: ((oid: Parameters<typeof types.getTypeParser>[0], format?: "text"): unknown =>
    PARSERS[oid] ?? types.getTypeParser(oid, format)) as typeof types.getTypeParser,
};

/** Clients whose server said that it could not replicate what it committed. */
const unreplicated = new WeakSet();

/** One checked-out connection. */
export interface PostgresConnection {
  /** `undefined` as deadline: the pool's own. Several statements in one text give an array of results. */
  query(text: string, values?: readonly SqlValue[], deadlineMs?: number): Promise<QueryResult>;
  /** One statement that is a transaction by itself; prepared where the pool has names, and sent again without one where that fails. */
  statement(text: string, values?: readonly SqlValue[]): Promise<QueryResult>;
  /** The same inside a transaction, which such a failure ends: see `preparedFailure`. */
  statementInside(text: string, values?: readonly SqlValue[]): Promise<QueryResult>;
  /** Whether a commit since the last call was acknowledged although the standby had not confirmed it. */
  committedAlone(): boolean;
  /** Nothing more can be asked over it. */
  readonly useless: boolean;
}

/**
 * Connections to one Postgres server, or to a PgBouncer in transaction mode: nothing here depends on what an earlier statement left in
 * its session.
 */
export class PostgresPool {
  /** Host, port and database, for people: poolers have several servers at one port. */
  readonly name: string;
  readonly #pool: Pool;
  readonly #options: PostgresPoolOptions;
  readonly #inUse = new Set<PoolClient>();
  #pending = 0;
  #drained: (() => void) | undefined;
  readonly #traffic: Traffic;

  constructor(options: PostgresPoolOptions) {
    this.#options = options;
    this.#traffic = new Traffic(options.connectTimeoutMs / 2);
    const { host, pathname } = new URL(options.url);
    this.name = `Postgres at ${host}${pathname}`;
    this.#pool = new Pool({
      // pg would take no password of an address for an empty one, and forget the function.
      ...(options.password === undefined
        ? { connectionString: options.url }
        : { ...parseIntoClientConfig(options.url), password: options.password }),
      ...(options.ssl !== undefined && { ssl: options.ssl }),
      application_name: options.applicationName,
      max: options.max,
      min: Math.min(options.min, options.max),
      connectionTimeoutMillis: options.connectTimeoutMs,
      stream: new Dialer({ longestMs: options.connectTimeoutMs }).socket,
      idleTimeoutMillis: options.idleTimeoutMs,
      maxUses: options.maxUses,
      maxLifetimeSeconds: options.maxLifetimeSeconds,
      // A server whose machine vanished sends nothing at all.
      keepAlive: true,
      keepAliveInitialDelayMillis: 5000,
      types: typeParsers,
    });
    this.#pool.on("error", (error) => options.onIdleError?.(error));
    this.#pool.on("connect", (client) => {
      // While a connection is checked out the pool does not listen; the statement under way gets the error.
      client.on("error", () => undefined);
      client.on("notice", (notice) => {
        // By the function's name, because the message is in the server's language.
        if (notice.routine === "SyncRepWaitForLSN") unreplicated.add(client);
      });
    });
  }

  get figures(): PoolFigures {
    const { totalCount: open, idleCount: idle, waitingCount: waiting } = this.#pool;
    return { max: this.#options.max, open, inUse: this.#inUse.size, idle, waiting };
  }

  /**
   * Whether the server answers nothing now, or did so for a while at or after `time` (of `performance.now()`): it was away, or a pooler held
   * statements back. Whoever waited for a connection since then did not wait for the connection. One that is in use and asks nothing is the
   * fault of who uses it.
   */
  wasSilentSince(time: number): boolean {
    const { asking, answeredAt, silenceEndedAt, isSilent } = this.#traffic;
    return silenceEndedAt >= time || (asking >= this.#inUse.size && (answeredAt < time || isSilent));
  }

  /**
   * Runs `work` on a connection of its own.
   * @throws ConnectFailedError when there is no server, or none that answers; PoolExhaustedError when every connection stays in use
   * although the server answers; whatever `work` throws.
   */
  async use<Result>(work: (connection: PostgresConnection) => Promise<Result>): Promise<Result> {
    this.#pending += 1;
    try {
      const client = await this.#checkOut();
      this.#inUse.add(client);
      const { statementTimeoutMs, names } = this.#options;
      const connection = new CheckedOut(client, this.name, statementTimeoutMs, this.#traffic, names);
      try {
        return await work(connection);
      } finally {
        this.#inUse.delete(client);
        client.release(connection.useless);
      }
    } finally {
      this.#pending -= 1;
      if (this.#pending === 0) this.#drained?.();
    }
  }

  /** Opens the connections that are kept when idle. A server that is away is no error here: they are opened when it is needed. */
  async warm(): Promise<void> {
    const missing = Math.min(this.#options.min, this.#options.max) - this.#pool.totalCount;
    await Promise.allSettled(Array.from({ length: missing }, () => this.use(() => Promise.resolve())));
  }

  /** Ends every connection that waits for an answer; what was asked fails at once, and can be asked elsewhere. */
  cut(): void {
    for (const client of this.#inUse) client.connection.stream.destroy();
  }

  /** Waits for whatever uses or waits for a connection, then closes all. */
  async close(): Promise<void> {
    if (this.#pending > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
    if (!this.#pool.ending) await this.#pool.end();
  }

  async #checkOut(): Promise<PoolClient> {
    const { max, connectTimeoutMs } = this.#options;
    if (this.#pool.waitingCount >= max * WAITING_PER_CONNECTION) {
      throw new PoolExhaustedError(`${this.#pool.waitingCount} requests wait for ${max} connections already`, undefined);
    }
    const asked = performance.now();
    const connected = this.#inUse.size === 0 ? this.#traffic.connects() : undefined;
    try {
      return await this.#pool.connect();
    } catch (error) {
      const late = error instanceof Error && error.message === "timeout exceeded when trying to connect";
      // While connections are still being made, or nobody gets an answer, waiting for one is waiting for the server; and so it is as long as
      // what gathered meanwhile is served first.
      const exhausted = late && this.#inUse.size >= max && !this.wasSilentSince(asked - connectTimeoutMs);
      if (exhausted) throw new PoolExhaustedError(`all ${max} connections stayed in use for ${connectTimeoutMs} ms`, error);
      // A closed pool and a wrong password are no matter of trying again.
      if (this.#pool.ending || /^(?:28|3D)/.test(sqlState(error) ?? "")) throw error;
      throw new ConnectFailedError(this.name, error);
    } finally {
      connected?.();
    }
  }
}

class CheckedOut implements PostgresConnection {
  /** What the pool is told when the connection comes back: closed unless it is as good as new. */
  useless = false;
  readonly #client: PoolClient;
  readonly #server: string;
  readonly #deadlineMs: number;
  readonly #traffic: Traffic;
  readonly #names: StatementNames | undefined;

  constructor(client: PoolClient, server: string, deadlineMs: number, traffic: Traffic, names: StatementNames | undefined) {
    this.#client = client;
    this.#server = server;
    this.#deadlineMs = deadlineMs;
    this.#traffic = traffic;
    this.#names = names;
  }

  query(sql: string, values?: readonly SqlValue[], deadlineMs?: number): Promise<QueryResult> {
    return this.#ask({ text: sql }, values, deadlineMs);
  }

  async statement(sql: string, values?: readonly SqlValue[]): Promise<QueryResult> {
    try {
      return await this.statementInside(sql, values);
    } catch (error) {
      // Refused before it was begun, so nothing happens twice.
      if (preparedFailure(error) === undefined) throw error;
      return this.query(sql, values);
    }
  }

  async statementInside(sql: string, values?: readonly SqlValue[]): Promise<QueryResult> {
    const named = this.#names?.of(sql);
    if (named === undefined) return this.query(sql, values);
    try {
      return await this.#ask({ name: named.name, text: named.text }, values);
    } catch (error) {
      this.#learn(named, error);
      throw error;
    }
  }

  #learn(named: NamedStatement, error: unknown): void {
    const failure = preparedFailure(error);
    if (failure === "changed") this.#names?.renew(named);
    if (failure !== "lost") return;
    this.#names?.lost();
    // pg goes on believing that the server has it.
    this.useless = true;
  }

  async #ask(
    statement: { readonly name?: string; readonly text: string },
    values: readonly SqlValue[] = [],
    deadlineMs = this.#deadlineMs,
  ): Promise<QueryResult> {
    const watched = { silent: false };
    const timer =
      deadlineMs === 0
        ? undefined
        : setTimeout(() => {
            watched.silent = true;
            this.#client.connection.stream.destroy();
          }, deadlineMs);
    this.#traffic.asked();
    try {
      const result = await (values.length === 0 ? this.#client.query(statement) : this.#client.query(statement, values as SqlValue[]));
      this.#traffic.answered();
      return result;
    } catch (error) {
      if (endsConnection(error)) this.useless = true;
      else this.#traffic.answered();
      if (watched.silent) throw new ConnectionLostError(this.#server, new Error(`no answer within ${deadlineMs} ms`), true);
      // pg has no class for this; everything that is neither the server's answer nor a mistake of ours is the socket's.
      if (isSocketError(error)) throw new ConnectionLostError(this.#server, error);
      throw error;
    } finally {
      this.#traffic.over();
      clearTimeout(timer);
    }
  }

  committedAlone(): boolean {
    return unreplicated.delete(this.#client);
  }
}

/** Lost connections reach a statement as the socket's error, or as one of pg's own three sentences. */
function isSocketError(error: unknown): boolean {
  if (sqlState(error) !== undefined || !(error instanceof Error)) return false;
  return (
    "syscall" in error ||
    /^Connection terminated|^Cannot call write after|^Client has encountered a connection error|^Client was closed/.test(error.message)
  );
}
