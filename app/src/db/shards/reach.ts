import type { Database, Queries, TenantDatabase } from "../database";

/** The database that the rows of a company are in: this one, unless there are several. */
export function homeOf(database: Database, companyId: string): TenantDatabase {
  return database.ofCompany?.(companyId) ?? database;
}

/**
 * Condition to be added to what goes over the rows of all companies in one of several databases: not those that a move copies to it, which it
 * compares with where they come from, or has left there. Empty where there is one.
 */
export function exceptCopies({ shards }: Database): string {
  return shards === undefined ? "" : "AND company_id NOT IN (SELECT company_id FROM shard_fences WHERE state <> 'leaving')";
}

/** Every database with rows of companies; for what goes over all of them. */
export function shardsOf(database: Database): readonly Database[] {
  return database.shards?.map((shard) => shard.database) ?? [database];
}

/**
 * Does `work` on each database, at the same time, also when one of them is away.
 * @throws what the first one of those that failed said, once all are through.
 */
export async function onEachShard<Result>(database: Database, work: (shard: Database) => Promise<Result>): Promise<Result[]> {
  if (database.shards === undefined) return [await work(database)];
  const { found, failure } = await tried(database, work);
  if (failure !== undefined) throw failure.reason;
  return found;
}

/**
 * The same for what is of use without those that are away.
 * @throws when none of them answers.
 */
export async function onReachableShards<Result>(database: Database, work: (shard: Database) => Promise<Result>): Promise<Result[]> {
  if (database.shards === undefined) return [await work(database)];
  const { found, failure } = await tried(database, work);
  if (failure !== undefined && found.length === 0) throw failure.reason;
  return found;
}

/**
 * Looks for one row that may be in any of them; for the few questions that name no company.
 * @throws when none has it and one of them could not be asked: it may be there.
 */
export async function findOnShards<Row>(
  database: Database,
  find: (queries: Queries) => Promise<Row | undefined>,
): Promise<Row | undefined> {
  if (database.shards === undefined) return find(database);
  const asked = shardsOf(database).map((shard) => find(shard));
  // The first one that has it decides: whoever is in a database that answers does not wait for one that is away.
  const elsewhere = new Error("not in this one");
  const row = await Promise.any(asked.map(async (each) => (await each) ?? Promise.reject(elsewhere))).catch(() => undefined);
  if (row !== undefined) return row;
  for (const outcome of await Promise.allSettled(asked)) if (outcome.status === "rejected") throw outcome.reason;
  return undefined;
}

async function tried<Result>(
  database: Database,
  work: (shard: Database) => Promise<Result>,
): Promise<{ readonly found: Result[]; readonly failure: PromiseRejectedResult | undefined }> {
  const outcomes = await Promise.allSettled(shardsOf(database).map((shard) => work(shard)));
  return {
    found: outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : [])),
    failure: outcomes.find((outcome) => outcome.status === "rejected"),
  };
}
