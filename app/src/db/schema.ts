import { assetDirectory } from "../assets";
import type { AppConfig } from "../config";
import { prepareQueues, verifyQueues } from "../jobs/service";
import type { Logger } from "../observability/logger";
import { type Database, DatabaseUnavailableError } from "./database";
import { ensureIamLogin, ensureLogin } from "./login";
import { migrate, type Migration, MigrationError, readMigrations, verifySchema } from "./migrate";
import { openForMigrations, openForTask, type Server, serversOf } from "./open";
import { FIRST_SHARD } from "./shards/directory";
import { nameShard, verifyDirectory, verifyShardName } from "./shards/names";

/** What {@link migrateSchema} does beside migrating. */
export interface MigrateOptions {
  /** Makes the logins of DATABASE_APP_USER and DATABASE_IAM_USER first, so that what is made is for it to use. @default false */
  readonly makeLogin?: boolean;
  /** Goes on without those of several databases, other than the first, that cannot be reached. @default false */
  readonly mayBeAway?: boolean;
}

/** What {@link checkSchema} does beside checking. */
export interface CheckOptions extends Pick<MigrateOptions, "mayBeAway"> {
  /** Goes on where a newer version has been; what that added is not known here. @default true */
  readonly mayBeNewer?: boolean;
}

/**
 * Brings the tables of the app, of each of several databases, and those of its job queues, up to date, as the owner of the tables (DATABASE_DIRECT_URL).
 * @throws MigrationError when database and app do not fit; the server's error when the owner may not do what is needed.
 */
export async function migrateSchema(config: AppConfig, logger: Logger, options: MigrateOptions = {}): Promise<void> {
  await onEachServer(config, logger, options, openForMigrations, async ({ name, names, database, config: server, logger: log }) => {
    await refuseUnfinished(database);
    if (options.makeLogin === true) await makeLogins(database, server, log);
    const applied = await migrate(database, migrationsFor(database), (migration) => log.info({ migration }, "migration applied"));
    if (names.length > 1) await nameShard(database, name);
    if (name === FIRST_SHARD) {
      await verifyDirectory(database, names);
      await prepareQueues(config);
    }
    log.info({ database: database.kind, applied }, applied.length === 0 ? "the schema is up to date" : "migrations applied");
  });
}

async function makeLogins(database: Database, { postgres }: AppConfig, logger: Logger): Promise<void> {
  const login = postgres?.appLogin;
  if (login !== undefined) {
    await ensureLogin(database, login);
    logger.info({ user: login.user }, "the app's login is there, with its rights");
  }
  const iamUser = postgres?.iamUser;
  if (iamUser === undefined) return;
  await ensureIamLogin(database, iamUser);
  logger.info({ user: iamUser }, "the app's login by tokens is there, with its rights");
}

/**
 * Makes sure, without changing anything, that all tables are there that this version needs (`MIGRATIONS=external`).
 * @throws MigrationError when they are not.
 */
export async function checkSchema(config: AppConfig, logger: Logger, options: CheckOptions = {}): Promise<void> {
  await onEachServer(config, logger, options, openForTask, async ({ name, names, database, logger: log }) => {
    await refuseUnfinished(database);
    const newer = await verifySchema(database, migrationsFor(database));
    if (options.mayBeNewer === false && newer.length > 0) {
      throw new MigrationError(`The database has ${newer.join(", ")}, which this version does not know; use a version that does.`);
    }
    if (names.length > 1) await verifyShardName(database, name);
    if (name === FIRST_SHARD) {
      await verifyDirectory(database, names);
      await verifyQueues(config);
    }
    if (newer.length === 0) log.info({ database: database.kind }, "the schema is what this version needs");
    else log.warn({ database: database.kind, newer }, "the schema is newer than this version; it has all that this version needs");
  });
}

/**
 * Refuses a SQLite file that a transfer began to fill and did not finish: it lacks rows, and its indexes are made last. A Postgres that is filled may
 * have its app already, which waits for its rows.
 */
async function refuseUnfinished(database: Database): Promise<void> {
  if (database.kind !== "sqlite") return;
  if ((await database.get("SELECT 1 AS found FROM sqlite_schema WHERE name = 'data_transfer'")) === undefined) return;
  const unfinished = await database.get<{ source: string }>("SELECT source FROM data_transfer WHERE state = 'copying'");
  if (unfinished === undefined) return;
  throw new MigrationError(
    `The database has part of the rows of ${unfinished.source}, from a transfer that did not come to its end; finish it with the same command (npm run migrate:data), or use another file.`,
  );
}

/** One of several databases, or the only one. */
interface OpenServer extends Server<AppConfig> {
  readonly database: Database;
  readonly logger: Logger;
  /** Of all of them. */
  readonly names: readonly string[];
}

/** One after the other, the first one first. */
async function onEachServer(
  config: AppConfig,
  logger: Logger,
  { mayBeAway = false }: MigrateOptions,
  open: (config: AppConfig, logger: Logger) => Promise<Database>,
  work: (server: OpenServer) => Promise<void>,
): Promise<void> {
  const servers = serversOf(config);
  const names = servers.map(({ name }) => name);
  for (const server of servers) {
    const log = servers.length === 1 ? logger : logger.child({ shard: server.name });
    const database = await open(server.config, log);
    try {
      await work({ ...server, database, logger: log, names });
    } catch (error) {
      if (!mayBeAway || server.name === FIRST_SHARD || !(error instanceof DatabaseUnavailableError)) throw error;
      log.error({ reason: error.message }, "this database is away, and only its companies wait for it; its schema was not looked at");
    } finally {
      await database.close();
    }
  }
}

function migrationsFor({ kind }: Database): readonly Migration[] {
  return readMigrations(assetDirectory(`migrations/${kind}`));
}
