import * as pulumi from "@pulumi/pulumi";
import { type AppSettings, refuseContractVariables, settingsVariables, sortedVariables } from "../../local/app/environment";

/** Reference of a secret as ECS takes it: an ARN of Secrets Manager, for one key of JSON with `:KEY::` behind it. */
export type SecretReference = pulumi.Input<string>;

/** Whether requests go to a region, or it stands by: of two regions one Redis at a time is believed. */
export type RedisSite = "active" | "standby";

/** One of the databases after the first. */
export interface TaskShard {
  /** What the app calls it. */
  readonly name: string;
  readonly host: pulumi.Input<string>;
  readonly replicaHosts: readonly pulumi.Input<string>[];
}

/** What the cloud phase hands to a task. */
export interface TaskServices {
  /** Where queue, brokers and buckets are; requests to them are signed for it. */
  readonly region: string;
  readonly database: {
    /** The pool, or the primary. */
    readonly host: pulumi.Input<string>;
    readonly port: number;
    readonly name: string;
    readonly user: string;
    /** `undefined`: it logs in with tokens of IAM, as its role. */
    readonly password: SecretReference | undefined;
    /** Replicas, each reached by itself. */
    readonly replicaHosts: readonly pulumi.Input<string>[];
    /** Further databases for companies, with the same port, name and login. @default none */
    readonly shards?: readonly TaskShard[] | undefined;
    /** Names of those that new companies are placed in. @default all */
    readonly shardsForNew?: readonly string[] | undefined;
  };
  readonly redis?:
    | {
        readonly cacheUrl: SecretReference;
        readonly limitsUrl: SecretReference;
        /** Which of two regions this is, each with a Redis of its own. @default there is one region */
        readonly site?: RedisSite | undefined;
      }
    | undefined;
  /** `host:port` of every broker, separated by commas; TLS, and login by the task's role. */
  readonly kafka?: { readonly brokers: pulumi.Input<string> } | undefined;
  /** Address of the queue of events. */
  readonly sqs?: { readonly queueUrl: pulumi.Input<string> } | undefined;
  /** Bucket of uploaded files. */
  readonly uploads?:
    | {
        readonly bucket: pulumi.Input<string>;
        /** Where and by which key addresses of files at the CDN are signed. @default none: files go through the app */
        readonly downloads?:
          { readonly url: pulumi.Input<string>; readonly keyId: pulumi.Input<string>; readonly privateKey: SecretReference } | undefined;
      }
    | undefined;
  readonly sessionSecret: SecretReference;
  readonly adminToken: SecretReference;
  /** CloudWatch namespace of figures the app writes into its log (embedded metric format): autoscaling goes by `JobsWaiting`. */
  readonly metricsNamespace: string;
}

/** What a container is told: variables, and secrets that ECS puts into variables from their references. */
export interface ContainerEnvironment {
  readonly environment: pulumi.Output<{ readonly name: string; readonly value: string }[]>;
  readonly secrets: pulumi.Output<{ readonly name: string; readonly valueFrom: string }[]>;
}

/** Whose certificates the app believes of a server of RDS and of its proxy, which are not signed by authorities that everybody knows. */
export const DATABASE_AUTHORITIES = "rds";

/** How the app logs in to MSK: by its role. */
const KAFKA_LOGIN = "AWS_MSK_IAM";

/** The only writable directory of a task. The image declares it as a volume of its user: ECS then gives it to that user, too. */
export const DATA_DIRECTORY = "/data";

/** Address of a database on a server that is believed only with a certificate for its name. */
export function databaseUrl(user: string, host: pulumi.Input<string>, port: number, name: string): pulumi.Output<string> {
  return pulumi.interpolate`postgres://${encodeURIComponent(user)}@${host}:${port}/${encodeURIComponent(name)}?sslmode=verify-full`;
}

/** What the variables of databases are made of. */
type DatabaseAddresses = Pick<TaskServices["database"], "port" | "name" | "user" | "replicaHosts" | "shards">;

