import type { Company } from "../companies/companies";
import { getCompany } from "../companies/companies";
import type { Database } from "../db/database";
import { createId } from "../db/id";
import { homeOf } from "../db/shards/reach";
import { companies, users, type UserRow } from "../db/tables";
import { TenantScope } from "../db/tenant";
import { HttpProblem } from "../http/problem";
import type { User } from "../users/users";
import { createUser, getUser, loginTaken } from "../users/users";
import type { PasswordCost } from "./password";
import { decoyHash, DEFAULT_COST, hashPassword, needsRehash, verifyPassword } from "./password";
import { endSessions, type Session, type SessionStore } from "./session-store";

/** What signing up and logging in give. */
export interface SignedIn {
  readonly token: string;
  /** ISO 8601; moves on with use. */
  readonly expiresAt: string;
  readonly user: User;
  readonly company: Company;
}

export interface SignUp {
  readonly companyName: string;
  readonly name: string;
  readonly email: string;
  readonly password: string;
}

// Looked up before there is a tenant: the address is what leads to one.
const FIND_LOGIN = `SELECT id AS "id", company_id AS "companyId", password_hash AS "passwordHash", status AS "status" FROM users WHERE email = ?`;

interface LoginRow extends Pick<UserRow, "id" | "passwordHash" | "status"> {
  readonly companyId: string;
}

// By id, of a user who is logged in already.
const FIND_PASSWORD = "SELECT password_hash AS \"passwordHash\" FROM users WHERE company_id = ? AND id = ? AND status = 'active'";

/** The company that platform admins belong to; created with the first of them. */
export const PLATFORM_COMPANY_ID = "platform";

/** Signing up and logging in: what happens before a request belongs to a company. */
export class Accounts {
  readonly #database: Database;
  readonly #sessions: SessionStore;
  readonly #cost: PasswordCost;
  /** Compared with when the address is unknown, so that this takes as long as a wrong password. */
  readonly #decoy: string;

  /** @param cost of new password hashes; tests pass a cheap one. @default {@link DEFAULT_COST} */
  constructor(database: Database, sessions: SessionStore, cost: PasswordCost = DEFAULT_COST) {
    this.#database = database;
    this.#sessions = sessions;
    this.#cost = cost;
    this.#decoy = decoyHash(cost);
  }

  hash(password: string): Promise<string> {
    return hashPassword(password, this.#cost);
  }

  /**
   * Creates a company and its first admin, and logs in.
   * @throws HttpProblem when the e-mail address already has an account.
   */
  async signUp({ companyName, name, email, password }: SignUp): Promise<SignedIn> {
    const passwordHash = await this.hash(password);
    const companyId = createId();
    const now = new Date().toISOString();
    await this.#database.admitCompany?.(companyId);
    await this.claimLogin(email, companyId);
    const user = await new TenantScope(this.#database, companyId).transaction(async (scope) => {
      await scope
        .table(companies)
        .insert({ id: companyId, name: companyName, plan: "FREE", lastOrderNumber: 0, createdAt: now, updatedAt: now });
      return createUser(scope, { email, name, role: "admin", passwordHash });
    });
    return this.#signIn(companyId, user.id);
  }

  /** @throws HttpProblem, the same for an unknown address, a wrong password and a deactivated user, after about the same time. */
  async logIn(email: string, password: string): Promise<SignedIn> {
    const found = await this.#findLogin(email);
    const matches = await verifyPassword(password, found?.passwordHash ?? this.#decoy);
    if (found === undefined || !matches || found.status !== "active") {
      throw new HttpProblem("invalid-credentials", "The e-mail address or the password is wrong.");
    }
    if (needsRehash(found.passwordHash, this.#cost)) {
      const passwordHash = await this.hash(password);
      await new TenantScope(this.#database, found.companyId).table(users).update(found.id, { passwordHash });
    }
    return this.#signIn(found.companyId, found.id);
  }

  /**
   * Changes the password of whoever is logged in, ends all of their sessions and starts a new one: whoever got hold of one is out.
   * @throws HttpProblem when the current password is wrong.
   */
  async changePassword({ companyId, userId }: Session, current: string, password: string): Promise<SignedIn> {
    const home = homeOf(this.#database, companyId);
    const found = await home.get<{ readonly passwordHash: string }>(FIND_PASSWORD, [companyId, userId]);
    if (!(await verifyPassword(current, found?.passwordHash ?? this.#decoy))) {
      throw new HttpProblem("invalid-credentials", "The current password is wrong.", {
        errors: [{ field: "currentPassword", allowed: "the password of the account" }],
      });
    }
    const passwordHash = await this.hash(password);
    const ended = await new TenantScope(this.#database, companyId).transaction(async (scope) => {
      await scope.table(users).update(userId, { passwordHash, updatedAt: new Date().toISOString() });
      return endSessions(scope, userId);
    });
    await this.#sessions.forget(ended);
    return this.#signIn(companyId, userId);
  }

  /**
   * Creates an operator of the whole platform; only for holders of the admin token.
   * @throws HttpProblem when the e-mail address already has an account.
   */
  async createPlatformAdmin({ name, email, password }: Omit<SignUp, "companyName">): Promise<User> {
    const passwordHash = await this.hash(password);
    const now = new Date().toISOString();
    await this.claimLogin(email, PLATFORM_COMPANY_ID);
    return new TenantScope(this.#database, PLATFORM_COMPANY_ID).transaction(async (scope) => {
      const table = scope.table(companies);
      if ((await table.find(PLATFORM_COMPANY_ID)) === undefined) {
        const company = { id: PLATFORM_COMPANY_ID, name: "Platform", plan: "ENTERPRISE", lastOrderNumber: 0 };
        await table.insert({ ...company, createdAt: now, updatedAt: now });
      }
      return createUser(scope, { email, name, role: "admin", passwordHash, platformAdmin: 1 });
    });
  }

  /**
   * To be called before a user is made, outside of its transaction: users of other databases are not seen by the one that is to have it.
   * @throws HttpProblem when another company has a user of this address.
   */
  async claimLogin(email: string, companyId: string): Promise<void> {
    if ((await this.#database.claimLogin?.(email, companyId)) === false) throw loginTaken(email);
  }

  /** Of several databases, the first one tells the company. */
  async #findLogin(email: string): Promise<LoginRow | undefined> {
    if (this.#database.companiesOfLogin === undefined) return this.#database.get<LoginRow>(FIND_LOGIN, [email]);
    for (const companyId of await this.#database.companiesOfLogin(email)) {
      const found = await homeOf(this.#database, companyId).get<LoginRow>(FIND_LOGIN, [email]);
      if (found?.companyId === companyId) return found;
    }
    return undefined;
  }

  async #signIn(companyId: string, userId: string): Promise<SignedIn> {
    const session = await this.#sessions.create(companyId, userId);
    const scope = new TenantScope(this.#database, companyId);
    return { ...session, user: await getUser(scope, userId), company: await getCompany(scope) };
  }
}
