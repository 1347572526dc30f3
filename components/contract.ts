import type { Input } from "@pulumi/pulumi";

/**
 * The two ideas of the project, as types.
 *
 * 1. A phase = backing services + a runtime for the app, which turns them into the app's environment. On a Docker host they are
 *    {@link BackingServices}; in phase `cloud` parts of stacks/cloud/app-parts.ts. A new cloud adds a folder beside `local/`, see ARCHITECTURE.md.
 * 2. The same app contract everywhere: the environment below, `/health`, `/ready` and the same stack outputs in every phase.
 */

/** A secret as the app sees it: a file inside its container. The value itself never enters an environment variable. */
export interface SecretFile {
  /** Absolute path inside the app's container, e.g. `/run/secrets/session_secret`. */
  readonly path: string;
}

/** Where one service listens, as seen from the app. */
export interface Connection {
  readonly host: Input<string>;
  /** TCP port. */
  readonly port: number;
}

/** A database the app may use: Postgres from phase `database` on, an embedded SQLite file in phase `cluster`. */
export type DatabaseConnection =
  | { readonly kind: "sqlite"; /** Absolute path of the database file in the app's container. */ readonly path: string }
  | {
      readonly kind: "postgres";
      /** What leads to the primary, whichever node that is: a pooler, as a rule. */
      readonly primary: Connection;
      /**
       * Every server by itself, the primary among them: which of them may be read as a replica is for the app to see, and can change at
       * any time. A pooler has a database for each.
       */
      readonly readers: readonly (Connection & { readonly database: string })[];
      readonly database: string;
      /** Whom the app works as: reads and writes rows, changes no table. */
      readonly user: string;
      readonly password: SecretFile;
      /**
       * URL, with password, of the primary without a pooler, as the owner of the tables: for migrations. Only for an app that migrates by itself;
       * where somebody else does, it is not told.
       */
      readonly directUrl?: SecretFile | undefined;
    };

/** Redis, in its two roles; each file holds a URL with user and password. */
export interface RedisConnection {
  /** Cache, sessions, messages between instances. */
  readonly cache: SecretFile;
  /** Rate limits and job queues: nothing is evicted. */
  readonly limits: SecretFile;
}

/** Kafka: events are published to it, and read from it. */
export interface KafkaConnection {
  /** Where clients connect first. */
  readonly brokers: readonly Connection[];
  /** How they log in. @default not at all */
  readonly login?: { readonly mechanism: string; readonly user: string; readonly password: SecretFile } | undefined;
}

/** Everything a phase on a Docker host hands to the app. Absent services are `undefined`: the app then uses its built-in fallback. */
export interface BackingServices {
  readonly database: DatabaseConnection;
  readonly redis?: RedisConnection | undefined;
  readonly kafka?: KafkaConnection | undefined;
  readonly sessionSecret: SecretFile;
  readonly adminToken: SecretFile;
}

/**
 * A second name of the containers behind an alias on a Docker network. HAProxy gives an address to one server of a name only, and its load
 * balancer looks at every container twice (see haproxy-config.ts).
 */
export function spareAlias(alias: string): string {
  return `${alias}-spare`;
}

/** TCP port the app listens on inside its container, in every phase (feature A6). */
export const APP_PORT = 3001;

/** Path of the app's readiness check: 200 while it should receive requests, 503 while booting or draining. */
export const READY_PATH = "/ready";

/** Path of the app's liveness and status report; never touches a backing service for longer than its own deadline. */
export const HEALTH_PATH = "/health";

/** Seconds the app keeps serving after SIGTERM with readiness already failing, so that load balancers see it leave. */
export const DRAIN_DELAY_SECONDS = 3;

/** Seconds the app waits for requests in flight after its listeners closed (feature A2). */
export const SHUTDOWN_TIMEOUT_SECONDS = 30;
