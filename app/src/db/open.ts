import type { Logger } from "../observability/logger";
import type { Database } from "./database";
import type { PostgresConfig } from "./environment";
import type { PostgresPoolOptions } from "./postgres-pool";
import { SqliteDatabase } from "./sqlite";

/** What {@link openDatabase} takes from the configuration. */
export interface DatabaseConfig {
  readonly appName: string;
  readonly sqlitePath: string;
  readonly postgres: PostgresConfig | undefined;
}

/**
 * Opens the database this configuration names: Postgres with DATABASE_URL, else SQLite. A Postgres server that is away is no error: requests
 * wait for it, and are refused after a while.
 * @throws when the SQLite file cannot be opened.
 */
export async function openDatabase(config: DatabaseConfig, logger: Logger): Promise<Database> {
  const { appName, sqlitePath, postgres } = config;
  if (postgres === undefined) return SqliteDatabase.open({ file: sqlitePath });
  const database = new (await postgresDatabase())({
    primary: pool(postgres, appName, logger, postgres.url, postgres.poolMax, postgres.poolMin),
    lockWaitMs: postgres.lockTimeoutMs,
    retryMs: postgres.retryMs,
    replicas: {
      servers: postgres.replicaUrls.map((url) => pool(postgres, appName, logger, url, postgres.replicaPoolMax, postgres.replicaPoolMin)),
      checkMs: postgres.replicaCheckMs,
      maxLagMs: postgres.replicaMaxLagMs,
      onChange(server, standing, why) {
        if (standing === "replica") logger.info({ replica: server }, "reads go to this replica");
        else if (standing === "primary") logger.info({ server }, "this server is the primary now, and not read as a replica");
        else logger.warn({ replica: server, why }, "reads leave this replica");
      },
    },
  });
  await database.warm();
  return database;
}

/** The database as migrations need it: past any pooler, and as long as an index takes to build. */
export async function openForMigrations(config: DatabaseConfig, logger: Logger): Promise<Database> {
  const { appName, sqlitePath, postgres } = config;
  if (postgres === undefined) return SqliteDatabase.open({ file: sqlitePath });
  // Others that start at the same time migrate first; their index may take long as well.
  const patient = { ...postgres, statementTimeoutMs: 0 };
  return new (await postgresDatabase())({
    primary: pool(patient, `${appName} migrations`, logger, postgres.directUrl, 1, 0),
    lockWaitMs: MIGRATION_LOCK_WAIT_MS,
    retryMs: postgres.retryMs,
  });
}

/** Loaded with DATABASE_URL only: its client costs every worker memory. */
async function postgresDatabase(): Promise<typeof import("./postgres").PostgresDatabase> {
  return (await import("./postgres.js")).PostgresDatabase;
}

/** Longest wait for another instance's migrations, ms. */
const MIGRATION_LOCK_WAIT_MS = 600_000;

function pool(config: PostgresConfig, appName: string, logger: Logger, url: string, max: number, min: number): PostgresPoolOptions {
  const { connectTimeoutMs, idleTimeoutMs, maxUses, maxLifetimeSeconds, statementTimeoutMs } = config;
  const onIdleError = (error: Error): void => logger.warn({ reason: error.message }, "an idle connection to Postgres was lost");
  return {
    url,
    max,
    min,
    connectTimeoutMs,
    idleTimeoutMs,
    maxUses,
    maxLifetimeSeconds,
    statementTimeoutMs,
    applicationName: appName,
    onIdleError,
  };
}
