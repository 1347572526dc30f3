import * as pulumi from "@pulumi/pulumi";
import type { BackingServices, SecretFile } from "../../components/contract";
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

/** File with the address of the primary, as the owner of the tables. It stays in its volume when phase `database` is left. */
export const DIRECT_URL_FILE = "database_direct_url";

/** Content of the app's files beside the owner's address. */
type AppFiles = Readonly<
  Record<
    "session_secret" | "admin_token" | "database_password" | "redis_url" | "redis_limits_url" | "kafka_password",
    pulumi.Output<string>
  >
>;

/** What the containers of phase `database` are given of secrets. */
export interface PhaseSecrets {
  readonly adminToken: pulumi.Output<string>;
  /** The app's, which it has in every role. */
  readonly app: Pick<SecretFiles<never, keyof AppFiles>, "files" | "mount" | "revision">;
  /** The owner's address, for what migrates and what moves rows; `undefined` with an image of the user's own. */
  readonly owner: SecretFiles<never, typeof DIRECT_URL_FILE> | undefined;
  /** The same for an image of the user's own, which makes its tables by itself: among the app's files. */
  readonly directUrl: SecretFile | undefined;
}

/**
 * Who is given which secret. The app's own are made in `secrets`, which phase `cluster` has too. That volume is not the app's in this phase: in
 * stacks of older versions it has the owner's address, which instances of before need until they are gone, and those of today must not have.
 */
export function phaseSecrets(backends: Backends, image: pulumi.Input<string>, ownImage: boolean): PhaseSecrets {
  const { postgres, postgresProxy, redisCache, redisLimits, kafka } = backends;
  const { host, primaryPort } = postgresProxy;
  const direct = {
    [DIRECT_URL_FILE]: pulumi.interpolate`postgres://${OWNER}:${postgres.passwords.owner}@${host}:${primaryPort}/${DATABASE}`,
  };
  const services = {
    database_password: postgres.passwords.app,
    redis_url: redisCache.url,
    redis_limits_url: redisLimits.url,
    // Without Kafka there is no such file, and nobody asks for it: appServices() is told of the same backends.
    ...(kafka !== undefined && { kafka_password: kafka.appPassword }),
  };
  const generate = ["session_secret", "admin_token"] as const;
  if (ownImage) {
    const files = { ...services, ...direct } as Omit<AppFiles, (typeof generate)[number]> & typeof direct;
    const all = new SecretFiles("secrets", { generate, render: () => files, image });
    return { adminToken: all.values.admin_token, app: all, owner: undefined, directUrl: all.files[DIRECT_URL_FILE] };
  }
  const { session_secret, admin_token } = new SecretFiles("secrets", { generate, image }).values;
  const app = new SecretFiles("app-secrets", {
    generate: [],
    render: () => ({ session_secret, admin_token, ...services }) as AppFiles,
    image,
  });
  return { adminToken: admin_token, app, owner: ownerSecrets(image, direct), directUrl: undefined };
}

/**
 * The owner's address, apart from all others.
 * @param content without it the volume is kept with what is in it: for a phase that only looks whether it is there
 */
export function ownerSecrets(
  image: pulumi.Input<string>,
  content?: Readonly<Record<typeof DIRECT_URL_FILE, pulumi.Input<string>>>,
): SecretFiles<never, typeof DIRECT_URL_FILE> {
  return new SecretFiles<never, typeof DIRECT_URL_FILE>("owner-secrets", {
    generate: [],
    ...(content !== undefined && { render: () => content }),
    image,
  });
}

/** What the app is told of the services. Every node is a reader, because any of them may be a replica; which ones are, the app sees. */
export function appServices({ postgres, pgbouncer, kafka }: Backends, { app: { files }, directUrl }: PhaseSecrets): BackingServices {
  const { host, port } = pgbouncer;
  return {
    database: {
      kind: "postgres",
      primary: { host, port },
      readers: postgres.nodeNames.map((node) => ({ host, port, database: nodeDatabase(node, DATABASE) })),
      database: DATABASE,
      user: USER,
      password: files.database_password,
      directUrl,
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
