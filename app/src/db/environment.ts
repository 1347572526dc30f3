import { z } from "zod";
import { integer, optionalInteger } from "../config/numbers";
import type { AppLogin } from "./login";
import { iamViolation } from "./iam";
import { SHARD_SECRETS, type ShardAddresses, shardAddresses, shardConfig, shardsForNew, shardVariables } from "./shards/environment";
import { type Authorities, readAuthorities, tlsViolation, wantsTls } from "./tls";

/** How Postgres is reached (features C1, D4, E1, E8, E12). Durations are milliseconds. */
export interface PostgresConfig {
  /** DATABASE_URL or DATABASE_URL_FILE: the primary, or PgBouncer (transaction mode) in front of it. */
  readonly url: string;
  /** DATABASE_DIRECT_URL: the primary without a pooler, for migrations; @default DATABASE_URL */
  readonly directUrl: string;
  /** DATABASE_READ_REPLICAS: comma-separated URLs, one a server; @default none */
  readonly replicaUrls: readonly string[];
  /** DATABASE_SHARDS, with DATABASE_SHARDS_DIRECT and DATABASE_SHARDS_REPLICAS: further databases for companies; @default none */
  readonly shards: readonly ShardAddresses[];
  /** DATABASE_SHARDS_FOR_NEW: those of all databases that new companies are placed in; @default all */
  readonly shardsForNew: readonly string[];
  /** DATABASE_CA: who signs the servers' certificates; @default the authorities Node believes */
  readonly authorities: Authorities | undefined;
  /** DATABASE_APP_USER and DATABASE_APP_PASSWORD, the login that the command `migrate` makes for the app; @default none */
  readonly appLogin: AppLogin | undefined;
  /** DATABASE_IAM_USER, the login without a password that the command `migrate` makes for the app; @default none */
  readonly iamUser: string | undefined;
  /** DATABASE_LOGIN: the password of the addresses, or tokens of the role this runs as (RDS); @default "password" */
  readonly login: "password" | "iam";
  /** AWS_REGION: with `iam`, that of servers whose name does not tell it; @default undefined */
  readonly awsRegion: string | undefined;
  /** DB_POOL_MAX ÷ workers, rounded down, at least 1; @default 20 for the instance */
  readonly poolMax: number;
  /** DB_POOL_MIN ÷ workers, rounded up: connections that stay open; @default 5 for the instance */
  readonly poolMin: number;
  /** DB_REPLICA_POOL_MAX ÷ workers, for each replica; @default 30 for the instance */
  readonly replicaPoolMax: number;
  /** DB_REPLICA_POOL_MIN ÷ workers, for each replica; @default 5 for the instance */
  readonly replicaPoolMin: number;
  /** DB_IDLE_TIMEOUT_MS until an idle connection beyond the minimum is closed; @default 30000 */
  readonly idleTimeoutMs: number;
  /** DB_CONNECT_TIMEOUT_MS: longest wait for a connection; @default 2000 */
  readonly connectTimeoutMs: number;
  /** DB_MAX_USES of one connection; @default 7500 */
  readonly maxUses: number;
  /** DB_MAX_LIFETIME_SECONDS of one connection; @default 1800 */
  readonly maxLifetimeSeconds: number;
  /** DB_STATEMENT_TIMEOUT_MS: a server silent for so long counts as lost; @default 10000 */
  readonly statementTimeoutMs: number;
  /** DB_LOCK_TIMEOUT_MS: longest wait for another transaction; @default 5000 */
  readonly lockTimeoutMs: number;
  /** DB_RETRY_MS: longest time to go on trying when the server is away; @default 15000 */
  readonly retryMs: number;
  /** DB_PREPARED_STATEMENTS: the server keeps statements that are used often; not behind RDS Proxy, which pins connections; @default false */
  readonly preparedStatements: boolean;
  /** DB_REPLICA_CHECK_MS between two looks at the replicas; @default 500 */
  readonly replicaCheckMs: number;
  /** DB_REPLICA_MAX_LAG_MS: a replica further behind is not read (feature E10); @default 5000 */
  readonly replicaMaxLagMs: number;
}

const HOUR_MS = 3_600_000;

/** Connections one instance may ask for; a server with more has other problems. */
const MOST_CONNECTIONS = 10_000;

/** Feature E1: so many stay open, or as many as there may be. */
const DEFAULT_POOL_MIN = 5;

const ADDRESS = "postgres://user:password@host:5432/database";

function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\/[^/]/.test(text) && URL.canParse(text);
}

/** Names that need no quotes. */
const roleName = z
  .string()
  .regex(/^(?!pg_|public$|none$)[a-z_][a-z0-9_]{0,62}$/)
  .optional()
  .describe("1 to 63 small letters, digits or underscores, no digit first, and not pg_, public or none");

const url = z.string().max(4096).refine(isPostgresUrl).optional().describe(`an address such as ${ADDRESS}`);

