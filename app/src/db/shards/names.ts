import type { Database } from "../database";
import { MigrationError } from "../migrate";
import { FIRST_SHARD } from "./directory";

const READ = "SELECT name FROM shard_name WHERE id = 1";
const WRITE = "INSERT INTO shard_name (id, name) VALUES (1, ?) ON CONFLICT (id) DO NOTHING";

/**
 * Writes into one of several databases which one it is, once: so that addresses which were exchanged later are noticed.
 * @throws MigrationError when it is another one.
 */
export async function nameShard(database: Database, name: string): Promise<void> {
  await database.run(WRITE, [name]);
  await verifyShardName(database, name);
}

/** @throws MigrationError when it is another one, or none yet. */
export async function verifyShardName(database: Database, name: string): Promise<void> {
  const found = (await database.get<{ name: string }>(READ))?.name;
  if (found === name) return;
  const wanted = name === FIRST_SHARD ? "DATABASE_URL" : `"${name}" of DATABASE_SHARDS`;
  if (found === undefined) {
    throw new MigrationError(`The database of ${wanted} has no name yet; run "node main.js migrate" with the same DATABASE_SHARDS.`);
  }
  throw new MigrationError(`The database of ${wanted} says that it is "${found}"; give each name the address it had before.`);
}

/**
 * Makes sure that every company's database is configured.
 * @param first the one with the directory.
 * @throws MigrationError
 */
export async function verifyDirectory(first: Database, names: readonly string[]): Promise<void> {
  const marks = names.map(() => "?").join(", ");
  const missing = await first.get<{ shard: string }>(`SELECT shard FROM company_shards WHERE shard NOT IN (${marks}) LIMIT 1`, names);
  if (missing === undefined) return;
  throw new MigrationError(`There are companies in "${missing.shard}", which DATABASE_SHARDS does not name; add it with its address.`);
}
