import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Client, type CustomTypesConfig } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { assetDirectory } from "../assets";
import { migrate, readMigrations } from "../db/migrate";
import { PostgresDatabase } from "../db/postgres";
import { numberedParameters } from "../db/postgres-sql";
import { postgresAddress, type Authorities, type PostgresAddress } from "../db/tls";
import { copyText } from "./copy-text";
import { TransferError, UnknownHostError } from "./failure";
import * as state from "./state";
import type { Applied, Reader, Table, TableState, TransferState, Writer } from "./store";
import { canonical, kindOfType, type Value } from "./values";

const CONNECT_TIMEOUT_MS = 10_000;

/** Every value as the server writes it; `canonical` knows what to make of it. */
const AS_TEXT: CustomTypesConfig = { getTypeParser: () => (value: string | Buffer) => String(value) };

/** Settings of the session, for a server that would end statements or idle transactions of others: a table takes what it takes. */
const SESSION =
  "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '30s'; SET bytea_output = 'hex'";

type Row = readonly Value[];

/** One Postgres database, over a single connection. */
export class PostgresReader implements Reader {
  readonly kind = "postgres";
  readonly name: string;
  readonly #client: Client;

  protected constructor(
    protected readonly address: PostgresAddress,
    client: Client,
  ) {
    const { hostname, port, pathname } = new URL(address.url);
    this.name = `postgres://${hostname}:${port || "5432"}${pathname}`;
    this.#client = client;
  }

  /** @throws TransferError when the server cannot be reached or refuses the login. */
  static async open(url: string, authorities?: Authorities): Promise<PostgresReader> {
    const reader = new PostgresReader(...(await connected(url, authorities)));
    await reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    return reader;
  }

  async tables(): Promise<ReadonlySet<string>> {
    const rows = await this.query(
      "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace",
    );
    return new Set(rows.map(([name]) => name ?? ""));
  }

  async migrations(): Promise<readonly Applied[]> {
    if (!(await this.tables()).has("schema_migrations")) return [];
    const rows = await this.query("SELECT version, name, checksum FROM schema_migrations ORDER BY version");
    return rows.map(([version, name, checksum]) => ({ version: Number(version), name: name ?? "", checksum: checksum ?? "" }));
  }

  async describe(name: string): Promise<Table> {
    const rows = await this.query(
      `SELECT attname, format_type(atttypid, atttypmod), coalesce(array_position(indkey::int2[], attnum), -1)
       FROM pg_attribute LEFT JOIN pg_index ON indrelid = attrelid AND indisprimary
       WHERE attrelid = ?::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname COLLATE "C"`,
      [name],
    );
    const key = rows.filter(([, , place]) => Number(place) >= 0).sort(([, , a], [, , b]) => Number(a) - Number(b));
    return {
      name,
      columns: rows.map(([column, type]) => ({ name: column ?? "", kind: kindOfType(type ?? "") })),
      key: key.map(([column]) => column ?? ""),
    };
  }

  async count(table: string): Promise<number> {
    return Number((await this.query(`SELECT count(*) FROM ${table}`))[0]?.[0] ?? 0);
  }

  async read(table: Table, after: Row | undefined, limit: number): Promise<Value[][]> {
    const { key, columns } = table;
    const where = after === undefined ? "" : `WHERE (${key.join(", ")}) > (${key.map(() => "?").join(", ")})`;
    const sql = `SELECT ${columns.map(({ name }) => name).join(", ")} FROM ${table.name} ${where} ORDER BY ${key.join(", ")} LIMIT ${limit}`;
    const rows = await this.query(sql, after ?? []);
    return rows.map((row) => row.map((value, index) => (value === null ? null : canonical(columns[index]?.kind ?? "text", value))));
  }

  async counter(table: Table): Promise<string | undefined> {
    const sequence = await this.#sequence(table);
    return (
      sequence && ((await this.query(`SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM ${sequence}`))[0]?.[0] ?? "0")
    );
  }

  async epoch(): Promise<number> {
    return Number((await this.query("SELECT epoch FROM redis_fence WHERE id = 1"))[0]?.[0] ?? 0);
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  /** `undefined` for a table without a column that counts by itself. */
  async #sequence({ name, key }: Table): Promise<string | undefined> {
    const rows = await this.query("SELECT pg_get_serial_sequence(?, ?)", [name, key[0] ?? ""]);
    return rows[0]?.[0] ?? undefined;
  }

  protected async setSequence(table: Table, last: string): Promise<void> {
    const sequence = await this.#sequence(table);
    // A sequence begins with 1, which nobody has had yet when the last one is 0.
    await this.query("SELECT setval(?::regclass, greatest(?::bigint, 1), ?::bigint > 0)", [sequence ?? "", last, last]);
  }

