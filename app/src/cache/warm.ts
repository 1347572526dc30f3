import { getCompany } from "../companies/companies";
import type { Container } from "../container";
import type { Database } from "../db/database";
import { companies, orders } from "../db/tables";
import { onReachableShards } from "../db/shards/reach";
import { TenantScope } from "../db/tenant";
import { listPage, parseListRequest } from "../http/pagination";
import { ORDER_LIST } from "../orders/orders";

/** Sessions looked at: those used last. One range of the index over their end. */
const RECENT_SESSIONS = 5000;

const BUSIEST = `SELECT company_id AS "companyId", count(*) AS "sessions" FROM
    (SELECT company_id FROM sessions ORDER BY expires_at DESC LIMIT ?) AS recent
  GROUP BY company_id ORDER BY count(*) DESC, company_id LIMIT ?`;

/** The companies with the most sessions in use, the busiest first. */
export async function busiestCompanies(database: Database, most: number): Promise<string[]> {
  const ask = (shard: Database) => shard.all<{ companyId: string; sessions: number }>(BUSIEST, [RECENT_SESSIONS, most]);
  const found = (await onReachableShards(database, ask)).flat();
  if (database.shards !== undefined) found.sort((one, other) => other.sessions - one.sessions);
  return found.slice(0, most).map(({ companyId }) => companyId);
}

/**
 * Reads what the busiest companies will ask for first (feature E11), one company after the other, so that a worker that has just
 * started neither keeps its first users waiting nor burdens the database. Whatever fails is left to the first request.
 * @returns how many companies were warmed.
 */
export async function warmCache(container: Pick<Container, "cache" | "config" | "database" | "logger" | "state">): Promise<number> {
  const { cache, config, database, logger, state } = container;
  if (!cache.enabled || config.cache.warmCompanies === 0) return 0;
  let warmed = 0;
  try {
    for (const companyId of await busiestCompanies(database, config.cache.warmCompanies)) {
      if (state.draining) break;
      await warmCompany(container, companyId);
      warmed += 1;
    }
    logger.info({ companies: warmed }, "cache warmed");
  } catch (error) {
    logger.warn({ err: error, companies: warmed }, "warming the cache stopped");
  }
  return warmed;
}

/** The same keys as the routes use; a test holds them together. */
async function warmCompany({ cache, database }: Pick<Container, "cache" | "database">, companyId: string): Promise<void> {
  const scope = new TenantScope(database, companyId);
  await cache.getOrSetText({ companyId }, "company", () => getCompany(scope), { tags: [companies.table] });
  const list = parseListRequest({}, ORDER_LIST);
  await cache.getOrSetText({ companyId }, `orders?${JSON.stringify(list)}`, () => listPage(scope.table(orders), list, (order) => order), {
    tags: [orders.table],
  });
}
