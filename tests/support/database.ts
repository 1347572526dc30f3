import path from "node:path";
import { migrate, readMigrations, type Migration } from "../../app/src/db/migrate";
import { PostgresDatabase, type PostgresOptions } from "../../app/src/db/postgres";
import type { PostgresPoolOptions } from "../../app/src/db/postgres-pool";
import type { ReplicaOptions } from "../../app/src/db/replicas";

/** The app's own schema for Postgres. */
export const POSTGRES_MIGRATIONS: readonly Migration[] = readMigrations(path.resolve(__dirname, "../../app/src/db/migrations/postgres"));

/** A pool as the app makes it, with what a test changes. */
export function poolOptions(url: string, changes: Partial<PostgresPoolOptions> = {}): PostgresPoolOptions {
  return {
    url,
    max: 10,
    min: 0,
    connectTimeoutMs: 2000,
    idleTimeoutMs: 30_000,
    maxUses: 7500,
    maxLifetimeSeconds: 1800,
    statementTimeoutMs: 10_000,
    applicationName: "test",
    ...changes,
  };
}

export interface OpenOptions extends Partial<Omit<PostgresOptions, "primary" | "replicas">> {
  readonly pool?: Partial<PostgresPoolOptions>;
  /** URLs. */
  readonly replicas?: readonly string[];
  readonly replicaPool?: Partial<PostgresPoolOptions>;
  readonly replica?: Partial<Omit<ReplicaOptions, "servers">>;
}

/** Opens a database, and looks at its replicas once. */
export async function openPostgres(url: string, options: OpenOptions = {}): Promise<PostgresDatabase> {
  const { pool, replicas = [], replicaPool, replica, ...rest } = options;
  const database = new PostgresDatabase({
    ...rest,
    primary: poolOptions(url, pool),
    replicas: { checkMs: 50, ...replica, servers: replicas.map((server) => poolOptions(server, replicaPool)) },
  });
  await database.warm();
  return database;
}

/** Brings the app's schema into a database. @param url as its owner, as who the app migrates, too */
export async function migrateAs(url: string): Promise<void> {
  await (await openMigrated(url, { pool: { max: 1 } })).close();
}

/** The same with the app's schema. */
export async function openMigrated(url: string, options: OpenOptions = {}): Promise<PostgresDatabase> {
  const database = await openPostgres(url, options);
  await migrate(database, POSTGRES_MIGRATIONS);
  return database;
}
