import { endCapture } from "./capture";
import { deleteSome } from "./rows";
import { MoveError } from "./session";
import { MOVED_TABLES, OUTBOX } from "./tables";
import type { MoveSessions } from "./types";

const BATCH_ROWS = 1000;

/**
 * Ends an unfinished move: what was copied is deleted, and nothing tells of it any more. Again does no harm.
 * @throws MoveError when the company has its new place already: then the move can only be finished.
 */
export async function abortMove({ first, source, target }: MoveSessions, companyId: string): Promise<{ readonly rows: number }> {
  const place = await first.get<{ shard: string }>("SELECT shard FROM company_shards WHERE company_id = $1", [companyId]);
  if (place?.shard === target.shard) {
    throw new MoveError(`the company is in "${target.shard}" already; without --abort the rest of the move is done`);
  }
  const known = await target.get("SELECT 1 FROM shard_moves WHERE company_id = $1", [companyId]);
  if (known === undefined) throw new MoveError(`there is no unfinished move of the company to "${target.shard}"`);
  // A run that was suspended, and does not know that it is over, decides nothing any more: what it copied is deleted.
  const sql = "UPDATE company_shards SET version = version + 1 WHERE company_id = $1 AND shard <> $2";
  await first.run(sql, [companyId, target.shard]);
  await endCapture(source, companyId);
  await source.run("DELETE FROM shard_fences WHERE company_id = $1", [companyId]);
  let rows = 0;
  for (const table of [OUTBOX, ...[...MOVED_TABLES].reverse()]) {
    for (let deleted = 1; deleted > 0; rows += deleted) deleted = await deleteSome(target, table, companyId, BATCH_ROWS);
  }
  await target.transaction(async () => {
    await target.run("DELETE FROM shard_moves WHERE company_id = $1", [companyId]);
    await target.run("DELETE FROM shard_fences WHERE company_id = $1", [companyId]);
  });
  return { rows };
}
