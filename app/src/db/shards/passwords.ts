import { parts } from "./environment";
import { passwordVariable } from "./password-variable";

/** What {@link shardPasswords} goes by. */
interface Named {
  readonly DATABASE_SHARDS?: string | undefined;
  readonly DATABASE_LOGIN: "password" | "iam";
}

const VARIABLE = /^(DATABASE_SHARD_[A-Z0-9_]+_PASSWORD)(_FILE)?$/;

/**
 * Passwords of databases that have another one than DATABASE_PASSWORD, by their names: that of the tables' owner is one for each server where the cloud
 * keeps and changes it. What does not fit is added to `violations`.
 * @param given names of all variables that are set.
 * @param read the value of one, or of the file that is named by it with `_FILE` behind.
 */
export function shardPasswords(
  env: Named,
  given: readonly string[],
  read: (variable: string) => string | undefined,
  violations: string[],
): ReadonlyMap<string, string> {
  const names = new Map(parts(env.DATABASE_SHARDS).map(({ name }) => [passwordVariable(name), name]));
  const passwords = new Map<string, string>();
  for (const variable of new Set(given.flatMap((name) => VARIABLE.exec(name)?.[1] ?? []))) {
    const password = read(variable);
    if (password === undefined) continue;
    const shard = names.get(variable);
    if (shard === undefined) violations.push(`${variable}: DATABASE_SHARDS has no such name; use one that it has, or remove the variable.`);
    else if (env.DATABASE_LOGIN === "iam")
      violations.push(`${variable}: set with DATABASE_LOGIN iam, which logs in as a role; remove the variable.`);
    else passwords.set(shard, password);
  }
  return passwords;
}