/** The variables of this directory, for the schema of the whole environment. */
export const databaseVariables = {
  DATABASE_URL: url,
  DATABASE_DIRECT_URL: url,
  DATABASE_READ_REPLICAS: z
    .string()
    .max(16_384)
    .refine((text) => text.split(",").every((part) => isPostgresUrl(part.trim())))
    .optional()
    .describe(`addresses such as ${ADDRESS}, separated by commas`),
  ...shardVariables,
  DATABASE_PASSWORD: z.string().max(4096).optional().describe("at most 4096 characters"),
  DATABASE_CA: z
    .string()
    .max(4096)
    .optional()
    .describe("the path of a file with PEM certificates, or rds for those of Amazon RDS and its proxies"),
  DATABASE_LOGIN: z.enum(["password", "iam"]).default("password").describe("password, or iam for tokens of Amazon RDS"),
  DATABASE_APP_USER: roleName,
  DATABASE_APP_PASSWORD: z
    .string()
    .regex(/^[\x21-\x7e]{12,1000}$/)
    .optional()
    .describe("12 to 1000 printable ASCII characters without spaces"),
  DATABASE_IAM_USER: roleName,
  DB_POOL_MAX: integer(1, MOST_CONNECTIONS, 20),
  DB_POOL_MIN: optionalInteger(0, MOST_CONNECTIONS),
  DB_REPLICA_POOL_MAX: integer(1, MOST_CONNECTIONS, 30),
  DB_REPLICA_POOL_MIN: optionalInteger(0, MOST_CONNECTIONS),
  DB_IDLE_TIMEOUT_MS: integer(1, HOUR_MS, 30_000),
  DB_CONNECT_TIMEOUT_MS: integer(1, 60_000, 2000),
  DB_MAX_USES: integer(1, 1_000_000_000, 7500),
  DB_MAX_LIFETIME_SECONDS: integer(1, 604_800, 1800),
  DB_STATEMENT_TIMEOUT_MS: integer(1, HOUR_MS, 10_000),
  DB_LOCK_TIMEOUT_MS: integer(1, 60_000, 5000),
  DB_RETRY_MS: integer(0, 60_000, 15_000),
  DB_PREPARED_STATEMENTS: z.enum(["true", "false"]).default("false").describe("true or false"),
  DB_REPLICA_CHECK_MS: integer(10, 60_000, 500),
  DB_REPLICA_MAX_LAG_MS: integer(1, HOUR_MS, 5000),
};

/** Those of them that hold a password. */
export const DATABASE_SECRETS = [
  "DATABASE_URL",
  "DATABASE_DIRECT_URL",
  "DATABASE_READ_REPLICAS",
  ...SHARD_SECRETS,
  "DATABASE_PASSWORD",
  "DATABASE_APP_PASSWORD",
] as const;

/** Variables that mean nothing without DATABASE_URL. */
const NEED_URL = [
  "DATABASE_DIRECT_URL",
  "DATABASE_READ_REPLICAS",
  ...SHARD_SECRETS,
  "DATABASE_SHARDS_FOR_NEW",
  "DATABASE_PASSWORD",
  "DATABASE_CA",
  "DATABASE_APP_USER",
  "DATABASE_APP_PASSWORD",
  "DATABASE_IAM_USER",
] as const;

/** What {@link databaseVariables} gives. */
export type DatabaseVariables = z.output<z.ZodObject<typeof databaseVariables>> & {
  /** Of the whole environment. */
  readonly AWS_REGION?: string | undefined;
};

/**
 * Puts the variables together; what does not fit is added to `violations`. `undefined` without DATABASE_URL: the app keeps its data in SQLite.
 * @param workers among whom the connections of the instance are divided.
 * @param passwords of databases that have one of their own, by name; see `shards/passwords.ts`.
 */
