import type { Database, Queries } from "./database";
import { exceptCopies, onEachShard } from "./shards/reach";

/** What one user called one request, so that sending it again does nothing twice. */
export interface OnceKey {
  readonly userId: string;
  readonly key: string;
  /** Tells one request from another, so that a key is not used for both. */
  readonly fingerprint: string;
}

/** The user gave this key to another request already. */
export class KeyReusedError extends Error {
  override readonly name = "KeyReusedError";
  constructor() {
    super("The key was used for another request.");
  }
}

/** Keys are forgotten after this, ms: whoever sends a request again does so long before. */
export const KEY_LIFETIME_MS = 24 * 3_600_000;

/** Newest keys kept of one user; with answers of a few KB each, what one user makes the database keep is bounded. */
export const MOST_KEYS_PER_USER = 1000;

const PURGE_ROWS = 500;

const FIND = "SELECT fingerprint, answer FROM idempotency_keys WHERE company_id = ? AND user_id = ? AND key = ? AND created_at > ?";

/** Changes nothing, and yet is a write. */
const CONFIRM = "UPDATE idempotency_keys SET created_at = created_at WHERE company_id = ? AND user_id = ? AND key = ?";

/** What is there already is over its time, or it would have been found. */
const KEEP = `INSERT INTO idempotency_keys (company_id, user_id, key, fingerprint, answer, created_at) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (company_id, user_id, key)
  DO UPDATE SET fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at`;

/**
 * All that are older than the oldest one that stays, which is looked up once: new users are unknown to Postgres' statistics, and where it
 * expects one row it joins by looking at all of them again for each.
 */
export const DROP_SURPLUS = `DELETE FROM idempotency_keys WHERE company_id = ? AND user_id = ? AND created_at < (
  SELECT created_at FROM idempotency_keys WHERE company_id = ? AND user_id = ?
  ORDER BY created_at DESC, key DESC LIMIT 1 OFFSET ${MOST_KEYS_PER_USER - 1})`;

/**
 * Within a transaction of the company: what `work` resolved with the first time that this key was committed, or what it resolves with
 * now. Those who come with the same key at the same time wait for each other, as all transactions of a company do.
 *
 * @returns `isRepeated`: nothing was done now; `result` is the kept JSON of the first one.
 * @throws KeyReusedError
 */
export async function doOnce<Result>(
  transaction: Queries,
  companyId: string,
  { userId, key, fingerprint }: OnceKey,
  work: () => Promise<Result>,
  now = Date.now(),
): Promise<{ readonly result: Result; readonly isRepeated: boolean }> {
  const since = new Date(now - KEY_LIFETIME_MS).toISOString();
  const known = await transaction.get<{ fingerprint: string; answer: string }>(FIND, [companyId, userId, key, since]);
  if (known !== undefined) {
    if (known.fingerprint !== fingerprint) throw new KeyReusedError();
    // The first commit may be waiting for a standby still, or may have given up on it. One that comes after it is confirmed with it.
    await transaction.run(CONFIRM, [companyId, userId, key]);
    return { result: JSON.parse(known.answer) as Result, isRepeated: true };
  }
  const result = await work();
  await transaction.run(KEEP, [companyId, userId, key, fingerprint, JSON.stringify(result), new Date(now).toISOString()]);
  await transaction.run(DROP_SURPLUS, [companyId, userId, companyId, userId]);
  return { result, isRepeated: false };
}

/** Forgets keys that are over their time, of everybody; what is left goes the next time. */
export async function purgeKeys(database: Database, now = Date.now()): Promise<void> {
  const before = new Date(now - KEY_LIFETIME_MS).toISOString();
  const old = `SELECT company_id, user_id, key FROM idempotency_keys WHERE created_at <= ? ${exceptCopies(database)}
    ORDER BY created_at LIMIT ${PURGE_ROWS}`;
  await onEachShard(database, async (shard) => {
    // Most times there is nothing, and a statement that may write makes others wait for it.
    if ((await shard.get(old, [before])) === undefined) return;
    await shard.run(`DELETE FROM idempotency_keys WHERE (company_id, user_id, key) IN (${old})`, [before]);
  });
}
