import { assetDirectory } from "../assets";
import type { AppConfig } from "../config";
import { prepareQueues, verifyQueues } from "../jobs/service";
import type { Logger } from "../observability/logger";
import type { Database } from "./database";
import { ensureIamLogin, ensureLogin } from "./login";
import { migrate, type Migration, readMigrations, verifySchema } from "./migrate";
import { openForTask, openForMigrations } from "./open";

/** What {@link migrateSchema} does beside migrating. */
export interface MigrateOptions {
  /** Makes the logins of DATABASE_APP_USER and DATABASE_IAM_USER first, so that what is made is for it to use. @default false */
  readonly makeLogin?: boolean;
}

/**
 * Brings the tables of the app, and those of its job queues, up to date, as the owner of the tables (DATABASE_DIRECT_URL).
 * @throws MigrationError when database and app do not fit; the server's error when the owner may not do what is needed.
 */
export async function migrateSchema(config: AppConfig, logger: Logger, { makeLogin = false }: MigrateOptions = {}): Promise<void> {
  const database = await openForMigrations(config, logger);
  try {
    const login = config.postgres?.appLogin;
    if (makeLogin && login !== undefined) {
      await ensureLogin(database, login);
      logger.info({ user: login.user }, "the app's login is there, with its rights");
    }
    const iamUser = config.postgres?.iamUser;
    if (makeLogin && iamUser !== undefined) {
      await ensureIamLogin(database, iamUser);
      logger.info({ user: iamUser }, "the app's login by tokens is there, with its rights");
    }
    const applied = await migrate(database, migrationsFor(database), (migration) => logger.info({ migration }, "migration applied"));
    await prepareQueues(config);
    logger.info({ database: database.kind, applied }, applied.length === 0 ? "the schema is up to date" : "migrations applied");
  } finally {
    await database.close();
  }
}

/**
 * Makes sure, without changing anything, that all tables are there that this version needs (`MIGRATIONS=external`).
 * @throws MigrationError when they are not.
 */
export async function checkSchema(config: AppConfig, logger: Logger): Promise<void> {
  const database = await openForTask(config, logger);
  try {
    const newer = await verifySchema(database, migrationsFor(database));
    await verifyQueues(config);
    if (newer.length === 0) logger.info({ database: database.kind }, "the schema is what this version needs");
    else logger.warn({ database: database.kind, newer }, "the schema is newer than this version; it has all that this version needs");
  } finally {
    await database.close();
  }
}

function migrationsFor({ kind }: Database): readonly Migration[] {
  return readMigrations(assetDirectory(`migrations/${kind}`));
}
