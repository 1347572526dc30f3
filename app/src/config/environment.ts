import { z } from "zod";
import { integer, optionalInteger } from "./numbers";
import { ROLES } from "./role";
import { DATABASE_SECRETS, databaseVariables } from "../db/environment";
import { BUCKET_SECRETS, bucketVariables } from "../documents/config";
import { SASL_MECHANISMS } from "../events/config";
import { sqsVariables } from "../events/sqs-config";
import { OCR_LANGUAGES } from "../ocr/languages";
import { rateLimitVariables } from "../rate-limit/environment";
import { redisVariables } from "../redis/config";

/** What Kafka allows as a name, with room for the ending of the dead-letter topic. */
const kafkaName = (fallback: string): z.ZodType<string, string | undefined> =>
  z
    .string()
    .regex(/^[\w.-]{1,200}$/)
    .default(fallback)
    .describe("1 to 200 letters, digits, dots, dashes or underscores");

const ocrLanguages = z
  .string()
  .default("eng")
  .transform((text) => text.split(","))
  .pipe(z.array(z.enum(OCR_LANGUAGES)).refine((list) => new Set(list).size === list.length))
  .describe(`one or more of ${OCR_LANGUAGES.join(", ")}, each once, separated by commas, the most important first`);

const HOUR_MS = 3_600_000;

/** Most workers one instance may have; more is another instance. */
const MOST_WORKERS = 256;

