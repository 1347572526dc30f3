import * as pulumi from "@pulumi/pulumi";
import { Alerts } from "../components/aws/alerts";
import { Budget } from "../components/aws/budget";
import { Kafka } from "../components/aws/events/kafka";
import { Keys } from "../components/aws/keys";
import { Network } from "../components/aws/network";
import { INTERFACE_ENDPOINTS, NetworkEndpoints } from "../components/aws/network/endpoints";
import { Observability } from "../components/aws/observability";
import { Registry } from "../components/aws/registry";
import { Image } from "../components/aws/registry/image";
import { GeneratedSecret } from "../components/aws/secrets";
import { SecurityGroups } from "../components/aws/security-groups";
import { ecrRepositoryArn } from "../components/aws/service";
import { Storage } from "../components/aws/storage";
import { cloudData } from "./cloud-data";
import { cloudEdge } from "./cloud-edge";
import { monthlyCostEstimate, watchResources } from "./cloud-estimate";
import { cloudRuntime } from "./cloud-runtime";
import { membersOf, publicAccess, watchedBy } from "./cloud-parts";
import { cloudPlanTable } from "./cloud-sizing-table";
import { cloudTarget } from "./cloud-target";
import type { StackConfig } from "./config";
import { appSource, contextDirectory } from "./local";
import type { PhaseOutputs } from "./outputs";

/**
 * Phase `cloud` on AWS, one region: the app on ECS Fargate or EKS behind CloudFront and a load balancer; Postgres on RDS with its pool, Redis on
 * ElastiCache, files in S3, events by MSK or SQS. Sizes follow from the number of users, protections from the profile. Nothing is looked up.
 * @throws RunError for what cannot be planned, or does not compile, before anything is registered.
 */
export async function cloud(config: StackConfig): Promise<PhaseOutputs> {
  const source = await appSource(config);
  const target = cloudTarget(config);
  const { profile, plan, zones } = target;
  const { context, provider } = target.home;
  await pulumi.log.info(cloudPlanTable(plan));
  const { protect } = config;
  const home = { provider };
  const made = watchResources();

  const purposes = ["data", "storage", "logs", "messages"] as const;
  const keys = new Keys("keys", { context, purposes, deletionWindowDays: profile.keyDeletionDays, protect }, home);
  const logs = { retentionDays: profile.logDays, kmsKeyArn: keys.arns.logs };
  const { natGateways } = plan.network;
  const flowLogs = profile.flowLogs ? logs : undefined;
  const network = new Network("network", { context, zones, cidr: config.vpcCidr, natGateways, flowLogs }, home);
  const { vpcId, routeTableIds } = network;
  const groups = new SecurityGroups("groups", { context, vpcId, access: publicAccess(config), members: membersOf(target) }, home);
  const inside = { services: INTERFACE_ENDPOINTS, subnetIds: network.subnetIds.private };
  const interfaces = profile.interfaceEndpoints ? { ...inside, securityGroupId: groups.id("endpoints") } : undefined;
  new NetworkEndpoints("endpoints", { context, vpcId, routeTableIds: routeTableIds.private, interfaces }, home);

  const forceDestroy = profile.disposable && !protect;
  const uploadOrigins = config.domainName === undefined ? undefined : [`https://${config.domainName}`];
  const files = { kmsKeyArn: keys.arns.storage, logDays: profile.accessLogDays, forceDestroy, protect, uploadOrigins };
  const storage = new Storage("storage", { context, ...files }, home);
  const edge = cloudEdge(config, target, { network, groups, storage, logs });
  const data = cloudData(config, target, { network, groups, keys, logs });
  const secret = { context, kmsKeyArn: keys.arns.data, recoveryWindowDays: profile.secretRecoveryDays };
  const sessionSecret = new GeneratedSecret("session-secret", { ...secret, description: "Signs sessions of the app" }, home);
  const adminToken = new GeneratedSecret("admin-token", { ...secret, description: "Opens the app's operation to its operators" }, home);

  const registry =
    "files" in source ? new Registry("registry", { context, kmsKeyArn: keys.arns.data, forceDelete: forceDestroy }, home) : undefined;
  const platform = config.cpuArchitecture === "arm64" ? "linux/arm64" : "linux/amd64";
  const image = new Image("app-image", {
    source:
      "files" in source && registry !== undefined
        ? { files: source.files, contextDirectory: contextDirectory("app"), platform, repositoryUrl: registry.url }
        : { reference: config.image ?? "" },
  });
  const given = config.image === undefined ? undefined : ecrRepositoryArn(config.image);
  const repositoryArns = registry !== undefined ? [registry.arn] : given === undefined ? [] : [given];
  const runtime = await cloudRuntime(config);
  const app = runtime(config, target, {
    ...{ network, groups, keys, logs, storage, edge, ...data },
    ...{ sessionSecret, adminToken, image, repositoryArns },
  });

  const alerts = new Alerts("alerts", { context, kmsKeyArn: keys.arns.messages, email: config.alertEmail ?? "" }, home);
  const watched = watchedBy(target, data, edge, app);
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
    monthlyCostEstimate: await monthlyCostEstimate(made, context.region, plan),
    adminToken: adminToken.generated,
    databasePassword: data.database.userPassword,
  };
}
