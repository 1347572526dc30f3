import * as pulumi from "@pulumi/pulumi";
import { Alerts } from "../components/aws/alerts";
import { Budget } from "../components/aws/budget";
import { SigningKeys } from "../components/aws/cdn/signing-keys";
import { Kafka } from "../components/aws/events/kafka";
import { Observability } from "../components/aws/observability";
import { GeneratedSecret } from "../components/aws/secrets";
import { Storage } from "../components/aws/storage";
import { cloudData } from "./cloud/data";
import { cloudEdge } from "./cloud/edge";
import { monthlyCostEstimate, watchResources } from "./cloud/estimate";
import { cloudFoundation, type Foundation } from "./cloud/foundation";
import { cloudImage } from "./cloud/image";
import { pageFiles } from "./cloud/page-files";
import { watchedBy } from "./cloud/parts";
import { writesInSecond } from "./cloud/regions";
import { cloudRuntime } from "./cloud/runtime";
import { copyFiles, secondApp, secondData, secondRegion } from "./cloud/second";
import { cloudPlanTable } from "./cloud/sizing/table";
import { cloudTarget, type Region } from "./cloud/target";
import type { StackConfig } from "./config";
import { appSource } from "./local/parts";
import type { PhaseOutputs } from "./outputs";

/**
 * Phase `cloud` on AWS, in one region, or in two of which the second can take over (A16): the app on ECS Fargate or EKS behind CloudFront and a load balancer; Postgres on RDS with its pool, Redis on
 * ElastiCache, files in S3, events by MSK or SQS. Sizes follow from the number of users, protections from the profile. Nothing is looked up.
 * @throws RunError for what cannot be planned, or does not compile, before anything is registered.
 */
export async function cloud(config: StackConfig): Promise<PhaseOutputs> {
  const source = await appSource(config);
  const target = cloudTarget(config);
  const { profile, plan } = target;
  const { context, provider } = target.home;
  await pulumi.log.info(cloudPlanTable(plan));
  const { protect } = config;
  const home = { provider };
  const made = watchResources();

  // Taking the protection off is the consent: an update has to apply it before anything can be deleted.
  const forceDestroy = !protect;
  const buckets = { logDays: profile.accessLogDays, forceDestroy, protect };
  const second = secondRegion(config, target, buckets);
  const { keys, logs, network, groups } = cloudFoundation(config, target, target.home);
  const storage = new Storage("storage", { context, ...buckets, kmsKeyArn: keys.arns.storage }, home);
  const standby = second && { ...second, healthCheckId: second.takeover.healthCheckId };
  const replicas = second?.secretReplicas;
  const secret = { context, kmsKeyArn: keys.arns.data, recoveryWindowDays: profile.secretRecoveryDays, replicas };
  const signingKeys = config.cdn ? new SigningKeys("uploads-key", { ...secret, generation: config.uploadsKeyGeneration }, home) : undefined;
  const edge = cloudEdge(config, target, { network, groups, storage, signingKeys, logs, second: standby });
  for (const { uploads } of [storage, ...(second ? [second.storage] : [])]) uploads.allowForms([edge.url]);
  const data = cloudData(config, target, { network, groups, keys, logs, secretReplicas: replicas });
  const sessionSecret = new GeneratedSecret("session-secret", { ...secret, description: "Signs sessions of the app" }, home);
  const adminToken = new GeneratedSecret("admin-token", { ...secret, description: "Opens the app's operation to its operators" }, home);

  const storedImage = (region: Region, own: Pick<Foundation, "keys">) =>
    cloudImage(config, source, region, { kmsKeyArn: own.keys.arns.data, forceDelete: forceDestroy });
  const runtime = await cloudRuntime(config);
  const files = edge.cdn === undefined ? [] : pageFiles(target, source, storage.assets, keys.arns.storage);
  const taken = writesInSecond(config);
  const there = second && secondData(config, target, second, { keys, logs, network, groups, database: data.database });
  const app = runtime(config, target, {
    ...{ network, groups, keys, logs, storage, edge, ...data, ...storedImage(target.home, { keys }) },
    ...{ sessionSecret, adminToken, runsJobs: !taken, pageFiles: files },
    ...{ ways: there?.ways ?? [], farDatabase: there?.farDatabase.home ?? [] },
    redisSite: second && (taken ? "standby" : "active"),
    ...{
      database: there?.access.home ?? data.database,
      servers: [(taken ? there?.standby : undefined) ?? data.database, ...data.shards.map(({ database }) => database)],
    },
  });
  if (second !== undefined) copyFiles(target, { keys, logs, network, groups, storage }, second);
  const standbyApp =
    second &&
    there &&
    secondApp(
      config,
      target,
      second,
      { edge, data: there, sessionSecret, adminToken, storage, home: app, ...storedImage(second.region, second) },
      runtime,
    );

  const alerts = new Alerts("alerts", { context, kmsKeyArn: keys.arns.messages, email: config.alertEmail ?? "" }, home);
  const watched = {
    ...watchedBy(target, data, edge, app),
    ...(second && { copies: [{ name: "uploads", source: second.storage.uploads.name, destination: storage.uploads.name }] }),
  };
  const operations = new Observability("operations", { context, watched, topicArn: alerts.topicArn }, home);
  new Budget("budget", { context, monthlyUsd: config.monthlyBudgetUsd ?? 0, topicArn: alerts.topicArn }, home);

  return {
    appUrl: edge.url,
    consoleUrl: operations.dashboardUrl,
    databaseHost: data.database.host,
    databaseReaderHost: data.database.replicaHosts[0] ?? data.database.host,
    redisHost: data.redisCache.host,
    ...(data.events instanceof Kafka ? { kafkaBrokers: data.events.brokers } : {}),
    ...(edge.cdn === undefined ? {} : { cdnUrl: pulumi.interpolate`https://${edge.cdn.dnsName}` }),
    region: context.region,
    ...(second && there && standbyApp
      ? {
          secondRegion: second.region.context.region,
          secondConsoleUrl: standbyApp.dashboardUrl,
          secondDatabaseHost: there.standby.host,
        }
      : {}),
    monthlyCostEstimate: await monthlyCostEstimate(made, target, taken),
    adminToken: adminToken.generated,
    databasePassword: data.database.userPassword,
  };
}