/** Replicas of the first database, and the others with theirs; what there is none of is `undefined`. */
export function furtherAddresses(database: DatabaseAddresses): Record<string, pulumi.Output<string> | undefined> {
  const { shards = [] } = database;
  const address = (host: pulumi.Input<string>): pulumi.Output<string> => databaseUrl(database.user, host, database.port, database.name);
  const named = (name: string, host: pulumi.Input<string>): pulumi.Output<string> => pulumi.interpolate`${name}=${address(host)}`;
  const joined = (addresses: readonly pulumi.Output<string>[]): pulumi.Output<string> | undefined =>
    addresses.length === 0 ? undefined : pulumi.all([...addresses]).apply((known) => known.join(","));
  return {
    DATABASE_READ_REPLICAS: joined(database.replicaHosts.map(address)),
    DATABASE_SHARDS: joined(shards.map(({ name, host }) => named(name, host))),
    DATABASE_SHARDS_REPLICAS: joined(shards.flatMap(({ name, replicaHosts }) => replicaHosts.map((host) => named(name, host)))),
  };
}

/**
 * Variables of the app contract on AWS, the same for tasks and for pods.
 * @throws Error when an extra variable belongs to the contract.
 */
export function taskVariables(services: TaskServices, settings: AppSettings): Record<string, pulumi.Input<string> | undefined> {
  refuseContractVariables(settings);
  const { database, redis, kafka, sqs, uploads } = services;
  return {
    ...settingsVariables(settings),
    // A task of its own migrates before any other starts; see components/aws/migrations.
    MIGRATIONS: "external",
    TMPDIR: DATA_DIRECTORY,
    // ECS sets it by itself, EKS where credentials are of Pod Identity; signed requests should not depend on that.
    AWS_REGION: services.region,
    DATABASE_CA: DATABASE_AUTHORITIES,
    DATABASE_URL: databaseUrl(database.user, database.host, database.port, database.name),
    DATABASE_LOGIN: database.password === undefined ? "iam" : undefined,
    ...furtherAddresses(database),
    DATABASE_SHARDS_FOR_NEW: database.shardsForNew?.join(","),
    REDIS_SITE: redis?.site,
    KAFKA_BROKERS: kafka?.brokers,
    KAFKA_TLS: kafka === undefined ? undefined : "true",
    KAFKA_SASL_MECHANISM: kafka === undefined ? undefined : KAFKA_LOGIN,
    SQS_QUEUE_URL: sqs?.queueUrl,
    S3_BUCKET: uploads?.bucket,
    S3_DIRECT_UPLOADS: uploads === undefined ? undefined : "on",
    CDN_URL: uploads?.downloads?.url,
    CDN_KEY_ID: uploads?.downloads?.keyId,
    METRICS_NAMESPACE: services.metricsNamespace,
  };
}

/** Secrets of the app contract, by reference. */
export function taskSecrets({
  database,
  redis,
  uploads,
  sessionSecret,
  adminToken,
}: TaskServices): Record<string, SecretReference | undefined> {
  return {
    DATABASE_PASSWORD: database.password,
    REDIS_URL: redis?.cacheUrl,
    REDIS_LIMITS_URL: redis?.limitsUrl,
    SESSION_SECRET: sessionSecret,
    ADMIN_TOKEN: adminToken,
    CDN_PRIVATE_KEY: uploads?.downloads?.privateKey,
  };
}

/**
 * The environment of the app's container, sorted: the same contract as in every phase, with secrets by reference.
 * @throws Error when an extra variable belongs to the contract.
 */
export function taskEnvironment(services: TaskServices, settings: AppSettings): ContainerEnvironment {
  return containerEnvironment(taskVariables(services, settings), taskSecrets(services));
}

/** Variables and secrets in the form and order of a container definition; what is `undefined` is left out. */
export function containerEnvironment(
  variables: Readonly<Record<string, pulumi.Input<string> | undefined>>,
  secrets: Readonly<Record<string, SecretReference | undefined>>,
): ContainerEnvironment {
  const pairs = (record: Readonly<Record<string, pulumi.Input<string> | undefined>>): pulumi.Output<[string, string][]> =>
    pulumi.output(record as Record<string, pulumi.Input<string>>).apply((known) => Object.entries(sortedVariables(known)));
  return {
    environment: pairs(variables).apply((list) => list.map(([name, value]) => ({ name, value }))),
    secrets: pairs(secrets).apply((list) => list.map(([name, valueFrom]) => ({ name, valueFrom }))),
  };
}