export function databaseConfig(
  env: DatabaseVariables,
  workers: number,
  violations: string[],
  passwords: ReadonlyMap<string, string> = new Map(),
): PostgresConfig | undefined {
  if (env.DATABASE_URL === undefined) {
    for (const name of NEED_URL) {
      if (env[name] !== undefined) violations.push(`${name}: set without DATABASE_URL; set DATABASE_URL too, or remove the variable.`);
    }
    if (env.DATABASE_LOGIN !== "password")
      violations.push("DATABASE_LOGIN: set without DATABASE_URL; set DATABASE_URL too, or remove the variable.");
    return undefined;
  }
  for (const pool of ["DB_POOL", "DB_REPLICA_POOL"] as const) {
    const [min, max] = [env[`${pool}_MIN`], env[`${pool}_MAX`]];
    if (min !== undefined && min > max) {
      violations.push(`${pool}_MIN: "${min}" is not allowed; use a whole number from 0 to ${pool}_MAX, which is ${max}.`);
    }
  }
  const authorities = encryption(env, violations);
  const password = env.DATABASE_PASSWORD;
  const most = (connections: number): number => Math.max(1, Math.floor(connections / workers));
  const least = (connections: number | undefined, max: number): number =>
    Math.min(most(max), Math.ceil((connections ?? DEFAULT_POOL_MIN) / workers));
  return {
    url: withPassword(env.DATABASE_URL, password),
    directUrl: withPassword(env.DATABASE_DIRECT_URL ?? env.DATABASE_URL, password),
    replicaUrls: replicaAddresses(env).map((address) => withPassword(address, password)),
    shards: shardConfig(env, (address, shard) => withPassword(address, passwords.get(shard) ?? password), violations),
    shardsForNew: shardsForNew(env, violations),
    authorities,
    appLogin: appLogin(env, violations),
    iamUser: iamUser(env, violations),
    login: env.DATABASE_LOGIN,
    awsRegion: env.AWS_REGION,
    poolMax: most(env.DB_POOL_MAX),
    poolMin: least(env.DB_POOL_MIN, env.DB_POOL_MAX),
    replicaPoolMax: most(env.DB_REPLICA_POOL_MAX),
    replicaPoolMin: least(env.DB_REPLICA_POOL_MIN, env.DB_REPLICA_POOL_MAX),
    idleTimeoutMs: env.DB_IDLE_TIMEOUT_MS,
    connectTimeoutMs: env.DB_CONNECT_TIMEOUT_MS,
    maxUses: env.DB_MAX_USES,
    maxLifetimeSeconds: env.DB_MAX_LIFETIME_SECONDS,
    statementTimeoutMs: env.DB_STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: env.DB_LOCK_TIMEOUT_MS,
    retryMs: env.DB_RETRY_MS,
    preparedStatements: env.DB_PREPARED_STATEMENTS === "true",
    replicaCheckMs: env.DB_REPLICA_CHECK_MS,
    replicaMaxLagMs: env.DB_REPLICA_MAX_LAG_MS,
  };
}

function replicaAddresses({ DATABASE_READ_REPLICAS: list }: DatabaseVariables): string[] {
  return list?.split(",").map((text) => text.trim()) ?? [];
}

/** Whose certificates are believed; what does not go together with the addresses is added to `violations`. */
function encryption(env: DatabaseVariables, violations: string[]): Authorities | undefined {
  const { DATABASE_URL: url, DATABASE_DIRECT_URL: directUrl, DATABASE_CA: ca } = env;
  const addresses = Object.entries({
    DATABASE_URL: [url],
    DATABASE_DIRECT_URL: [directUrl],
    DATABASE_READ_REPLICAS: replicaAddresses(env),
  });
  const given = addresses.flatMap(([name, list]) => list.flatMap((address) => (address === undefined ? [] : [{ name, address }])));
  given.push(...shardAddresses(env));
  for (const { name, address } of given) {
    const problem =
      tlsViolation(address, ca !== undefined) ??
      (env.DATABASE_LOGIN === "iam" ? iamViolation(address, ca !== undefined, env.AWS_REGION) : undefined);
    if (problem !== undefined) violations.push(`${name}: ${problem}`);
  }
  if (env.DATABASE_LOGIN === "iam" && env.DATABASE_PASSWORD !== undefined) {
    violations.push("DATABASE_PASSWORD: set with DATABASE_LOGIN iam, which logs in as a role; remove the variable.");
  }
  if (ca === undefined) return undefined;
  if (!given.some(({ address }) => wantsTls(address))) {
    violations.push("DATABASE_CA: set without TLS; add ?sslmode=verify-full to DATABASE_URL, or remove the variable.");
    return undefined;
  }
  return readAuthorities(ca, violations);
}

function appLogin(env: DatabaseVariables, violations: string[]): AppLogin | undefined {
  const { DATABASE_APP_USER: user, DATABASE_APP_PASSWORD: password } = env;
  if (user === undefined && password === undefined) return undefined;
  if (user === undefined || password === undefined) {
    const [missing, given] = user === undefined ? ["USER", "PASSWORD"] : ["PASSWORD", "USER"];
    violations.push(`DATABASE_APP_${missing}: not set, but DATABASE_APP_${given} is; set both, or none.`);
    return undefined;
  }
  if (user === ownerOf(env))
    violations.push(`DATABASE_APP_USER: "${user}" is the owner who migrates; use another name for the app's login.`);
  return { user, password };
}

function iamUser(env: DatabaseVariables, violations: string[]): string | undefined {
  const { DATABASE_IAM_USER: user, DATABASE_APP_USER: other } = env;
  const clash = user === ownerOf(env) ? "the owner who migrates" : user === other ? "DATABASE_APP_USER, which has a password" : undefined;
  if (user !== undefined && clash !== undefined) {
    violations.push(`DATABASE_IAM_USER: "${user}" is ${clash}; use a name of its own: RDS lets it in by tokens only.`);
  }
  return user;
}

function ownerOf({ DATABASE_DIRECT_URL, DATABASE_URL }: DatabaseVariables): string {
  return decodeURIComponent(new URL(DATABASE_DIRECT_URL ?? DATABASE_URL ?? "").username);
}

/** An address that names no password gets this one: so that only the password has to be a secret. */
function withPassword(address: string, password: string | undefined): string {
  const parsed = new URL(address);
  if (password === undefined || parsed.password !== "") return address;
  parsed.password = encodeURIComponent(password);
  return parsed.href;
}
