import type { Database } from "../db/database";
import { sessions, type Role } from "../db/tables";
import { TenantScope } from "../db/tenant";
import type { TokenSigner } from "./token";

/** Who makes a request. */
export interface Session {
  readonly companyId: string;
  readonly userId: string;
  readonly role: Role;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** A session ends this long after its last use, in milliseconds (feature B6: 1 h sliding). */
export const SESSION_LIFETIME_MS = 3_600_000;

/** The end is moved at most this often (ms), so that reading pages does not become writing to the database. */
const SLIDE_INTERVAL_MS = 60_000;

/** Expired sessions removed at each login, so that the table stays as large as its use without a job of its own. */
const EXPIRED_PER_LOGIN = 20;

interface SessionUser {
  readonly companyId: string;
  readonly userId: string;
  readonly role: Role;
  readonly expiresAt: string;
}

// Before a request has a tenant there is nothing to scope by: the signed token is what leads to one.
const FIND = `SELECT s.company_id AS "companyId", s.user_id AS "userId", u.role AS "role", s.expires_at AS "expiresAt"
  FROM sessions s JOIN users u ON u.company_id = s.company_id AND u.id = s.user_id
  WHERE s.id_hash = ? AND s.expires_at > ? AND u.status = 'active'`;

const SLIDE = "UPDATE sessions SET expires_at = ? WHERE id_hash = ? AND expires_at < ?";
const END = "DELETE FROM sessions WHERE id_hash = ?";
const PURGE = "DELETE FROM sessions WHERE id_hash IN (SELECT id_hash FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)";

/** Sessions in the database: every instance sees them, and logging out ends one everywhere at once. */
export class SessionStore {
  readonly #database: Database;
  readonly #signer: TokenSigner;
  readonly #now: () => number;

  constructor(database: Database, signer: TokenSigner, now: () => number = Date.now) {
    this.#database = database;
    this.#signer = signer;
    this.#now = now;
  }

  /** Starts a session of an active user; `token` is shown to the client once and stored nowhere. */
  async create(companyId: string, userId: string): Promise<{ readonly token: string; readonly expiresAt: string }> {
    const { token, idHash } = this.#signer.create();
    const expiresAt = this.#expiry();
    await this.#database.transaction(async (transaction) => {
      await transaction.run(PURGE, [this.#iso(0), EXPIRED_PER_LOGIN]);
      const scope = new TenantScope(this.#database, companyId, transaction);
      await scope.table(sessions).insert({ id: idHash, userId, createdAt: this.#iso(0), expiresAt });
    });
    return { token, expiresAt };
  }

  /** The session behind a token, its end moved on; `undefined` when it is forged, ended, expired or its user deactivated. */
  async find(token: string): Promise<Session | undefined> {
    const idHash = this.#signer.verify(token);
    if (idHash === undefined) return undefined;
    const found = await this.#database.get<SessionUser>(FIND, [idHash, this.#iso(0)]);
    if (found === undefined) return undefined;
    const slideBelow = this.#iso(SESSION_LIFETIME_MS - SLIDE_INTERVAL_MS);
    if (found.expiresAt >= slideBelow) return found;
    const expiresAt = this.#expiry();
    await this.#database.run(SLIDE, [expiresAt, idHash, slideBelow]);
    return { ...found, expiresAt };
  }

  /** Ends a session; a token that leads to none is no error. */
  async end(token: string): Promise<void> {
    const idHash = this.#signer.verify(token);
    if (idHash !== undefined) await this.#database.run(END, [idHash]);
  }

  #expiry(): string {
    return this.#iso(SESSION_LIFETIME_MS);
  }

  #iso(fromNowMs: number): string {
    return new Date(this.#now() + fromNowMs).toISOString();
  }
}
