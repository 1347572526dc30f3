import { type Database, DatabaseBusyError, DatabaseUnavailableError, type Queries } from "../db/database";
import { exceptCopies, findOnShards, homeOf, shardsOf } from "../db/shards/reach";
import { sessions, type Role } from "../db/tables";
import { TenantScope } from "../db/tenant";
import { UnchangedMemo } from "../db/unchanged";
import type { TokenSigner } from "./token";

/** Who makes a request. */
export interface Session {
  readonly companyId: string;
  readonly userId: string;
  /** What the user may do within the company. */
  readonly role: Role;
  /** An operator of the whole platform; given by the admin token only. */
  readonly platformAdmin: boolean;
  /** The company's plan, at most a minute old. */
  readonly plan: string;
  /** ISO 8601. */
  readonly expiresAt: string;
  /** This request moved the end on, at most once a minute: a cookie has to live as long. */
  readonly prolonged?: true;
}

/** A session as processes share it outside of the database. */
export interface SharedSession extends Session {
  /** When the database last said so, by the shared clock; ms since 1970. */
  readonly checkedAt: number;
}

/**
 * Copies of sessions that are faster to read than the database; `redis-sessions.ts` is one. None of the methods ever rejects: whatever
 * fails there, the database knows.
 */
export interface SharedSessions {
  /** The copy, its life prolonged to a whole lifetime; `undefined` when there is none or nobody answers. */
  read(idHash: string): Promise<SharedSession | undefined>;
  /** The copy that this process read last, if it still has it; it may be out of date. */
  recent(idHash: string): SharedSession | undefined;
  /** Keeps a copy, unless the session was revoked meanwhile. */
  write(idHash: string, session: SharedSession): Promise<void>;
  /** Once it resolves, no process finds a copy of these again. */
  revoke(idHashes: readonly string[]): Promise<void>;
}

/** A session ends this long after its last use, in milliseconds (feature B6: 1 h sliding). */
export const SESSION_LIFETIME_MS = 3_600_000;

/**
 * The end is moved at most this often (ms), so that reading pages does not become writing to the database. A copy is checked against
 * the database as often: role and plan are never older than this, and losing every copy shortens no session by more.
 */
export const SLIDE_INTERVAL_MS = 60_000;

/** After a refused write no session is prolonged for this long, ms: its reader would wait for the refusal. */
const SLIDE_PAUSE_MS = 10_000;

/** Expired sessions removed at each login, so that the table stays as large as its use without a job of its own. */
const EXPIRED_PER_LOGIN = 20;

/**
 * Sessions remembered while the database does not change; about 500 bytes each. As many as companies are counted at a time: with fewer,
 * ten thousand of them in turn would find none of theirs, and leave the garbage of each behind.
 */
const MOST_REMEMBERED = 12_000;

/** Sessions one user may have; logging in once more ends the oldest. */
export const MOST_SESSIONS_PER_USER = 100;

interface SessionUser {
  readonly companyId: string;
  readonly userId: string;
  readonly role: Role;
  readonly platformAdmin: number;
  readonly plan: string;
  readonly expiresAt: string;
}

// Before a request has a tenant there is nothing to scope by: the signed token is what leads to one.
const FIND = `SELECT s.company_id AS "companyId", s.user_id AS "userId", u.role AS "role", u.platform_admin AS "platformAdmin",
    c.plan AS "plan", s.expires_at AS "expiresAt"
  FROM sessions s JOIN users u ON u.company_id = s.company_id AND u.id = s.user_id JOIN companies c ON c.id = s.company_id
  WHERE s.id_hash = ? AND s.expires_at > ? AND u.status = 'active'`;

const SLIDE = "UPDATE sessions SET expires_at = ? WHERE id_hash = ? AND expires_at < ?";
const END = "DELETE FROM sessions WHERE id_hash = ?";

/** How a {@link SessionStore} is put together. */
export interface SessionStoreOptions {
  /** @default this process's clock */
  readonly now?: () => number;
  /** @default none: every request asks the database */
  readonly shared?: SharedSessions;
}

/** Sessions in the database: every instance sees them, and logging out ends one everywhere at once. */
export class SessionStore {
  readonly #database: Database;
  readonly #signer: TokenSigner;
  readonly #now: () => number;
  readonly #shared: SharedSessions | undefined;
  readonly #unchanged: UnchangedMemo<Session>;
  readonly #purge: string;
  #slideAt = Number.NaN;
  #slideNotBefore = -Infinity;
  #slideText = "";
  readonly #endedListeners = new Set<(idHashes: readonly string[]) => void>();

