import { z } from "zod";
import type { RedisSite } from "../cache/fence";
import { readCertificates } from "../config/certificates";
import { integer } from "../config/numbers";

/** What {@link connectRedis} takes from the configuration. */
export interface RedisConfig {
  /** REDIS_URL or REDIS_URL_FILE: server of cache, sessions and pub/sub; `undefined`: every feature uses its built-in fallback. */
  readonly url: string | undefined;
  /** REDIS_LIMITS_URL or REDIS_LIMITS_URL_FILE: server of limits and queues; @default REDIS_URL */
  readonly limitsUrl: string | undefined;
  /** REDIS_CA: PEM of who signs the servers' certificates; @default the authorities Node believes */
  readonly ca: string | undefined;
  /** REDIS_SITE: which of two regions on one database this is, each with a Redis of its own; @default undefined: there is one Redis */
  readonly site: RedisSite | undefined;
  /** REDIS_COMMAND_TIMEOUT_MS: longest wait of a request for Redis before it goes on without; @default 150 */
  readonly commandTimeoutMs: number;
}

const url = z
  .string()
  .max(4096)
  .refine((text) => /^rediss?:\/\/[^/]/.test(text) && URL.canParse(text))
  .optional()
  .describe("an address such as redis://user:password@host:6379 (rediss:// for TLS)");

/** The variables of this directory, for the schema of the whole environment. */
export const redisVariables = {
  REDIS_URL: url,
  REDIS_LIMITS_URL: url,
  REDIS_CA: z.string().max(4096).optional().describe("the path of a file with PEM certificates"),
  REDIS_SITE: z.enum(["active", "standby"]).optional().describe("active or standby"),
  REDIS_COMMAND_TIMEOUT_MS: integer(10, 10_000, 150),
};

/** Whether connections to this address are encrypted. */
export function isEncrypted(address: string): boolean {
  return address.startsWith("rediss:");
}

/** Puts the variables together; what does not fit is added to `violations`. */
export function redisConfig(env: z.output<z.ZodObject<typeof redisVariables>>, violations: string[]): RedisConfig {
  const { REDIS_URL: cache, REDIS_LIMITS_URL: limitsUrl = cache, REDIS_CA: file, REDIS_COMMAND_TIMEOUT_MS: commandTimeoutMs } = env;
  const hasTls = [cache, limitsUrl].some((address) => address !== undefined && isEncrypted(address));
  if (file !== undefined && !hasTls) {
    violations.push("REDIS_CA: set without TLS; begin REDIS_URL with rediss://, or remove the variable.");
  }
  const ca = file === undefined || !hasTls ? undefined : readCertificates("REDIS_CA", file, violations);
  return { url: cache, limitsUrl, ca, site: env.REDIS_SITE, commandTimeoutMs };
}
