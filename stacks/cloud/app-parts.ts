import * as pulumi from "@pulumi/pulumi";
import type { MetricSource } from "../../components/aws/autoscaling";
import type { Cache } from "../../components/aws/cache";
import type { AwsContext, LogSettings } from "../../components/aws/context";
import type { Database } from "../../components/aws/database";
import { Kafka } from "../../components/aws/events/kafka";
import type { Queue } from "../../components/aws/events/queue";
import type { Keys } from "../../components/aws/keys";
import type { Network } from "../../components/aws/network";
import type { Image } from "../../components/aws/registry/image";
import type { GeneratedSecret } from "../../components/aws/secrets";
import type { SecurityGroups } from "../../components/aws/security-groups";
import type { TaskServices } from "../../components/aws/service";
import type { RedisSite } from "../../components/aws/service/environment";
import type { TaskRolesArgs } from "../../components/aws/service/roles";
import type { Storage } from "../../components/aws/storage";
import type { AppRole, AppSettings } from "../../components/local/app";
import type { Edge } from "./edge";
import type { StackConfig } from "../config";

/** Postgres, as the app of one region is told of it. */
export type DatabaseAccess = Pick<
  Database,
  "host" | "primaryHost" | "replicaHosts" | "port" | "databaseName" | "owner" | "user" | "secretArns" | "iam"
>;

/** One of the databases after the first, as the app is told of it. */
export interface ShardAccess {
  readonly name: string;
  readonly database: DatabaseAccess;
}

/** What the app is given in phase `cloud`. */
export interface AppParts {
  readonly network: Network;
  readonly groups: SecurityGroups;
  readonly keys: Keys<"data" | "storage" | "messages" | "logs">;
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  readonly storage: Pick<Storage, "uploads">;
  readonly database: DatabaseAccess;
  /** Further databases for companies, with the same login of the app. @default none */
  readonly shards?: readonly ShardAccess[] | undefined;
  /** Servers of all: what migrations, and on EKS pods, wait for. */
  readonly servers: readonly pulumi.Resource[];
  /** Postgres once this region has taken over: a definition of each task is kept ready that uses it. @default none */
  readonly takeover?: DatabaseAccess | undefined;
  readonly redisCache: Cache;
  readonly redisLimits: Cache;
  /** Which of two regions this is. @default there is one */
  readonly redisSite?: RedisSite | undefined;
  readonly events: Kafka | Queue | undefined;
  readonly sessionSecret: Pick<GeneratedSecret, "arn" | "generated">;
  readonly adminToken: Pick<GeneratedSecret, "arn" | "generated">;
  readonly image: Image;
  /** Repositories the image is pulled from. */
  readonly repositoryArns: readonly pulumi.Input<string>[];
  readonly edge: Pick<Edge, "loadBalancer" | "proxies" | "downloads">;
  /** Jobs run where writes are: two regions, each with a queue of its own, would run a job that waits twice. @default true */
  readonly runsJobs?: boolean;
  /** Files of its pages, which have to be there before a task that refers to them. @default none */
  readonly pageFiles?: readonly pulumi.Resource[];
  /** Ways to Postgres of another region, which have to be there before a task starts. @default none */
  readonly ways?: readonly pulumi.Resource[];
  /** Where these lead: ranges of addresses of the other region's Postgres, for the policies of a cluster's own network. @default none */
  readonly farDatabase?: readonly string[];
  /** What has migrated the schema, in another region. @default the app does, before it starts */
  readonly migrated?: pulumi.Resource | undefined;
}

/** Roles of a region's app. */
export function rolesOf({ events, runsJobs = true }: Pick<AppParts, "events" | "runsJobs">): readonly AppRole[] {
  return ["web", ...(runsJobs ? (["jobs"] as const) : []), ...(events === undefined ? [] : (["consumer"] as const))];
}

/** Group and topic of the app's consumer, as the app names them unless told otherwise (app/src/config/environment.ts). */
const KAFKA = { group: "phased-stack", topic: "company-events" } as const;

/** Part of a secret that is JSON, in ECS' form. */
export function keyOf(secretArn: pulumi.Input<string>, key: string): pulumi.Output<string> {
  return pulumi.interpolate`${secretArn}:${key}::`;
}

