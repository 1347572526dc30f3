import { migrateSchema } from "../db/schema";
import { createLogger } from "../observability/logger";
import { configOrExit } from "./run";

/**
 * The command `migrate`: brings the schema up to date as the owner of the tables and makes the app's login where one is configured. For
 * deployments that migrate before they roll out (`MIGRATIONS=external`).
 * @throws what {@link migrateSchema} throws; ends the process when the configuration is not usable.
 */
export async function runMigrations(): Promise<void> {
  const config = configOrExit();
  await migrateSchema(config, createLogger(config, { role: "migrate" }), { makeLogin: true });
}
