import type { Database } from "../database";
import { homeOf } from "./reach";

/**
 * An address that was promised to a company and has no user there after this, seconds, may be promised to another: whoever claimed it has
 * given up. Longer than any attempt at a transaction takes (DB_RETRY_MS and DB_STATEMENT_TIMEOUT_MS together, as they are by default).
 */
const CLAIM_SECONDS = 120;

/** The database's clock less so many seconds, as text. */
const BEFORE: Readonly<Record<Database["kind"], (seconds: number) => string>> = {
  sqlite: (seconds) => `strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-${seconds} seconds')`,
  postgres: (seconds) => `to_char((clock_timestamp() - interval '${seconds} seconds') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
};

// Users of the time when there was one database are promised to nobody; they are where they were.
const HOLDERS = `SELECT company_id AS "companyId" FROM company_logins WHERE email = ?
  UNION SELECT company_id AS "companyId" FROM users WHERE email = ?`;

const USER = "SELECT id FROM users WHERE company_id = ? AND email = ?";

/** Companies that a user with this address may belong to: one, or two while a claim is being given up. */
export async function companiesOfLogin(first: Database, email: string): Promise<readonly string[]> {
  return (await first.all<{ companyId: string }>(HOLDERS, [email, email])).map(({ companyId }) => companyId);
}

/**
 * Promises an address to a company before its user is made, so that no two databases have a user of the same one.
 * @returns `false` when it belongs to another company.
 */
export async function claimLogin(database: Database, first: Database, email: string, companyId: string): Promise<boolean> {
  const before = BEFORE[first.kind];
  for (const holder of await companiesOfLogin(first, email)) {
    if (holder === companyId) continue;
    if ((await homeOf(database, holder).get(USER, [holder, email])) !== undefined) return false;
  }
  // Nobody has it. Whoever is promised it now may still make a user; and the same company may come again.
  const taken = await first.run(
    `INSERT INTO company_logins (email, company_id, claimed_at) VALUES (?, ?, ${before(0)})
     ON CONFLICT (email) DO UPDATE SET company_id = excluded.company_id, claimed_at = excluded.claimed_at
     WHERE company_logins.company_id = excluded.company_id OR company_logins.claimed_at < ${before(CLAIM_SECONDS)}`,
    [email, companyId],
  );
  return taken === 1;
}
