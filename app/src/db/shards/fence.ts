import type { Database, Transaction } from "../database";
import { type Directory, FIRST_SHARD, type Shard } from "./directory";

/** What transactions of a company are in line for; see `TransactionOptions.lock`. */
export function companyLock(companyId: string): string {
  return `company ${companyId}`;
}

/** The company is not in the database that was asked; nothing was done. */
export class CompanyMovedError extends Error {
  override readonly name = "CompanyMovedError";
  constructor() {
    super("The company has moved to another database.");
  }
}

const FENCE = "SELECT state FROM shard_fences WHERE company_id = ?";

/** Only if it is still there; and whoever is about to move it sees that somebody wrote. */
const CONFIRM = "UPDATE company_shards SET version = version + 1 WHERE company_id = ? AND shard = ?";

/**
 * To be asked first in a transaction of a company, under its lock: whether the company is here. Where it moves, or has moved, the
 * directory decides: what it says cannot change as long as the lock is held, other than by a move that lost its lock, and that one sees
 * that the version is another one.
 * @throws CompanyMovedError
 */
export async function confirmPlace(directory: Directory, shard: Shard, companyId: string, inside: Transaction): Promise<void> {
  if ((await inside.get(FENCE, [companyId])) === undefined) return;
  const first: Pick<Database, "run"> = shard.name === FIRST_SHARD ? inside : directory.first.database;
  if ((await first.run(CONFIRM, [companyId, shard.name])) !== 1) throw new CompanyMovedError();
}