  constructor(database: Database, signer: TokenSigner, { now = Date.now, shared }: SessionStoreOptions = {}) {
    this.#database = database;
    this.#signer = signer;
    this.#now = now;
    this.#shared = shared;
    this.#unchanged = new UnchangedMemo(database, MOST_REMEMBERED);
    this.#purge = `DELETE FROM sessions WHERE id_hash IN
      (SELECT id_hash FROM sessions WHERE expires_at <= ? ${exceptCopies(database)} ORDER BY expires_at LIMIT ?)`;
  }

  /** Starts a session of an active user; `token` is shown to the client once and stored nowhere. */
  async create(companyId: string, userId: string): Promise<{ readonly token: string; readonly expiresAt: string }> {
    const { token, idHash } = this.#signer.create(this.#database.ofCompany === undefined ? undefined : companyId);
    const expiresAt = this.#expiry();
    const ended = await homeOf(this.#database, companyId).transaction(async (transaction) => {
      await transaction.run(this.#purge, [this.#iso(0), EXPIRED_PER_LOGIN]);
      const table = new TenantScope(this.#database, companyId, transaction).table(sessions);
      const newest = { where: { userId }, sort: "createdAt", descending: true } as const;
      const tooMany = await table.page({ ...newest, limit: MOST_SESSIONS_PER_USER, offset: MOST_SESSIONS_PER_USER - 1 });
      for (const { id } of tooMany) await table.delete({ id });
      await table.insert({ id: idHash, userId, createdAt: this.#iso(0), expiresAt });
      return tooMany.map(({ id }) => id);
    });
    await this.forget(ended);
    return { token, expiresAt };
  }

  /**
   * What {@link find} would resolve with, where that is known without waiting: nothing was written since it was last found, and it is too
   * young to be prolonged. Always `undefined` with shared copies, which prolong it by being read.
   */
  remembered(token: string): Session | undefined {
    const idHash = this.#shared === undefined ? this.#signer.verify(token) : undefined;
    return idHash === undefined ? undefined : this.#young(idHash);
  }

  /**
   * The session that this process last found for a token, which may have ended since: to begin what only makes sense if it has not. Only
   * with shared copies.
   */
  recent(token: string): Session | undefined {
    const idHash = this.#signer.verify(token);
    return idHash === undefined ? undefined : this.#shared?.recent(idHash);
  }

  /** The session behind a token, its end moved on; `undefined` when it is forged, ended, expired or its user deactivated. */
  async find(token: string): Promise<Session | undefined> {
    const idHash = this.#signer.verify(token);
    if (idHash === undefined) return undefined;
    const copy = await this.#shared?.read(idHash);
    if (copy !== undefined && this.#now() - copy.checkedAt < SLIDE_INTERVAL_MS) return copy;
    const session = await this.#read(idHash, token);
    if (this.#shared === undefined) return session;
    if (session !== undefined) await this.#shared.write(idHash, { ...session, checkedAt: this.#now() });
    // A copy without its session is from before the session ended.
    if (session === undefined && copy !== undefined) await this.#shared.revoke([idHash]);
    return session;
  }

  /** Ends a session; a token that leads to none is no error. */
  async end(token: string): Promise<void> {
    const idHash = this.#signer.verify(token);
    if (idHash === undefined) return;
    if (this.#database.shards === undefined) await this.#database.run(END, [idHash]);
    else {
      // In the company's own database, under its lock: deleted in each, a move could carry it past the one that was asked first.
      const owner = 'SELECT company_id AS "companyId" FROM sessions WHERE id_hash = ?';
      const find = (shard: Queries) => shard.get<{ companyId: string }>(owner, [idHash]);
      const companyId = this.#signer.companyOf(token) ?? (await findOnShards(this.#database, find))?.companyId;
      if (companyId !== undefined) await homeOf(this.#database, companyId).run(END, [idHash]);
    }
    await this.forget([idHash]);
  }

  /** Ends every session of a user, on every device. */
  async endAll(companyId: string, userId: string): Promise<void> {
    await this.forget(await new TenantScope(this.#database, companyId).transaction((scope) => endSessions(scope, userId)));
  }

  /**
   * To be called with the sessions that a committed transaction ended, before its success is answered: the copies go as well.
   * @param idHashes what {@link endSessions} returned.
   */
  async forget(idHashes: readonly string[]): Promise<void> {
    if (idHashes.length === 0) return;
    await this.#shared?.revoke(idHashes);
    for (const listener of this.#endedListeners) listener(idHashes);
  }

  /** Calls back when sessions were ended in this process: logged out, replaced, of a deactivated user. Not when they expire. */
  onEnded(listener: (idHashes: readonly string[]) => void): void {
    this.#endedListeners.add(listener);
  }

  /** What {@link onEnded} and {@link alive} call the session of a token; `undefined` for a token that is not ours. */
  idOf(token: string): string | undefined {
    return this.#signer.verify(token);
  }

  /**
   * Which of these sessions have not ended. Looking prolongs none.
   * @param companyId whose they are, where that is known: of several databases only its own is asked then
   * @throws what a database said that could not be asked, when one of them was not found in the others.
   */
  async alive(idHashes: readonly string[], companyId?: string): Promise<ReadonlySet<string>> {
    if (idHashes.length === 0) return new Set();
    const marks = idHashes.map(() => "?").join(", ");
    // Beside a fence it may be a copy, of which only the company's own database knows whether it still holds.
    const fenced =
      this.#database.shards === undefined
        ? ""
        : `, s.company_id AS "companyId", EXISTS (SELECT 1 FROM shard_fences f WHERE f.company_id = s.company_id) AS "fenced"`;
    const sql = `SELECT s.id_hash AS "idHash"${fenced} FROM sessions s JOIN users u ON u.company_id = s.company_id AND u.id = s.user_id
      WHERE s.id_hash IN (${marks}) AND s.expires_at > ? AND u.status = 'active'`;
    // A shared copy may have been used without the database hearing of it for as long as this.
    const parameters = [...idHashes, this.#iso(-SLIDE_INTERVAL_MS)];
    const found = new Set<string>();
    const look = async (shard: Queries): Promise<void> => {
      const rows = await shard.all<{ idHash: string; companyId?: string; fenced?: 0 | 1 }>(sql, parameters);
      await Promise.all(
        rows.map(async ({ idHash, companyId: owner, fenced: isFenced }) => {
          if (isFenced !== 1 || (await this.#find(idHash, owner)) !== undefined) found.add(idHash);
        }),
      );
    };
    const asked = (companyId === undefined ? shardsOf(this.#database) : [homeOf(this.#database, companyId)]).map(look);
    const wanted = new Set(idHashes).size;
    const incomplete = new Error("some are elsewhere, or ended");
    const complete = asked.map((each) => each.then(() => (found.size < wanted ? Promise.reject(incomplete) : undefined)));
    // Who is in databases that answer does not wait for one that is away.
    const isComplete = await Promise.any(complete).then(
      () => true,
      () => false,
    );
    if (isComplete) return found;
    // What was not found may be in the database that did not answer.
    for (const outcome of await Promise.allSettled(asked)) if (outcome.status === "rejected") throw outcome.reason;
    return found;
  }

  async #read(idHash: string, token: string): Promise<Session | undefined> {
    const known = this.#young(idHash);
    if (known !== undefined) return known;
    const slideBelow = this.#slideBelow();
    const session = await this.#unchanged.read(idHash, async () => {
      const found = await this.#find(idHash, this.#signer.companyOf(token));
      return found && { ...found, platformAdmin: found.platformAdmin === 1 };
    });
    if (session === undefined || session.expiresAt >= slideBelow) return session;
    if (this.#now() < this.#slideNotBefore) return session;
    const expiresAt = this.#expiry();
    try {
      await homeOf(this.#database, session.companyId).run(SLIDE, [expiresAt, idHash, slideBelow]);
    } catch (error) {
      if (!(error instanceof DatabaseBusyError || error instanceof DatabaseUnavailableError)) throw error;
      // The session was read, so reads go on while writes are held; its end moves with a later request.
      this.#slideNotBefore = this.#now() + SLIDE_PAUSE_MS;
      return session;
    }
    return { ...session, expiresAt, prolonged: true };
  }

  /** @param companyId of the token; `undefined` of those from when there was one database, which may be in any now. */
  async #find(idHash: string, companyId: string | undefined): Promise<SessionUser | undefined> {
    const parameters = [idHash, this.#iso(0)];
    if (companyId !== undefined) return homeOf(this.#database, companyId).get<SessionUser>(FIND, parameters);
    const found = await findOnShards(this.#database, (shard) => shard.get<SessionUser>(FIND, parameters));
    // While a company moves there is a copy of it, in which what was ended may be there still.
    if (found === undefined || this.#database.shards === undefined) return found;
    return homeOf(this.#database, found.companyId).get<SessionUser>(FIND, parameters);
  }

  #young(idHash: string): Session | undefined {
    const known = this.#unchanged.get(idHash);
    return known !== undefined && known.expiresAt >= this.#slideBelow() ? known : undefined;
  }

  /** Sessions that end before this are prolonged by being used. The same text for all requests of a millisecond. */
  #slideBelow(): string {
    const now = this.#now();
    if (now !== this.#slideAt) {
      this.#slideAt = now;
      this.#slideText = new Date(now + SESSION_LIFETIME_MS - SLIDE_INTERVAL_MS).toISOString();
    }
    return this.#slideText;
  }

  #expiry(): string {
    return this.#iso(SESSION_LIFETIME_MS);
  }

  #iso(fromNowMs: number): string {
    return new Date(this.#now() + fromNowMs).toISOString();
  }
}

/**
 * Ends every session of a user inside a transaction. Hand what it returns to {@link SessionStore.forget} once the transaction is
 * committed.
 */
export async function endSessions(scope: TenantScope, userId: string): Promise<string[]> {
  const table = scope.table(sessions);
  // A few more than a user may have: logins at the same moment can each see one place left.
  const found = await table.page({ where: { userId }, sort: "createdAt", descending: false, limit: 10 * MOST_SESSIONS_PER_USER });
  if (found.length > 0) await table.delete({ userId });
  return found.map(({ id }) => id);
}
