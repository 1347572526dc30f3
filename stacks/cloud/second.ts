import type * as pulumi from "@pulumi/pulumi";
import { Alerts } from "../../components/aws/alerts";
import { Cache } from "../../components/aws/cache";
import { arnIn } from "../../components/aws/context";
import type { Database } from "../../components/aws/database";
import { StandbyDatabase } from "../../components/aws/database/standby";
import { Observability } from "../../components/aws/observability";
import { Peering } from "../../components/aws/peering";
import type { Image } from "../../components/aws/registry/image";
import { RegionSwitch } from "../../components/aws/region-switch";
import type { GeneratedSecret, SecretReplica } from "../../components/aws/secrets";
import { DOCUMENTS_PREFIX, type Storage } from "../../components/aws/storage";
import { BucketReplication } from "../../components/aws/storage/replication";
import { StandbyStorage } from "../../components/aws/storage/standby";
import type { CloudApp } from "./app";
import { type DatabaseAccess, metricsNamespace } from "./app-parts";
import type { CloudData } from "./data";
import type { Edge, SignedDownloads } from "./edge";
import { cloudFoundation, type Foundation } from "./foundation";
import { watchedBy } from "./parts";
import { writesInSecond } from "./regions";
import type { cloudRuntime } from "./runtime";
import { standbyPlan } from "./standby-plan";
import type { CloudTarget, Region } from "./target";
import type { StackConfig } from "../config";

/** The part of the second region that has to be there before anything of the first that is copied to it. */
export interface SecondRegion extends Foundation {
  readonly region: Region;
  readonly storage: StandbyStorage;
  readonly alerts: Alerts;
  readonly takeover: RegionSwitch;
  /** By which the first region's secrets are copied here. */
  readonly secretReplicas: readonly SecretReplica[];
}

type FileSettings = Omit<ConstructorParameters<typeof StandbyStorage>[1], "context" | "kmsKeyArn">;

/** Keys, network, buckets, and the switch of the second region; `undefined` where the stack has none (A16). */
export function secondRegion(config: StackConfig, target: CloudTarget, files: FileSettings): SecondRegion | undefined {
  const { second: region } = target;
  if (region === undefined) return undefined;
  const { context, provider, prefix } = region;
  const own = { provider };
  const foundation = cloudFoundation(config, target, region);
  const { arns } = foundation.keys;
  const storage = new StandbyStorage(`${prefix}storage`, { context, ...files, kmsKeyArn: arns.storage }, own);
  const alerts = new Alerts(`${prefix}alerts`, { context, kmsKeyArn: arns.messages, email: config.alertEmail ?? "" }, own);
  const takeover = new RegionSwitch(
    `${prefix}takeover`,
    { context, metricsNamespace: metricsNamespace(context), topicArn: alerts.topicArn },
    own,
  );
  const secretReplicas = [{ region: context.region, kmsKeyArn: arns.data }];
  return { ...foundation, region, storage, alerts, takeover, secretReplicas };
}

/** Files of users go both ways, so that what the second region was given while it had taken over is there when the first one is back. */
export function copyFiles(target: CloudTarget, home: Foundation & { readonly storage: Storage }, second: SecondRegion): void {
  const ends = {
    home: { ...target.home, bucket: home.storage.uploads, kmsKeyArn: home.keys.arns.storage },
    second: { ...second.region, bucket: second.storage.uploads, kmsKeyArn: second.keys.arns.storage },
  };
  for (const [from, to] of [
    ["home", "second"],
    ["second", "home"],
  ] as const) {
    const end = ({ bucket, kmsKeyArn, context }: (typeof ends)["home" | "second"]) => ({ bucket, kmsKeyArn, region: context.region });
    const { context, provider, prefix } = ends[from];
    new BucketReplication(`${prefix}copies`, { context, from: end(ends[from]), to: end(ends[to]), prefix: DOCUMENTS_PREFIX }, { provider });
  }
}

/** Services with data of the second region, and what each region's app is told of Postgres. */
export interface SecondData {
  readonly standby: StandbyDatabase;
  readonly redisCache: Cache;
  readonly redisLimits: Cache;
  readonly ways: readonly Peering[];
  /** Ranges of addresses where the app of each region finds the other's Postgres. */
  readonly farDatabase: Readonly<Record<"home" | "second", readonly string[]>>;
  readonly access: Readonly<Record<"home" | "second", DatabaseAccess>>;
  /** For the second region, once it has taken over. */
  readonly takeover: DatabaseAccess | undefined;
}

