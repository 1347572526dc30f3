import type * as pulumi from "@pulumi/pulumi";
import { Cache } from "../../components/aws/cache";
import type { LogSettings } from "../../components/aws/context";
import { Database } from "../../components/aws/database";
import { Kafka } from "../../components/aws/events/kafka";
import { Queue } from "../../components/aws/events/queue";
import type { Keys } from "../../components/aws/keys";
import type { Network } from "../../components/aws/network";
import type { SecretReplica } from "../../components/aws/secrets";
import type { SecurityGroups } from "../../components/aws/security-groups";
import { writesInSecond } from "./regions";
import { furtherShards } from "./shards";
import type { CloudTarget } from "./target";
import type { StackConfig } from "../config";

/** Seconds a client waits for a connection of the pool: less than the app goes on trying (DB_RETRY_MS, 15 s). */
const BORROW_SECONDS = 10;

/** Seconds the app may work on one event. */
const HANDLER_SECONDS = 30;

/** What the services with data need of the rest. */
export interface DataParts {
  readonly network: Network;
  readonly groups: SecurityGroups;
  readonly keys: Keys<"data" | "storage" | "messages" | "logs">;
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  /** Where copies of the database's logins are kept. @default nowhere */
  readonly secretReplicas?: readonly SecretReplica[] | undefined;
}

/** One of the databases after the first, among which companies are divided (A17). */
export interface Shard {
  /** What the app calls it. */
  readonly name: string;
  readonly database: Database;
}

/** The services with data. */
export interface CloudData {
  readonly database: Database;
  readonly shards: readonly Shard[];
  readonly redisCache: Cache;
  readonly redisLimits: Cache;
  readonly events: Kafka | Queue | undefined;
}

/** Postgres, both Redis and what carries events, in the sizes of the plan. */
export function cloudData(config: StackConfig, target: CloudTarget, parts: DataParts): CloudData {
  const { home, plan, profile } = target;
  const { network, groups, keys, logs } = parts;
  const { context, provider, zones } = home;
  const stateful = {
    context,
    subnetIds: network.subnetIds.data,
    kmsKeyArn: keys.arns.data,
    logs,
    protect: config.protect,
    recoveryWindowDays: profile.secretRecoveryDays,
  };
  const { maxConnectionsPercent } = plan.proxy;
  const { backupDays, monitoringSeconds } = profile;
  const postgres = {
    ...stateful,
    ...plan.database,
    ...{ zones, backupDays, monitoringSeconds, securityGroupId: groups.id("database") },
    ...{ secretReplicas: parts.secretReplicas, succeeded: writesInSecond(config) },
    iamLogin: config.databaseLogin === "iam",
    proxy: { securityGroupId: groups.id("proxy"), maxConnectionsPercent, borrowSeconds: BORROW_SECONDS },
  };
  const database = new Database("database", postgres, { provider });
  const { userSecret } = database.nodes;
  const shards = furtherShards(plan.database.shards).map((name) => ({
    name,
    database: new Database(`database-${name}`, { ...postgres, userSecret }, { provider }),
  }));
  const redis = { ...stateful, securityGroupId: groups.id("cache") };
  const redisCache = new Cache("redis-cache", { ...redis, ...plan.cache, role: "cache", snapshotDays: 0 }, { provider });
  const redisLimits = new Cache(
    "redis-limits",
    { ...redis, ...plan.limits, role: "limits", snapshotDays: profile.snapshotDays },
    { provider },
  );
  return { database, shards, redisCache, redisLimits, events: eventsOf(target, parts, stateful) };
}

type Stateful = Pick<ConstructorParameters<typeof Kafka>[1], "context" | "kmsKeyArn" | "logs" | "protect">;

function eventsOf({ home: { provider }, plan: { events } }: CloudTarget, { network, groups, keys }: DataParts, stateful: Stateful) {
  const { context } = stateful;
  switch (events.kind) {
    case "none":
      return undefined;
    case "sqs":
      return new Queue("events", { context, kmsKeyArn: keys.arns.messages, handlerSeconds: HANDLER_SECONDS }, { provider });
    case "msk": {
      // Three copies of every event, one a zone.
      const subnetIds = network.subnetIds.data.slice(0, 3);
      return new Kafka("events", { ...stateful, ...events, subnetIds, securityGroupId: groups.id("broker") }, { provider });
    }
  }
}
