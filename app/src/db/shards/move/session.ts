import { Client, DatabaseError } from "pg";
import type { PostgresConfig } from "../../environment";
import { iamPassword } from "../../iam";
import { postgresAddress } from "../../tls";

/** Why a company cannot be moved, or was not: one sentence for whoever started it. */
export class MoveError extends Error {
  override readonly name = "MoveError";
}

/** SQLSTATE 55P03: a lock was not to be had in time. */
export function isLockTimeout(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === "55P03";
}

const CONNECT_TIMEOUT_MS = 10_000;

/** A server that ends statements or idle transactions of others lets these take what they take; but none waits long for a table. */
const SESSION = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '1s'";

/** One connection to one of several databases, as the owner of its tables. Rows are objects of texts. */
export class MoveSession {
  readonly #client: Client;

  private constructor(
    readonly shard: string,
    client: Client,
  ) {
    this.#client = client;
  }

  /** @throws MoveError when the server cannot be reached or refuses the login. */
  static async open(shard: string, postgres: PostgresConfig): Promise<MoveSession> {
    const { url, ssl } = await postgresAddress(postgres.directUrl, postgres.authorities);
    const parsed = new URL(url);
    const client = new Client({
      ...{ host: parsed.hostname, port: Number(parsed.port || "5432"), database: decodeURIComponent(parsed.pathname.slice(1)) },
      user: decodeURIComponent(parsed.username),
      password: postgres.login === "iam" ? iamPassword(url, postgres.awsRegion) : decodeURIComponent(parsed.password),
      ...(ssl !== undefined && { ssl }),
      application_name: "company move",
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
    });
    // A connection that is lost fails the statement under way, or the next one.
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query(SESSION);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw new MoveError(`database "${shard}" (${parsed.hostname}) cannot be used: ${(error as Error).message}`);
    }
    return new MoveSession(shard, client);
  }

  async all<Row extends object>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#client.query<Row>(sql, [...parameters])).rows;
  }

  async get<Row extends object>(sql: string, parameters: readonly unknown[] = []): Promise<Row | undefined> {
    return (await this.all<Row>(sql, parameters))[0];
  }

  /** Rows it changed. */
  async run(sql: string, parameters: readonly unknown[] = []): Promise<number> {
    return (await this.#client.query(sql, [...parameters])).rowCount ?? 0;
  }

  /** Several statements without parameters. */
  async script(sql: string): Promise<void> {
    await this.#client.query(sql);
  }

  /** @param isolation what follows BEGIN. */
  async transaction<Result>(work: () => Promise<Result>, isolation = ""): Promise<Result> {
    await this.script(`BEGIN ${isolation}`);
    let result: Result;
    try {
      result = await work();
      await this.script("COMMIT");
    } catch (error) {
      // What is to be told is why it failed, also when the connection is gone, and the transaction with it.
      await this.script("ROLLBACK").catch(() => undefined);
      throw error;
    }
    return result;
  }

  /** One state of the database for all of `work`, whatever others write meanwhile. */
  snapshot<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.transaction(work, "ISOLATION LEVEL REPEATABLE READ READ ONLY");
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}
