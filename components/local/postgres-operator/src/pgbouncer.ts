import { Client } from "pg";
import { reasonOf } from "./log";
import { addressesOf } from "./names";
import type { PgbouncerAddress } from "./settings";
import type { PoolStatus } from "./status-types";

/** Longest wait for its console to accept, and for it to answer, ms. */
const CONNECT_MS = 2000;
const ANSWER_MS = 2000;

/** Name of its console, and of its own database. */
const CONSOLE = "pgbouncer";

/** One row of `SHOW POOLS` and `SHOW DATABASES` of PgBouncer 1.24. */
type Row = Readonly<Record<string, string | number | null>>;

/** The consoles of all PgBouncers with the name: while one is replaced there are two. */
export class Pgbouncer {
  constructor(private readonly address: PgbouncerAddress) {}

  get database(): string {
    return this.address.database;
  }

  /**
   * Holds back new transactions of the database and waits until those under way have ended.
   * @returns why it is not paused: there is no PgBouncer, one does not answer, or transactions take longer than `timeoutMs`.
   */
  async pause(timeoutMs: number): Promise<string | undefined> {
    try {
      const addresses = await addressesOf(this.address.host);
      if (addresses.length === 0) return "PgBouncer does not run";
      await Promise.all(addresses.map((address) => this.#ask(address, `PAUSE "${this.database}"`, timeoutMs)));
      return undefined;
    } catch (error) {
      const reason = reasonOf(error);
      // What `pg` says when `query_timeout` is over.
      return reason === "Query read timeout"
        ? `transactions under way did not end within ${timeoutMs / 1000} s`
        : `PgBouncer could not be paused (${reason})`;
    }
  }

  /** Lets the statements go that were held back; nothing happens where nothing is paused. @throws Error when one of them does not answer. */
  async resume(): Promise<void> {
    const addresses = await addressesOf(this.address.host);
    await Promise.all(
      addresses.map(async (address) => {
        if (await this.#isPaused(address)) await this.#ask(address, `RESUME "${this.database}"`);
      }),
    );
  }

  /** Whether any of them holds statements back. @throws Error when one of them does not answer. */
  async isPaused(): Promise<boolean> {
    const addresses = await addressesOf(this.address.host);
    return (await Promise.all(addresses.map((address) => this.#isPaused(address)))).includes(true);
  }

  /** Has all connections closed, which lead to a proxy, and made anew as soon as no transaction has them. */
  async reconnect(): Promise<void> {
    const addresses = await addressesOf(this.address.host);
    await Promise.all(addresses.map((address) => this.#ask(address, "RECONNECT")));
  }

  /** All pools; `undefined` when there is no PgBouncer or it does not answer. */
  async pools(): Promise<PoolStatus[] | undefined> {
    try {
      const addresses = await addressesOf(this.address.host);
      if (addresses.length === 0) return undefined;
      return (await Promise.all(addresses.map((address) => this.#pools(address)))).flat();
    } catch {
      return undefined;
    }
  }

  async #pools(address: string): Promise<PoolStatus[]> {
    const [pools, databases] = [await this.#ask(address, "SHOW POOLS"), await this.#ask(address, "SHOW DATABASES")];
    const paused = new Set(databases.filter((row) => Number(row["paused"]) === 1).map((row) => row["name"]));
    return pools
      .filter((row) => row["database"] !== CONSOLE)
      .map((row) => ({
        database: String(row["database"]),
        user: String(row["user"]),
        clientsActive: Number(row["cl_active"]),
        clientsWaiting: Number(row["cl_waiting"]),
        serversActive: Number(row["sv_active"]),
        serversIdle: Number(row["sv_idle"]),
        longestWaitMs: Math.round(Number(row["maxwait"]) * 1000 + Number(row["maxwait_us"]) / 1000),
        paused: paused.has(row["database"] ?? null),
      }));
  }

  async #isPaused(address: string): Promise<boolean> {
    const databases = await this.#ask(address, "SHOW DATABASES");
    return databases.some((row) => row["name"] === this.database && Number(row["paused"]) === 1);
  }

  async #ask(address: string, command: string, timeoutMs = ANSWER_MS): Promise<Row[]> {
    const { port, user, password } = this.address;
    const client = new Client({
      host: address,
      port,
      user,
      password,
      database: CONSOLE,
      connectionTimeoutMillis: CONNECT_MS,
      query_timeout: timeoutMs,
    });
    // A console that goes away is noticed by the query under way.
    client.on("error", () => undefined);
    try {
      await client.connect();
      return (await client.query<Row>(command)).rows;
    } finally {
      // Not waited for: a console that does not answer does not say goodbye either.
      client.end().catch(() => undefined);
    }
  }
}
