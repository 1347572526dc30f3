import type { StackConfig } from "../config/keys";
import { SECRET_FIELDS, type SecretKey, type SecretValues } from "../config/secrets";
import { namedAddresses } from "../config/shards";
import { authorityFileViolations, readAuthorities } from "../lib/authority-file";

/** Keys that name a file with authorities, and the variable of the app that is given its path in a pod. */
const VARIABLES = { databaseCaFile: "DATABASE_CA", redisCaFile: "REDIS_CA", kafkaCaFile: "KAFKA_TLS_CA_FILE" } as const;
type CaKey = keyof typeof VARIABLES;

type CaConfig = Pick<StackConfig, CaKey | "kafkaBrokers" | "kafkaTls">;

/** All of them are in one ConfigMap, which etcd refuses beyond 1 MiB. */
const LIMITS = { reader: "every pod", mostBytes: 256 * 1024 } as const;

const hasSslMode = (address: URL): boolean => !["disable", null].includes(address.searchParams.get("sslmode"));

const DATABASE_KEYS = [
  ...["databaseUrl", "databaseMigrationUrl", "databaseReadUrl"],
  ...["databaseShards", "databaseShardsMigration", "databaseShardsRead"],
] as const satisfies readonly SecretKey[];

/** Addresses the certificates are for, and how an address says that it is encrypted. */
const ENCRYPTED: Readonly<
  Record<
    "databaseCaFile" | "redisCaFile",
    { readonly keys: readonly SecretKey[]; readonly is: (address: URL) => boolean; readonly how: string }
  >
> = {
  databaseCaFile: { keys: DATABASE_KEYS, is: hasSslMode, how: "with ?sslmode=verify-full" },
  redisCaFile: { keys: ["redisUrl", "redisLimitsUrl"], is: ({ protocol }) => protocol === "rediss:", how: "that begins with rediss://" },
};

/** What is wrong with authorities of one's own: their files, and connections they are for that are not encrypted. */
export function authorityViolations(config: CaConfig, given: SecretValues, now = new Date()): string[] {
  const violations: string[] = [];
  for (const key of Object.keys(VARIABLES) as CaKey[]) {
    const file = config[key];
    if (file !== undefined) violations.push(...authorityFileViolations({ key, file }, LIMITS, now));
  }
  for (const [key, { keys, is, how }] of Object.entries(ENCRYPTED) as [keyof typeof ENCRYPTED, (typeof ENCRYPTED)["redisCaFile"]][]) {
    if (config[key] === undefined) continue;
    for (const name of keys) {
      const value = given[name];
      if (value === undefined || !SECRET_FIELDS[name].isValid(value) || addressesOf(value).every(is)) continue;
      violations.push(
        `${key} is set, but ${name} has no TLS and nobody would look at a certificate; allowed: an address ${how}. ` +
          `Fix: pulumi config set --secret ${name} ${SECRET_FIELDS[name].example}`,
      );
    }
  }
  if (config.kafkaCaFile !== undefined && (config.kafkaBrokers === undefined || config.kafkaTls === false)) {
    const [why, fix] =
      config.kafkaBrokers === undefined ? ["kafkaBrokers is not", "rm kafkaCaFile"] : ["kafkaTls is false", "set kafkaTls true"];
    violations.push(`kafkaCaFile is set, but ${why}; allowed: authorities for brokers that speak TLS. Fix: pulumi config ${fix}`);
  }
  return violations;
}

/** One address, or those of several databases. */
function addressesOf(value: string): readonly URL[] {
  return (namedAddresses(value, false)?.map(({ address }) => address) ?? [value]).map((address) => new URL(address));
}

/** The certificates by variable of the app; those that are set. */
export function authorityCertificates(config: CaConfig): Readonly<Record<string, string>> {
  const set = (Object.entries(VARIABLES) as [CaKey, string][]).flatMap(([key, variable]) => {
    const file = config[key];
    return file === undefined ? [] : [[variable, file] as const];
  });
  return Object.fromEntries(set.map(([variable, file]) => [variable, readAuthorities(file)]));
}
