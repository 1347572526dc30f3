import type { SecretValues } from "./secrets";

/** What the app calls the database of `databaseUrl`. */
export const FIRST_SHARD = "first";

/** What one of several databases may be called. */
export const SHARD_NAME = /^[a-z][a-z0-9-]{0,30}$/;

/** One of several databases: `s2=postgres://…`. */
export interface NamedAddress {
  readonly name: string;
  readonly address: string;
}

/** The addresses of a list, or `undefined` when it is none. @param unique whether a name may be there once only */
export function namedAddresses(text: string, unique = true): readonly NamedAddress[] | undefined {
  const list = text
    .split(",")
    .map((part) => ({ name: part.slice(0, Math.max(0, part.indexOf("="))).trim(), address: part.slice(part.indexOf("=") + 1).trim() }));
  const isRight = ({ name, address }: NamedAddress): boolean =>
    SHARD_NAME.test(name) && name !== FIRST_SHARD && /^postgres(ql)?:\/\/[^/]/.test(address) && URL.canParse(address);
  if (!list.every(isRight)) return undefined;
  return unique && new Set(list.map(({ name }) => name)).size < list.length ? undefined : list;
}

/**
 * What does not go together of several databases (A17), without any address. Lists that are none are told of elsewhere.
 * @param forNew names of those that new companies are placed in. @default all
 */
export function shardViolations(given: SecretValues, forNew: readonly string[] = []): string[] {
  const { databaseUrl, databaseMigrationUrl, databaseShards, databaseShardsMigration, databaseShardsRead } = given;
  const violations: string[] = [];
  const list = (text: string | undefined, unique = true): readonly NamedAddress[] =>
    text === undefined ? [] : (namedAddresses(text, unique) ?? []);
  const shards = list(databaseShards);
  const names = shards.map(({ name }) => name);
  const placed = [FIRST_SHARD, ...names];
  const nowhere = forNew.find((name) => !placed.includes(name));
  // Not where databaseShards itself is not usable: its names are not known then.
  if (nowhere !== undefined && (databaseShards === undefined || shards.length > 0)) {
    violations.push(
      `databaseShardsForNew has "${nowhere}", which is not in databaseShards; allowed: ${placed.join(", ")}. Fix: pulumi config set databaseShardsForNew ${placed.join(",")}`,
    );
  }
  for (const [key, text] of Object.entries({ databaseShardsMigration, databaseShardsRead })) {
    const unknown = list(text, key !== "databaseShardsRead").find(({ name }) => !names.includes(name));
    if (unknown === undefined) continue;
    violations.push(
      `${key} has "${unknown.name}", which is not in databaseShards; allowed: ${names.join(", ") || "nothing without databaseShards"}. Fix: pulumi config rm ${key}`,
    );
  }
  if (shards.length === 0 || databaseUrl === undefined || !URL.canParse(databaseUrl)) return violations;
  const migrated = list(databaseShardsMigration).map(({ name }) => name);
  if (
    (databaseMigrationUrl !== undefined || migrated.length > 0) &&
    (databaseMigrationUrl === undefined || migrated.length < names.length)
  ) {
    violations.push(
      "databaseMigrationUrl and databaseShardsMigration do not name the owner of every database; allowed: both, with each name of databaseShards, or neither. " +
        "Fix: pulumi config set --secret databaseShardsMigration 's2=postgres://owner:PASSWORD@db-2.example.com:5432/app?sslmode=verify-full'",
    );
  }
  // The migration makes one login, the same in all of them.
  const other = shards.find(({ address }) => loginOf(address) !== loginOf(databaseUrl));
  if (databaseMigrationUrl !== undefined && other !== undefined) {
    violations.push(
      `databaseShards has another login for "${other.name}" than databaseUrl; allowed: the same user and password, which the migration makes in every database. ` +
        "Fix: pulumi config set --secret databaseShards 's2=postgres://app:PASSWORD@db-2.example.com:5432/app?sslmode=verify-full'",
    );
  }
  return violations;
}

function loginOf(address: string): string {
  const { username, password } = new URL(address);
  return `${username}:${password}`;
}
