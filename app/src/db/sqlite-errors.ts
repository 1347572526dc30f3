import { ConstraintError } from "./database";

// https://www.sqlite.org/rescode.html: the low byte is the primary code.
const SQLITE_BUSY = 5;

const CONSTRAINTS: Readonly<Record<number, ConstraintError["constraint"]>> = {
  275: "check",
  787: "foreign-key",
  1299: "not-null",
  1555: "unique",
  2067: "unique",
};

/** Runs it; a constraint that it violates is told as a {@link ConstraintError}, as by every database. */
export function translating<Result>(action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    const constraint = CONSTRAINTS[errorCode(error) ?? 0];
    if (constraint === undefined) throw error;
    throw new ConstraintError(constraint, constraintColumns(error), error);
  }
}

function errorCode(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : undefined;
}

/** Somebody else has the lock. */
export function isBusy(error: unknown): boolean {
  return ((errorCode(error) ?? 0) & 0xff) === SQLITE_BUSY;
}

/** SQLite names the columns in the message only: `UNIQUE constraint failed: users.email, users.company_id`. */
function constraintColumns(error: unknown): string[] {
  const list = /constraint failed: (.+)$/.exec(error instanceof Error ? error.message : "")?.[1] ?? "";
  return list.split(", ").filter((name) => /^\w+\.\w+$/.test(name));
}
