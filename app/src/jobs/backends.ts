import { assertSchemaCompatibility, createPostgresBackend, runMigrations } from "bullmq";
import { Client, Pool, type PoolConfig } from "pg";
import { MigrationError } from "../db/migrate";
import type { PostgresAddress } from "../db/tls";
import type { RedisConnection } from "../redis/client";
import type { BullBackend } from "./bullmq";

/** Schema of BullMQ's own tables in Postgres; the app's are elsewhere. */
const POSTGRES_SCHEMA = "bullmq";

/** Connections that the queues of one process share; a statement takes about a millisecond. */
const PRODUCER_CONNECTIONS = 2;

/** Each of the three workers keeps one connection to listen on, and needs another now and then. */
const CONSUMER_CONNECTIONS = 6;

/** Longest wait for a connection, ms; 0, the default of pg, would be for ever. */
const CONNECT_TIMEOUT_MS = 2000;

/** BullMQ on the Redis of limits and queues, which evicts nothing. */
export function redisBackend(connection: RedisConnection): BullBackend {
  const producer = connection.duplicate();
  const consumers: { disconnect(): void }[] = [];
  return {
    kind: "redis",
    available: () => connection.available(),
    producer,
    consumer() {
      const consumer = connection.duplicate();
      consumers.push(consumer);
      return consumer;
    },
    close() {
      for (const client of [producer, ...consumers]) client.disconnect();
      return Promise.resolve();
    },
  };
}

/**
 * BullMQ on Postgres. It listens for notifications and sets its schema on every connection, so it needs the server itself, not a pooler in
 * transaction mode.
 * @param address of the server, with user and password.
 */
export function postgresBackend({ url, ssl }: PostgresAddress): BullBackend {
  const pools: Pool[] = [];
  const pool = (most: number): Pool => {
    const config: PoolConfig = {
      connectionString: url,
      ...(ssl !== undefined && { ssl }),
      max: most,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      options: `-c search_path="${POSTGRES_SCHEMA}"`,
    };
    const created = new Pool(config);
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    created.on("error", () => undefined);
    pools.push(created);
    return created;
  };
  return {
    kind: "postgres",
    available: () => true,
    factory: createPostgresBackend as never,
    producer: pool(PRODUCER_CONNECTIONS),
    consumer: () => pool(CONSUMER_CONNECTIONS),
    async close() {
      await Promise.all(pools.map((each) => each.end()));
    },
  };
}

/** Brings BullMQ's schema up to date; run once before workers start. */
export function migratePostgresQueues(address: PostgresAddress): Promise<void> {
  return withClient(address, async (client) => {
    await runMigrations(client, POSTGRES_SCHEMA);
  });
}

/** @throws MigrationError when BullMQ's schema is not there, or too new for this version. */
export function verifyPostgresQueues(address: PostgresAddress): Promise<void> {
  return withClient(address, async (client) => {
    try {
      await assertSchemaCompatibility(client, POSTGRES_SCHEMA);
    } catch (error) {
      throw new MigrationError(
        `The tables of the job queue are not what this version needs (${(error as Error).message}); run "node main.js migrate" as the owner of the tables, or set MIGRATIONS to auto.`,
        { cause: error },
      );
    }
  });
}

async function withClient({ url, ssl }: PostgresAddress, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url, ...(ssl !== undefined && { ssl }), connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