/** The whole environment of the app. One line a variable; {@link AppConfig} says what each means. */
export const environmentSchema = z.object({
  NODE_ENV: z.enum(["development", "test", "production"]).default("development").describe("development, test or production"),
  APP_NAME: z
    .string()
    .regex(/^[\w.-]{1,64}$/)
    .default("phased-stack")
    .describe("1 to 64 letters, digits, dots, dashes or underscores"),
  APP_VERSION: z
    .string()
    .regex(/^[\w.+:@/-]{1,200}$/)
    .optional()
    .describe("an image tag or a version, at most 200 characters"),
  LOG_LEVEL: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"])
    .default("info")
    .describe("fatal, error, warn, info, debug, trace or silent"),
  HOST: z
    .string()
    .regex(/^[\w.:-]{1,253}$/)
    .default("0.0.0.0")
    .describe("an IP address or a host name of this machine"),
  PORT: integer(0, 65_535, 3001),
  TRUST_PROXY: integer(0, 10, 0),
  SQLITE_PATH: z.string().max(4096).default("./data/app.db").describe("the path of a file"),
  SESSION_SECRET: z
    .string()
    .max(4096)
    .regex(/^[^,]{32,}(,[^,]{32,})*$/)
    .optional()
    .describe("at least 32 characters, or several such secrets separated by commas, the newest first"),
  ADMIN_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,4096}$/)
    .optional()
    .describe("at least 16 printable characters without spaces"),
  ...databaseVariables,
  MIGRATIONS: z.enum(["auto", "external"]).default("auto").describe("auto or external"),
  ...redisVariables,
  ...rateLimitVariables,
  CACHE_MAX_ENTRIES: integer(0, 10_000_000, 50_000),
  CACHE_MAX_MB: integer(1, 65_536, 32),
  CACHE_TTL_MS: integer(1, 86_400_000, 300_000),
  CACHE_WARM_COMPANIES: integer(0, 10_000, 20),
  KAFKA_BROKERS: z
    .string()
    .max(4096)
    .regex(/^[\w.-]{1,253}:[1-9][0-9]{0,4}(,[\w.-]{1,253}:[1-9][0-9]{0,4})*$/)
    .optional()
    .describe("host:port of one or more brokers, separated by commas, such as kafka-1:9092,kafka-2:9092"),
  KAFKA_TOPIC: kafkaName("company-events"),
  KAFKA_GROUP: kafkaName("phased-stack"),
  KAFKA_PARTITIONS: integer(1, 1000, 12),
  KAFKA_REPLICATION_FACTOR: optionalInteger(1, 10),
  KAFKA_TLS: z.enum(["true", "false"]).default("false").describe("true or false"),
  KAFKA_TLS_CA_FILE: z.string().max(4096).optional().describe("the path of a file with PEM certificates"),
  KAFKA_SASL_MECHANISM: z.enum(SASL_MECHANISMS).optional().describe(SASL_MECHANISMS.join(", ")),
  KAFKA_SASL_USERNAME: z.string().max(256).optional().describe("at most 256 characters"),
  KAFKA_SASL_PASSWORD: z.string().max(4096).optional().describe("at most 4096 characters"),
  ...sqsVariables,
  ROLE: z.enum(ROLES).default("all").describe(ROLES.join(", ")),
  JOBS_LEASE_MS: integer(500, HOUR_MS, 30_000),
  JOBS_RETRY_BASE_MS: integer(1, HOUR_MS, 1000),
  DOCUMENTS_PATH: z.string().max(4096).optional().describe("the path of a directory"),
  ...bucketVariables,
  DOCUMENT_MAX_BYTES: integer(1024, 1_073_741_824, 26_214_400),
  OCR_LANGUAGES: ocrLanguages,
  REALTIME_MAX_CONNECTIONS: integer(1, 1_000_000, 10_000),
  REALTIME_MAX_PER_USER: integer(1, 10_000, 10),
  REALTIME_PING_MS: integer(50, HOUR_MS, 30_000),
  REALTIME_RECONNECT_MS: integer(0, HOUR_MS, 5000),
  REALTIME_ORIGINS: z
    .string()
    .max(4096)
    .regex(/^https?:\/\/[\w.:-]+(,https?:\/\/[\w.:-]+)*$/)
    .optional()
    .describe("one or more origins such as https://app.example.org, separated by commas"),
  DRAIN_DELAY_MS: integer(0, HOUR_MS, 3000),
  SHUTDOWN_TIMEOUT_MS: integer(0, HOUR_MS, 30_000),
  CHAT_LATENCY_MS: integer(0, 60_000, 200),
  KEEP_ALIVE_TIMEOUT_MS: integer(1, HOUR_MS, 65_000),
  ADMIN_PORT: optionalInteger(1, 65_535),
  ADMIN_HOST: z
    .string()
    .regex(/^[\w.:-]{1,253}$/)
    .default("127.0.0.1")
    .describe("an IP address or a host name of this machine"),
  MAX_CONNECTIONS: integer(1, 1_000_000, 10_000),
  OVERLOAD_DELAY_MS: integer(0, 60_000, 200),
  MAX_IN_FLIGHT: integer(1, 1_000_000, 2000),
  METRICS_NAMESPACE: z
    .string()
    .regex(/^(?!AWS\/)[\w./#:-]{1,255}$/)
    .optional()
    .describe("1 to 255 letters, digits, dots, slashes, dashes, underscores, colons or #, and not AWS/ first"),
  COMPANY_METRICS_FLUSH_MS: integer(50, HOUR_MS, 15_000),
  WORKERS: z
    .union([
      z.literal("auto"),
      z
        .string()
        .regex(/^[1-9][0-9]{0,2}$/)
        .transform(Number)
        .pipe(z.number().max(MOST_WORKERS)),
    ])
    .optional()
    .describe(`auto or a whole number from 1 to ${MOST_WORKERS}`),
  WORKER_HEAP_MB: optionalInteger(32, 1_048_576),
  // Read by libuv itself; checked here because libuv takes a wrong value for the default without a word.
  UV_THREADPOOL_SIZE: optionalInteger(1, 1024),
  HEALTH_INTERVAL_MS: integer(50, HOUR_MS, 30_000),
  HEALTH_MISSES: integer(1, 100, 3),
  KILL_GRACE_MS: integer(50, HOUR_MS, 5000),
  RESPAWN_LIMIT: integer(0, 1000, 10),
  BOOT_TIMEOUT_MS: integer(100, HOUR_MS, 30_000),
  MEMORY_INTERVAL_MS: integer(50, HOUR_MS, 5000),
  MEMORY_GC_INTERVAL_MS: integer(0, HOUR_MS, 60_000),
});

/** Names that may be given as `NAME_FILE`, the path of a file with the value, and whose values no message ever shows. */
export const SECRET_NAMES: readonly string[] = [
  "SESSION_SECRET",
  "ADMIN_TOKEN",
  ...DATABASE_SECRETS,
  "REDIS_URL",
  "REDIS_LIMITS_URL",
  "KAFKA_SASL_PASSWORD",
  ...BUCKET_SECRETS,
];
