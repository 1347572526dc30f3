import { releaseQuota, takeQuota } from "../billing/quotas";
import { ConstraintError } from "../db/database";
import { createId } from "../db/id";
import { users, type Role, type UserRow } from "../db/tables";
import type { TenantScope } from "../db/tenant";
import { changeTime } from "../db/versioned";
import { publish } from "../events/outbox";
import type { ListDefinition } from "../http/pagination";
import { changedMeanwhile, requireTag } from "../http/precondition";
import { HttpProblem } from "../http/problem";
import { endSessions } from "../session/session-store";

/** A user as the API shows it: everything but the password's hash. */
export type User = Omit<UserRow, "passwordHash" | "platformAdmin">;

export const USER_LIST: ListDefinition<UserRow> = {
  size: "medium",
  sorts: ["createdAt", "email"],
  defaultSort: "-createdAt",
  filters: { status: ["active", "deactivated"] },
};

export interface NewUser {
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly passwordHash: string;
  /** @default 0 */
  readonly platformAdmin?: 0 | 1;
}

export interface UserChanges {
  readonly name?: string;
  readonly role?: Role;
  readonly status?: UserRow["status"];
  readonly passwordHash?: string;
}

export function presentUser({ id, email, name, role, status, createdAt, updatedAt }: UserRow): User {
  return { id, email, name, role, status, createdAt, updatedAt };
}

/**
 * @param scope inside a transaction.
 * @throws HttpProblem when the e-mail address is taken, by this company or another, or the plan allows no more users.
 */
export async function createUser(scope: TenantScope, user: NewUser): Promise<User> {
  await takeQuota(scope, "users");
  const now = new Date().toISOString();
  const row: UserRow = { id: createId(), platformAdmin: 0, ...user, status: "active", createdAt: now, updatedAt: now };
  try {
    await scope.table(users).insert(row);
  } catch (error) {
    if (error instanceof ConstraintError && error.columns.includes("users.email")) {
      throw loginTaken(user.email);
    }
    throw error;
  }
  await publish(scope, { type: "user.created", payload: { user: { id: row.id, name: row.name, role: row.role } } });
  return presentUser(row);
}

/** The refusal of an address that a user has. */
export function loginTaken(email: string): HttpProblem {
  return new HttpProblem("conflict", "This e-mail address already has an account.", {
    errors: [{ field: "email", value: email, allowed: "an address without an account" }],
  });
}

/** @throws HttpProblem when the company has no such user. */
export async function getUser(scope: TenantScope, id: string): Promise<User> {
  const row = await scope.table(users).find(id);
  if (row === undefined) throw noSuchUser();
  return presentUser(row);
}

function noSuchUser(): HttpProblem {
  return new HttpProblem("not-found", "There is no such user.");
}

/** What {@link updateUser} did. */
export interface UserUpdate {
  readonly user: User;
  /** For `SessionStore.forget`, before the change is answered. */
  readonly endedSessions: readonly string[];
}

/**
 * Changes a user. A new password, a new role and deactivation end the user's sessions.
 * @param by who changes it, and the tag of the user as they have seen it (`If-Match`); without one whatever is there is changed.
 * @throws HttpProblem when there is no such user, it is not what the caller has seen, it operates the platform and the caller does not, or the
 * company would be left without an active admin.
 */
export function updateUser(
  scope: TenantScope,
  id: string,
  changes: UserChanges,
  by: { readonly platformAdmin: boolean; readonly expected: string | undefined },
): Promise<UserUpdate> {
  const { expected } = by;
  return scope.transaction(async (inside) => {
    const table = inside.table(users);
    const row = await table.find(id);
    if (row === undefined) throw noSuchUser();
    // Whoever sets somebody's password is that somebody from then on.
    if (row.platformAdmin === 1 && !by.platformAdmin) {
      throw new HttpProblem("forbidden", "Only an operator of the platform may change another.");
    }
    const before = presentUser(row);
    requireTag(before, "user", expected);
    const asSeen = expected === undefined ? {} : { updatedAt: before.updatedAt };
    const updated = await table.update(id, { ...changes, updatedAt: changeTime(before) }, asSeen);
    if (!updated && expected !== undefined) throw changedMeanwhile("user", expected);
    const after = await getUser(inside, id);
    // Who is deactivated does not count, so that a company can exchange its people.
    if (before.status === "active" && after.status === "deactivated") await releaseQuota(inside, "users");
    if (before.status === "deactivated" && after.status === "active") await takeQuota(inside, "users");
    const wasAdmin = before.role === "admin" && before.status === "active";
    const isAdmin = after.role === "admin" && after.status === "active";
    if (wasAdmin && !isAdmin && (await table.count({ role: "admin", status: "active" }, 1)) === 0) {
      throw new HttpProblem("conflict", "A company keeps at least one active admin; make someone else an admin first.");
    }
    const endsSessions = changes.passwordHash !== undefined || before.role !== after.role || after.status === "deactivated";
    return { user: after, endedSessions: endsSessions ? await endSessions(inside, id) : [] };
  });
}
