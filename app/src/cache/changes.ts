import type { ChangeObserver } from "../db/changes";
import type { DatabaseGenerations, RedisGenerations } from "./generations";

/** Lets every write of tenants' rows invalidate what was made from their tables, so that no route has to remember it. */
export function cacheInvalidation(database: DatabaseGenerations, redis: RedisGenerations | undefined): ChangeObserver {
  return {
    changing: (transaction, companyId, tables) => database.change(companyId, [...tables], transaction),
    changed: async (companyId, tables) => {
      await redis?.change(companyId, [...tables]);
    },
  };
}