/** A copy of Postgres, both Redis, empty and by themselves, and the way between the networks. */
export function secondData(
  config: StackConfig,
  target: CloudTarget,
  second: SecondRegion,
  home: Foundation & Pick<CloudData, "database">,
): SecondData {
  const { plan, profile } = target;
  const { region, network, groups, keys, logs } = second;
  const { context, provider, prefix, zones } = region;
  const { database } = home;
  const own = { provider };
  const taken = writesInSecond(config);
  const stateful = { context, subnetIds: network.subnetIds.data, kmsKeyArn: keys.arns.data, logs, protect: config.protect };
  const { backupDays, monitoringSeconds, secretRecoveryDays: recoveryWindowDays, snapshotDays } = profile;
  const { instanceClass, allocatedGb, maxAllocatedGb, iops, maxConnections, multiAz } = plan.database;
  const standby = new StandbyDatabase(
    `${prefix}database`,
    {
      ...stateful,
      ...{ instanceClass, allocatedGb, maxAllocatedGb, iops, maxConnections, multiAz, zones, backupDays, monitoringSeconds },
      securityGroupId: groups.id("database"),
      sourceArn: taken ? undefined : database.primaryArn,
    },
    own,
  );
  const redis = { ...stateful, recoveryWindowDays, securityGroupId: groups.id("cache") };
  const redisCache = new Cache(`${prefix}redis-cache`, { ...redis, ...plan.cache, role: "cache", snapshotDays: 0 }, own);
  const redisLimits = new Cache(`${prefix}redis-limits`, { ...redis, ...plan.limits, role: "limits", snapshotDays }, own);
  const here = { ...region, network, appGroupId: groups.id("app"), targetGroupIds: { database: groups.id("database") } };
  const pool = { proxy: home.groups.id("proxy") };
  const there = { ...target.home, network: home.network, appGroupId: home.groups.id("app"), targetGroupIds: pool };
  const ways = [new Peering(`${prefix}peering`, { context, from: here, to: there }, own)];
  const farDatabase = { home: network.ranges.data, second: home.network.ranges.data };
  return { standby, redisCache, redisLimits, ways, farDatabase, ...accessOf(database, standby, context.region, taken) };
}

/**
 * What each app is told: to write where writes are, through the pool or, in the second region, to the server itself; and to read from copies of
 * its own region that follow it. The database of a region that has lost its writes follows nobody: nothing is read from it.
 */
function accessOf(database: Database, standby: StandbyDatabase, region: string, taken: boolean): Pick<SecondData, "access" | "takeover"> {
  const { host, primaryHost, replicaHosts, port, databaseName, owner, user, secretArns, iam } = database;
  const names = { port, databaseName, owner, user };
  const copied = (arn: pulumi.Output<string>): pulumi.Output<string> => arn.apply((known) => arnIn(region, known));
  const logins = { home: secretArns, second: { owner: copied(secretArns.owner), user: copied(secretArns.user) } };
  const atStandby = iam && { user: iam.user, userArns: [standby.iamUserArn] };
  const ofStandby = { host: standby.host, primaryHost: standby.host, replicaHosts: [], iam: atStandby, ...names };
  const takeover: DatabaseAccess = { ...ofStandby, secretArns: logins.second };
  if (taken) return { access: { home: { ...ofStandby, secretArns: logins.home }, second: takeover }, takeover: undefined };
  const home: DatabaseAccess = { host, primaryHost, replicaHosts, iam, ...names, secretArns: logins.home };
  // It writes to the pool and reads from its own copy: the first of the home's, and that one.
  const both = iam && { user: iam.user, userArns: [...iam.userArns.slice(0, 1), standby.iamUserArn] };
  return { access: { home, second: { ...home, replicaHosts: [standby.host], iam: both, secretArns: logins.second } }, takeover };
}

/** What the second region's app is given beside its own. */
interface SharedParts {
  readonly edge: Edge;
  readonly data: SecondData;
  readonly sessionSecret: GeneratedSecret;
  readonly adminToken: GeneratedSecret;
  readonly image: Image;
  readonly repositoryArns: readonly pulumi.Input<string>[];
  readonly home: CloudApp;
  readonly storage: Storage;
}

/** The same address and key, with the copies of the secrets. */
function copiedDownloads(region: string, { privateKeyArn, secretArns, ...same }: SignedDownloads): SignedDownloads {
  const copied = (arn: pulumi.Output<string>): pulumi.Output<string> => arn.apply((known) => arnIn(region, known));
  return { ...same, privateKeyArn: copied(privateKeyArn), secretArns: secretArns.map(copied) };
}

/** The app of the second region, ready to take over, with its alarms. Events stay in the outbox: they are carried on where writes are at home. */
export function secondApp(
  config: StackConfig,
  target: CloudTarget,
  second: SecondRegion,
  parts: SharedParts,
  runtime: Awaited<ReturnType<typeof cloudRuntime>>,
): { readonly dashboardUrl: string } {
  const { region, alerts, storage, keys, logs, network, groups } = second;
  const { context, provider, prefix } = region;
  const { edge, data, home, image, repositoryArns } = parts;
  const loadBalancer = edge.standby;
  if (loadBalancer === undefined) throw new Error("there is no load balancer in the second region");
  const taken = writesInSecond(config);
  const there: CloudTarget = { ...target, home: region, plan: standbyPlan(target.plan, taken) };
  const copied = ({ arn, generated }: GeneratedSecret) => ({ generated, arn: arn.apply((known) => arnIn(context.region, known)) });
  const { redisCache, redisLimits, standby, access, takeover } = data;
  const app = runtime(config, there, {
    ...{ keys, logs, network, groups, storage, redisCache, redisLimits, takeover, image, repositoryArns },
    ...{ database: access.second, servers: [standby], events: undefined, runsJobs: taken, migrated: home.migrated },
    ...{ ways: data.ways, farDatabase: data.farDatabase.second },
    redisSite: taken ? "active" : "standby",
    ...{ sessionSecret: copied(parts.sessionSecret), adminToken: copied(parts.adminToken) },
    edge: { loadBalancer, proxies: edge.proxies, downloads: edge.downloads && copiedDownloads(context.region, edge.downloads) },
  });
  const database = { identifiers: [standby.identifier], standby: !taken };
  const watched = {
    ...watchedBy(there, { database, redisCache, redisLimits, events: undefined }, { loadBalancer }, app),
    copies: [{ name: "uploads", source: parts.storage.uploads.name, destination: storage.uploads.name }],
  };
  return new Observability(`${prefix}operations`, { context, watched, topicArn: alerts.topicArn }, { provider });
}
