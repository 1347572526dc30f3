import type { Phase } from "../config/phase";
import type { Logger } from "../observability/logger";
import type { Database } from "./database";
import type { PostgresConfig } from "./environment";
import { iamPassword } from "./iam";
import type { PostgresPoolOptions } from "./postgres-pool";
import type { PostgresSealOptions } from "./postgres-seal";
import { FIRST_SHARD } from "./shards/directory";
import { SqliteDatabase } from "./sqlite";
import { StatementNames } from "./statement-names";
import { postgresAddress } from "./tls";

/** What {@link openDatabase} takes from the configuration. */
export interface DatabaseConfig {
  readonly appName: string;
  readonly phase: Phase;
  readonly sqlitePath: string;
  readonly postgres: PostgresConfig | undefined;
}

/**
 * Opens the database this configuration names: Postgres with DATABASE_URL, else SQLite. A Postgres server that is away is no error: requests
 * wait for it, and are refused after a while.
 * @throws when the SQLite file cannot be opened.
 */
export async function openDatabase(config: DatabaseConfig, logger: Logger): Promise<Database> {
  const { sqlitePath, postgres } = config;
  if (postgres === undefined) return SqliteDatabase.open({ file: sqlitePath });
  if (postgres.shards.length === 0) return openServer(postgres, config, logger);
  const { ShardedDatabase: Sharded } = await import("./shards/sharded.js");
  const open = async ({ name, config: { postgres: server } }: Server) => ({
    name,
    database: await openServer(server ?? postgres, config, logger),
  });
  const [first, ...further] = serversOf(config);
  const database = new Sharded([await open(first), ...(await Promise.all(further.map(open)))], postgres.shardsForNew);
  await database.directory.start();
  return database;
}

/** What {@link serversOf} tells of one database. */
export interface Server<Config extends DatabaseConfig = DatabaseConfig> {
  readonly name: string;
  /** As if there was no other. */
  readonly config: Config;
}

/** Each of several databases by itself, the first one first; the only one where there is one. */
export function serversOf<Config extends DatabaseConfig>(config: Config): [Server<Config>, ...Server<Config>[]] {
  const { postgres } = config;
  if (postgres === undefined) return [{ name: FIRST_SHARD, config }];
  const further = postgres.shards.map(({ name, ...addresses }) => ({
    name,
    config: { ...config, postgres: { ...postgres, ...addresses, shards: [] } },
  }));
  return [{ name: FIRST_SHARD, config: { ...config, postgres: { ...postgres, shards: [] } } }, ...further];
}

async function openServer(postgres: PostgresConfig, { appName, phase }: DatabaseConfig, logger: Logger): Promise<Database> {
  const { poolMax, poolMin, replicaPoolMax, replicaPoolMin } = postgres;
  const names = postgres.preparedStatements ? new StatementNames({ onLimit: (why) => logger.warn(why) }) : undefined;
  const open = async (address: string, max: number, min: number): Promise<PostgresPoolOptions> => ({
    ...(await pool(postgres, appName, logger, address, max, min)),
    names,
  });
  const database = new (await postgresDatabase())({
    primary: await open(postgres.url, poolMax, poolMin),
    lockWaitMs: postgres.lockTimeoutMs,
    retryMs: postgres.retryMs,
    replicas: {
      servers: await Promise.all(postgres.replicaUrls.map((url) => open(url, replicaPoolMax, replicaPoolMin))),
      checkMs: postgres.replicaCheckMs,
      maxLagMs: postgres.replicaMaxLagMs,
      onChange(server, standing, why) {
        if (standing === "replica") logger.info({ replica: server }, "reads go to this replica");
        else if (standing === "primary") logger.info({ server }, "this server is the primary now, and not read as a replica");
        else logger.warn({ replica: server, why }, "reads leave this replica");
      },
    },
    // From here on only a Docker host has a way back to SQLite, and a load balancer that asks instances which are not ready when no other is.
    ...(phase === "database" && { seal: sealOptions(logger) }),
  });
  await database.warm();
  return database;
}

function sealOptions(logger: Logger): PostgresSealOptions {
  return {
    onChange(standing) {
      if (standing === "open") logger.info("Postgres is written again: the move of its rows to SQLite was given up");
      else if (standing === "held") logger.warn("the rows of Postgres are copied to SQLite: writes are refused meanwhile");
      else logger.warn("Postgres is sealed: its rows were moved to SQLite, and it is only read");
    },
    // That the server is away is told by requests and health checks.
    onError: (error) => logger.debug({ reason: String(error) }, "Postgres did not tell whether its rows were moved"),
  };
}

/** The database as migrations need it: past any pooler, and as long as an index takes to build. */
export async function openForMigrations(config: DatabaseConfig, logger: Logger): Promise<Database> {
  const { appName, sqlitePath, postgres } = config;
  if (postgres === undefined) return SqliteDatabase.open({ file: sqlitePath });
  // Others that start at the same time migrate first; their index may take long as well.
  const patient = { ...postgres, statementTimeoutMs: 0 };
  return new (await postgresDatabase())({
    primary: await pool(patient, `${appName} migrations`, logger, postgres.directUrl, 1, 0),
    lockWaitMs: MIGRATION_LOCK_WAIT_MS,
    retryMs: postgres.retryMs,
  });
}

/** The database for one task, as the app itself: one connection and no replicas. */
export async function openForTask(config: DatabaseConfig, logger: Logger): Promise<Database> {
  const { appName, sqlitePath, postgres } = config;
  if (postgres === undefined) return SqliteDatabase.open({ file: sqlitePath });
  return new (await postgresDatabase())({
    primary: await pool(postgres, appName, logger, postgres.url, 1, 0),
    lockWaitMs: postgres.lockTimeoutMs,
    retryMs: postgres.retryMs,
  });
}

/** Loaded with DATABASE_URL only: its client costs every worker memory. */
async function postgresDatabase(): Promise<typeof import("./postgres").PostgresDatabase> {
  return (await import("./postgres.js")).PostgresDatabase;
}

/** Longest wait for another instance's migrations, ms. */
const MIGRATION_LOCK_WAIT_MS = 600_000;

async function pool(
  config: PostgresConfig,
  appName: string,
  logger: Logger,
  address: string,
  max: number,
  min: number,
): Promise<PostgresPoolOptions> {
  const { connectTimeoutMs, idleTimeoutMs, maxUses, maxLifetimeSeconds, statementTimeoutMs } = config;
  const { url, ssl } = await postgresAddress(address, config.authorities);
  const onIdleError = (error: Error): void => logger.warn({ reason: error.message }, "an idle connection to Postgres was lost");
  return {
    url,
    ssl,
    ...(config.login === "iam" && { password: iamPassword(url, config.awsRegion) }),
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
