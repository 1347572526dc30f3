import * as pulumi from "@pulumi/pulumi";
import type { ConfigSource } from "../config";
import { namedAddresses } from "./shards";

interface SecretField {
  /** What a value has to look like. */
  readonly isValid: (value: string) => boolean;
  /** Completes the sentence "allowed: …". */
  readonly allowed: string;
  /** A value that works. */
  readonly example: string;
}

const address = (protocols: readonly string[], what: string, example: string): SecretField => ({
  // A password is in it: without one it would be no secret, and the server would take everybody.
  isValid: (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol) && new URL(value).hostname !== "",
  allowed: what,
  example,
});
const postgres = (what: string): SecretField =>
  address(["postgres:", "postgresql:"], what, "'postgres://app:PASSWORD@db.example.com:5432/app?sslmode=verify-full'");
const redis = (what: string): SecretField => address(["redis:", "rediss:"], what, "'rediss://:PASSWORD@redis.example.com:6379'");

const shards = (what: string, unique = true): SecretField => ({
  isValid: (value) => namedAddresses(value, unique) !== undefined,
  allowed: `${what}, each with a name of small letters, digits and dashes, separated by commas`,
  example: "'s2=postgres://app:PASSWORD@db-2.example.com:5432/app?sslmode=verify-full'",
});

/** One line that may stand in a file of pgBackRest. */
const line = (most: number) => (value: string) => value.length <= most && /^[!-~]+$/.test(value);

/** Shortest passphrase, characters: whoever has the bucket may try for as long as they like. */
const LEAST_PASSPHRASE = 20;

const isWebAddress = (value: string): boolean => URL.canParse(value) && ["http:", "https:"].includes(new URL(value).protocol);

/** Keys whose values are secret: taken with `--secret` only, and shown by no message. */
export const SECRET_FIELDS = {
  /** With monitoring: what is called every minute, by POST, and tells somebody when it is not; the token is in it. @default nobody notices when all is gone */
  alertHeartbeatUrl: {
    isValid: isWebAddress,
    allowed: "an address of http or https that an outside service expects calls at",
    example: "https://heartbeats.example.com/TOKEN",
  },
  /** With monitoring: where alerts are sent, by POST as JSON; services of chat and of pagers have a token in such an address. @default nowhere */
  alertWebhookUrl: {
    isValid: isWebAddress,
    allowed: "an address of http or https that takes alerts as Alertmanager sends them",
    example: "https://alerts.example.com/hooks/TOKEN",
  },
  /** With backupUrl: id of the key that may read, write, list and delete there. */
  backupS3Key: { isValid: line(256), allowed: "the id of an access key, one word", example: "AKIAEXAMPLE" },
  /** Its secret. */
  backupS3KeySecret: { isValid: line(1024), allowed: "the secret of that access key, one word", example: "SECRET" },
  /** With backupUrl: what the backups are encrypted with; for those of another host, the one they were made with. @default generated */
  backupPassphrase: {
    isValid: (value) => value.length >= LEAST_PASSPHRASE && line(1024)(value),
    allowed: `${LEAST_PASSPHRASE} or more letters, digits and signs of ASCII without spaces`,
    example: "PASSPHRASE",
  },
  /** Postgres as the app uses it: a pooler or the primary, as who reads and writes rows. */
  databaseUrl: postgres("the address of Postgres, with user and password"),
  /** The primary, past the pooler, as the owner of the tables: for migrations. @default databaseUrl */
  databaseMigrationUrl: postgres("the address of the primary, with the owner and its password"),
  /** A server, or a name for several, that answers reads. @default none */
  databaseReadUrl: postgres("the address of a replica, with user and password"),
  /** Further databases for companies (A17); each is added to the app's DATABASE_SHARDS. @default none: all are in that of databaseUrl */
  databaseShards: shards("addresses of further databases"),
  /** Their primaries, as the owner; the same names. @default databaseShards */
  databaseShardsMigration: shards("addresses of their primaries with the owner"),
  /** Servers of theirs that answer reads; a name may be there more than once. @default none */
  databaseShardsRead: shards("addresses of their replicas", false),
  /** Redis for cache, sessions and messages. */
  redisUrl: redis("the address of a Redis that may give up what expires (volatile-lru)"),
  /** Redis for limits and queues. */
  redisLimitsUrl: redis("the address of another Redis that gives up nothing (noeviction)"),
  /** The way into the cluster as text, instead of kubeconfigFile and kubernetesContext. */
  kubeconfig: {
    isValid: (value) => /^\s*(apiVersion|clusters|\{)/m.test(value),
    allowed: "the content of a kubeconfig",
    example: "< kubeconfig.yaml",
  },
} as const satisfies Record<string, SecretField>;

export type SecretKey = keyof typeof SECRET_FIELDS;

/** Who cannot do without which of them. */
const REQUIRED = {
  "cloudRuntime kubernetes": ["databaseUrl", "redisUrl", "redisLimitsUrl"],
  backupUrl: ["backupS3Key", "backupS3KeySecret"],
} as const satisfies Record<string, readonly SecretKey[]>;

/** Values by key, as they are: for what has to be known of them, such as a host. Handed on, they have to be marked as secret. */
export type SecretValues = Readonly<Partial<Record<SecretKey, string>>>;

/** What is set of the secret keys. */
export function secretValues({ project, values }: Pick<ConfigSource, "project" | "values">): SecretValues {
  const keys = (Object.keys(SECRET_FIELDS) as SecretKey[]).filter((key) => values[`${project}:${key}`] !== undefined);
  return Object.fromEntries(keys.map((key) => [key, values[`${project}:${key}`]]));
}

/** What of the secret keys is wrong or missing, without their values. @param users who of the stack's configuration needs some of them */
export function secretViolations(source: ConfigSource, users: readonly (keyof typeof REQUIRED)[]): string[] {
  const given = secretValues(source);
  return (Object.entries(SECRET_FIELDS) as [SecretKey, SecretField][]).flatMap(([key, { isValid, allowed, example }]): string[] => {
    const fix = `Fix: pulumi config set --secret ${key} ${example}`;
    const value = given[key];
    if (value === undefined) {
      const user = users.find((name) => (REQUIRED[name] as readonly SecretKey[]).includes(key));
      return user === undefined ? [] : [`${key} is not set, and ${user} needs it; allowed: ${allowed}. ${fix}`];
    }
    if (!source.isSecret(`${source.project}:${key}`)) {
      return [`${key} is set in plain text, where everybody who has the stack's file can read it; allowed: only as a secret. ${fix}`];
    }
    if (!isValid(value)) return [`${key} is not usable; allowed: ${allowed}. ${fix}`];
    // Whoever reads alerts there would be told every minute that nothing is wrong.
    const ofPeople = key === "alertHeartbeatUrl" && given.alertWebhookUrl?.trim() === value.trim();
    return ofPeople ? [`${key} is the address of alertWebhookUrl; allowed: another, that an outside service expects calls at. ${fix}`] : [];
  });
}

/** The same, marked as secret. */
export function asSecrets(values: Readonly<Record<string, string | undefined>>): Record<string, pulumi.Output<string>> {
  const given = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(given.map(([key, value]) => [key, pulumi.secret(value)]));
}