  /** Parameters are written `?`; rows are arrays of texts. */
  protected async query(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    const { rows } = await this.#client.query<Value[]>({
      text: numberedParameters(sql),
      values: [...parameters],
      rowMode: "array",
      types: AS_TEXT,
    });
    return rows;
  }

  protected async run(sql: string, parameters: readonly unknown[] = []): Promise<number> {
    return (await this.#client.query(numberedParameters(sql), [...parameters])).rowCount ?? 0;
  }

  protected async script(sql: string): Promise<void> {
    await this.#client.query(sql);
  }

  /** Resolves when the server has taken all of it. */
  protected async copyIn(sql: string, text: string): Promise<void> {
    await pipeline(Readable.from([text]), this.#client.query(copyFrom(sql)));
  }
}

/** @throws TransferError when the server cannot be reached or refuses the login. */
export async function connected(url: string, authorities: Authorities | undefined): Promise<[PostgresAddress, Client]> {
  const address = await postgresAddress(url, authorities);
  const { ssl } = address;
  const client = new Client({
    connectionString: address.url,
    ...(ssl !== undefined && { ssl }),
    application_name: "data transfer",
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // A connection that is lost fails the statement under way, or the next one.
  client.on("error", () => undefined);
  const { hostname, port, pathname } = new URL(address.url);
  try {
    await client.connect();
    await client.query(SESSION);
  } catch (error) {
    const { code, message } = error as Error & { readonly code?: string };
    await client.end().catch(() => undefined);
    const Kind = code === "ENOTFOUND" || code === "EAI_AGAIN" ? UnknownHostError : TransferError;
    throw new Kind(`postgres://${hostname}:${port || "5432"}${pathname} cannot be used: ${message || code || "no answer"}`);
  }
  return [address, client];
}

/** A Postgres database that is filled, as the owner of its tables. */
export class PostgresWriter extends PostgresReader implements Writer {
  readonly #runId = randomUUID();

  static override async open(url: string, authorities?: Authorities): Promise<PostgresWriter> {
    return new PostgresWriter(...(await connected(url, authorities)));
  }

  async migrate(): Promise<void> {
    const { url, ssl } = this.address;
    const database = new PostgresDatabase({
      primary: {
        ...{
          url,
          ssl,
          max: 1,
          min: 0,
          connectTimeoutMs: CONNECT_TIMEOUT_MS,
          idleTimeoutMs: 30_000,
          maxUses: 7500,
          maxLifetimeSeconds: 1800,
        },
        ...{ statementTimeoutMs: 0, applicationName: "data transfer migrations" },
      },
      lockWaitMs: 600_000,
    });
    try {
      await migrate(database, readMigrations(assetDirectory("migrations/postgres")));
    } finally {
      await database.close();
    }
  }

  async state(): Promise<TransferState | undefined> {
    if (!(await this.tables()).has("data_transfer")) return undefined;
    const [row] = await this.query(state.READ_STATE);
    if (row === undefined) return undefined;
    return state.stateOf(row as state.StateRow, (await this.query(state.READ_TABLES)) as unknown as state.TableRow[]);
  }

  async begin(source: string, finishedAt: string | null): Promise<void> {
    await this.transaction(async () => {
      await this.script(state.CREATE_STATE);
      const taken = await this.run(state.TAKE_OVER, [source, this.#runId, new Date().toISOString(), finishedAt]);
      if (taken === 0) throw state.finishedMeanwhile();
    });
  }

  async clear(tables: readonly Table[], source: string): Promise<void> {
    await this.#continuing(async () => {
      await this.script(`TRUNCATE ${tables.map(({ name }) => name).join(", ")}`);
      await this.script(state.FORGET_TABLES);
      await this.run(state.RESTART, [source, new Date().toISOString()]);
    });
  }

  async write(table: Table, rows: readonly Row[], reached: TableState): Promise<void> {
    const { columns } = table;
    // Values of identity columns are taken as they are, by COPY always.
    const copy = `COPY ${table.name} (${columns.map(({ name }) => name).join(", ")}) FROM STDIN`;
    const kinds = columns.map(({ kind }) => kind);
    await this.#continuing(async () => {
      if (rows.length > 0) await this.copyIn(copy, copyText(kinds, rows));
      await this.run(state.REACHED, state.reachedParameters(reached));
    });
  }

  async setCounter(table: Table, last: string): Promise<void> {
    await this.#continuing(() => this.setSequence(table, last));
  }

  async complete(epoch: number): Promise<void> {
    await this.#continuing(async () => {
      await this.run(state.RAISE_FENCE, [epoch, epoch]);
      await this.run(state.COMPLETE, [new Date().toISOString()]);
    });
  }

  /** Indexes stay: replicas and the log take them either way. */
  async beforeRows(): Promise<void> {}

  async afterRows(): Promise<void> {
    await this.script("ANALYZE");
  }

  async #continuing(work: () => Promise<void>): Promise<void> {
    await this.transaction(async () => {
      if ((await this.run(state.CONTINUE, [this.#runId])) === 0) throw state.takenOver();
      await work();
    });
  }

  protected async transaction(work: () => Promise<void>): Promise<void> {
    await this.script("BEGIN");
    try {
      await work();
      await this.script("COMMIT");
    } catch (error) {
      // What is to be told is why it failed, also when the connection is gone, and the transaction with it.
      await this.script("ROLLBACK").catch(() => undefined);
      throw error;
    }
  }
}
