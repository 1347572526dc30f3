import { z } from "zod";
import { FIRST_SHARD } from "./directory";

/** A further database: its name, and its addresses. */
export interface ShardAddresses {
  readonly name: string;
  /** The primary, or a pooler in front of it. */
  readonly url: string;
  /** The primary without a pooler, for migrations. */
  readonly directUrl: string;
  readonly replicaUrls: readonly string[];
}

const NAME = /^[a-z][a-z0-9-]{0,30}$/;

const EXAMPLE = "s2=postgres://user:password@host:5432/database";

/** Most databases: what goes over all of them asks each. */
const MOST_SHARDS = 64;

const list = z
  .string()
  .max(65_536)
  .refine((text) => text.split(",").every((part) => named(part) !== undefined))
  .optional()
  .describe(`names and addresses such as ${EXAMPLE}, separated by commas`);

/** The variables of this directory, for the schema of the whole environment. */
export const shardVariables = {
  DATABASE_SHARDS: list,
  DATABASE_SHARDS_DIRECT: list,
  DATABASE_SHARDS_REPLICAS: list,
  DATABASE_SHARDS_FOR_NEW: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}(,[a-z][a-z0-9-]{0,30})*$/)
    .optional()
    .describe(`names of DATABASE_SHARDS or ${FIRST_SHARD}, separated by commas`),
};

export const SHARD_SECRETS = ["DATABASE_SHARDS", "DATABASE_SHARDS_DIRECT", "DATABASE_SHARDS_REPLICAS"] as const;

/** What {@link shardVariables} gives, and the address of the first database. */
export type ShardVariables = z.output<z.ZodObject<typeof shardVariables>> & { readonly DATABASE_URL?: string | undefined };

/** Every address in these variables, for what is checked of all addresses. */
export function shardAddresses(env: ShardVariables): { readonly name: string; readonly address: string }[] {
  return SHARD_SECRETS.flatMap((name) => parts(env[name]).map(({ address }) => ({ name, address })));
}

/**
 * The databases after the first; what does not fit is added to `violations`.
 * @param complete adds to an address of a database what other variables say, such as the password.
 */
export function shardConfig(
  env: ShardVariables,
  complete: (address: string, shard: string) => string,
  violations: string[],
): ShardAddresses[] {
  const shards = parts(env.DATABASE_SHARDS);
  const names = shards.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) violations.push(`DATABASE_SHARDS: "${twice}" is there twice; give every database a name of its own.`);
  if (names.includes(FIRST_SHARD)) {
    violations.push(`DATABASE_SHARDS: "${FIRST_SHARD}" is the database of DATABASE_URL; use another name, such as s2.`);
  }
  if (names.length >= MOST_SHARDS)
    violations.push(`DATABASE_SHARDS: ${names.length} databases are too many; use at most ${MOST_SHARDS - 1}.`);
  const seen = new Map([[placeOf(env.DATABASE_URL ?? ""), "DATABASE_URL"]]);
  for (const { name, address } of shards) {
    const other = seen.get(placeOf(address));
    if (other !== undefined) violations.push(`DATABASE_SHARDS: "${name}" is the same database as ${other}; give each one its own.`);
    seen.set(placeOf(address), `"${name}"`);
  }
  for (const variable of ["DATABASE_SHARDS_DIRECT", "DATABASE_SHARDS_REPLICAS"] as const) {
    const unknown = parts(env[variable]).find(({ name }) => !names.includes(name));
    if (unknown !== undefined) violations.push(`${variable}: "${unknown.name}" is not in DATABASE_SHARDS; use a name that is.`);
  }
  const direct = new Map(parts(env.DATABASE_SHARDS_DIRECT).map(({ name, address }) => [name, address]));
  const replicas = parts(env.DATABASE_SHARDS_REPLICAS);
  return shards.map(({ name, address }) => ({
    name,
    url: complete(address, name),
    directUrl: complete(direct.get(name) ?? address, name),
    replicaUrls: replicas.filter((replica) => replica.name === name).map((replica) => complete(replica.address, name)),
  }));
}

/** The databases that new companies are placed in; @default all of them */
export function shardsForNew(env: ShardVariables, violations: string[]): readonly string[] {
  const known = [FIRST_SHARD, ...parts(env.DATABASE_SHARDS).map(({ name }) => name)];
  const wanted = env.DATABASE_SHARDS_FOR_NEW?.split(",") ?? known;
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    violations.push(`DATABASE_SHARDS_FOR_NEW: "${unknown}" is not in DATABASE_SHARDS; use one or more of ${known.join(", ")}.`);
  }
  return wanted;
}

/** Names and addresses of a list; what is none of either is left out. */
export function parts(text: string | undefined): { readonly name: string; readonly address: string }[] {
  return text === undefined ? [] : text.split(",").flatMap((part) => named(part) ?? []);
}

function named(part: string): { readonly name: string; readonly address: string } | undefined {
  const at = part.indexOf("=");
  const [name, address] = [part.slice(0, Math.max(0, at)).trim(), part.slice(at + 1).trim()];
  return NAME.test(name) && /^postgres(ql)?:\/\/[^/]/.test(address) && URL.canParse(address) ? { name, address } : undefined;
}

/** Server and database, however it is logged in there. */
function placeOf(address: string): string {
  const { hostname, port, pathname } = new URL(address);
  return `${hostname}:${port === "" ? "5432" : port}${pathname}`;
}
