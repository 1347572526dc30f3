import * as pulumi from "@pulumi/pulumi";
import type { BackingServices } from "../../components/contract";
import { type Kafka, KAFKA_APP_USER, KAFKA_SASL_MECHANISM } from "../../components/local/kafka";
import { nodeDatabase, type PgBouncer } from "../../components/local/pgbouncer";
import type { Postgres } from "../../components/local/postgres";
import type { PostgresProxy } from "../../components/local/postgres-proxy";
import type { Redis } from "../../components/local/redis";
import { SecretFiles } from "../../components/local/secret-files";

/** What the app uses in phase `database`. */
export interface Backends {
  readonly postgres: Postgres;
  readonly postgresProxy: PostgresProxy;
  readonly pgbouncer: PgBouncer;
  readonly redisCache: Redis;
  readonly redisLimits: Redis;
  readonly kafka: Kafka | undefined;
}

/** Database and user of the app, as every node creates them; see components/local/postgres/roles.ts. */
const DATABASE = "app";
const USER = "app";
/** Whom migrations run as. */
const OWNER = "owner";

/** File with the address of the primary, as the owner of the tables. It stays in the volume when phase `database` is left. */
export const DIRECT_URL_FILE = "database_direct_url";

/** Content of the files beside those that are generated. */
type AppFiles = Readonly<
  Record<"database_password" | typeof DIRECT_URL_FILE | "redis_url" | "redis_limits_url" | "kafka_password", pulumi.Output<string>>
>;

/** The app's secrets: its own, which it has in phase `cluster` too, and what leads to the services. */
export function appSecrets(backends: Backends, image: pulumi.Input<string>) {
  const { postgres, postgresProxy, redisCache, redisLimits, kafka } = backends;
  const { host, primaryPort } = postgresProxy;
  return new SecretFiles("secrets", {
    generate: ["session_secret", "admin_token"],
    render: () => {
      const files = {
        database_password: postgres.passwords.app,
        [DIRECT_URL_FILE]: pulumi.interpolate`postgres://${OWNER}:${postgres.passwords.owner}@${host}:${primaryPort}/${DATABASE}`,
        redis_url: redisCache.url,
        redis_limits_url: redisLimits.url,
      };
      // Without Kafka there is no such file, and nobody asks for it: appServices() is told of the same backends.
      return (kafka === undefined ? files : { ...files, kafka_password: kafka.appPassword }) as AppFiles;
    },
    image,
  });
}

/** What the app is told of the services. Every node is a reader, because any of them may be a replica; which ones are, the app sees. */
export function appServices({ postgres, pgbouncer, kafka }: Backends, { files }: ReturnType<typeof appSecrets>): BackingServices {
  const { host, port } = pgbouncer;
  return {
    database: {
      kind: "postgres",
      primary: { host, port },
      readers: postgres.nodeNames.map((node) => ({ host, port, database: nodeDatabase(node, DATABASE) })),
      database: DATABASE,
      user: USER,
      password: files.database_password,
      directUrl: files.database_direct_url,
    },
    redis: { cache: files.redis_url, limits: files.redis_limits_url },
    ...(kafka !== undefined && {
      kafka: {
        brokers: kafka.brokers,
        login: { mechanism: KAFKA_SASL_MECHANISM, user: KAFKA_APP_USER, password: files.kafka_password },
      },
    }),
    sessionSecret: files.session_secret,
    adminToken: files.admin_token,
  };
}