/** What the app is told of the services. */
export function servicesOf({ region }: Pick<AwsContext, "region">, config: StackConfig, parts: AppParts): TaskServices {
  const { database, shards = [], redisCache, redisLimits, events, storage, ...own } = parts;
  return {
    region,
    database: {
      host: database.host,
      port: database.port,
      name: database.databaseName,
      user: database.iam?.user ?? database.user,
      password: database.iam === undefined ? keyOf(database.secretArns.user, "password") : undefined,
      replicaHosts: database.replicaHosts,
      shards: shards.map(({ name, database: { host, replicaHosts } }) => ({ name, host, replicaHosts })),
      shardsForNew: config.databaseShardsForNew,
    },
    redis: { cacheUrl: redisCache.urlSecretArn, limitsUrl: redisLimits.urlSecretArn, site: own.redisSite },
    kafka: events instanceof Kafka ? { brokers: events.brokers } : undefined,
    sqs: events === undefined || events instanceof Kafka ? undefined : { queueUrl: events.url },
    uploads: { bucket: storage.uploads.name, downloads: downloadsOf(own.edge) },
    sessionSecret: own.sessionSecret.arn,
    adminToken: own.adminToken.arn,
    metricsNamespace: metricsNamespace({ project: pulumi.getProject(), stack: pulumi.getStack() }),
  };
}

function downloadsOf({ downloads }: AppParts["edge"]): NonNullable<TaskServices["uploads"]>["downloads"] {
  return downloads && { url: downloads.url, keyId: downloads.keyId, privateKey: downloads.privateKeyArn };
}

/** Secrets that the app is given: with tokens of IAM it has no password. */
export function appSecrets({ database, redisCache, redisLimits, ...own }: AppParts): readonly pulumi.Output<string>[] {
  const password = database.iam === undefined ? [database.secretArns.user] : [];
  const keys = own.edge.downloads?.secretArns ?? [];
  return [...password, redisCache.urlSecretArn, redisLimits.urlSecretArn, own.sessionSecret.arn, own.adminToken.arn, ...keys];
}

/** What the app itself uses of AWS. */
export function usesOf({ keys, storage, events, database, shards = [], takeover }: AppParts): TaskRolesArgs["uses"] {
  // In a fixed order and each once: the server that takes over is read before.
  const all = [database, ...(takeover === undefined ? [] : [takeover]), ...shards.map((shard) => shard.database)];
  const userArns = all.flatMap(({ iam }) => iam?.userArns ?? []);
  return {
    database: database.iam === undefined ? undefined : { userArns: [...new Set(userArns)] },
    uploads: { bucketArn: storage.uploads.arn, kmsKeyArn: keys.arns.storage },
    kafka: events instanceof Kafka ? { clusterArn: events.arn } : undefined,
    sqs: events === undefined || events instanceof Kafka ? undefined : { queueArn: events.arn, kmsKeyArn: keys.arns.messages },
  };
}

/** Settings of the app that its role does not change. */
export function appSettings(config: StackConfig, image: Image): AppSettings {
  return {
    appName: pulumi.getProject(),
    version: image.version,
    workerHeapMb: config.workerHeapMb,
    uvThreadpoolSize: config.uvThreadpoolSize,
    logLevel: config.logLevel,
    extra: config.appEnvironment,
  };
}

/** Namespace of the figures that the app itself gives. */
export function metricsNamespace({ project, stack }: Pick<AwsContext, "project" | "stack">): string {
  return `${project}/${stack}`;
}

/** What waits for jobs and consumer, as CloudWatch knows it: jobs as the app reports them, events as the service that keeps them does. */
export function backlogs(
  context: AwsContext,
  events: AppParts["events"],
): { readonly jobs: MetricSource; readonly consumer: MetricSource | undefined } {
  const jobs: MetricSource = { namespace: metricsNamespace(context), metricName: "JobsWaiting", dimensions: {}, statistic: "Maximum" };
  if (events === undefined) return { jobs, consumer: undefined };
  if (events instanceof Kafka) {
    const dimensions = { "Cluster Name": events.clusterName, "Consumer Group": KAFKA.group, Topic: KAFKA.topic };
    return { jobs, consumer: { namespace: "AWS/Kafka", metricName: "SumOffsetLag", dimensions, statistic: "Maximum" } };
  }
  const dimensions = { QueueName: events.names.queue };
  return {
    jobs,
    consumer: { namespace: "AWS/SQS", metricName: "ApproximateNumberOfMessagesVisible", dimensions, statistic: "Maximum" },
  };
}
