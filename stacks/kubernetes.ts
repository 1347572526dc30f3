import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { Authorities, type MountedAuthorities } from "../components/kubernetes/authorities";
import { type KubernetesContext, SERVICE_NAMES } from "../components/kubernetes/context";
import { Documents } from "../components/kubernetes/documents";
import { Entrance, type EntranceKind } from "../components/kubernetes/entrance";
import { Monitoring } from "../components/kubernetes/monitoring";
import { Namespace } from "../components/kubernetes/namespace";
import { NetworkPolicies, type Way } from "../components/kubernetes/namespace/network-policies";
import { SecretFiles } from "../components/kubernetes/secret-files";
import { DATA_DIRECTORY, DOCUMENTS_DIRECTORY } from "../components/kubernetes/workload";
import { APP_PORT } from "../components/contract";
import { type AppRole, type AppSettings, refuseContractVariables, settingsVariables } from "../components/local/app/environment";
import { cloudPlan } from "./cloud/sizing/plan";
import type { CloudPlan } from "./cloud/sizing/types";
import type { StackConfig } from "./config";
import { authorityCertificates } from "./kubernetes/authorities";
import { pairsOf } from "./kubernetes/keys";
import { appPods } from "./kubernetes/pods";
import { namedAddresses } from "./config/shards";
import { asSecrets, secretValues, type SecretValues } from "./config/secrets";
import type { PhaseOutputs } from "./outputs";

const defaults = {
  documentsGb: 100,
  /** Private addresses (RFC 1918). */
  servicesCidrs: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
  /** A document may have 25 MiB (DOCUMENT_MAX_BYTES), and ingress-nginx takes 1 MiB. Other controllers do not look at it. */
  ingressAnnotations: { "nginx.ingress.kubernetes.io/proxy-body-size": "32m" },
  /** Letters and digits of generated secrets. */
  secretLength: 48,
  ports: { "postgres:": 5432, "postgresql:": 5432, "redis:": 6379, "rediss:": 6379 } as Readonly<Record<string, number>>,
} as const;

/**
 * Phase `cloud` on any Kubernetes cluster: the app with migrations, autoscalers and policies, and nothing of AWS. The cluster, Postgres, Redis
 * and Kafka are there already, and are told by address.
 */
export async function kubernetes(config: StackConfig): Promise<PhaseOutputs> {
  const given = secretValues({ project: pulumi.getProject(), values: pulumi.runtime.allConfig() });
  const { users, image, domainName, documentsStorageClass } = config;
  const { databaseUrl, redisUrl } = given;
  // Reported by loadConfig, all at once; asked again for the compiler.
  if (users === undefined || image === undefined || documentsStorageClass === undefined) throw notChecked();
  if (databaseUrl === undefined || redisUrl === undefined) throw notChecked();
  const workers = config.workers === "auto" ? undefined : config.workers;
  const hasKafka = config.kafkaBrokers !== undefined;
  // Of the plan only the pods count; a Kafka of one's own has as many zones as it has.
  const plan = cloudPlan({ ...config, users, workers, events: hasKafka ? "msk" : "none", zones: 3 });
  await pulumi.log.info(podsLine(users, plan));

  const provider = new k8s.Provider("kubernetes", clusterOf(config, given));
  const own = { provider };
  const [project, stack] = [pulumi.getProject(), pulumi.getStack()];
  const { namespaceName: namespace } = new Namespace("namespace", { project, stack, protect: config.protect }, own);
  const context: KubernetesContext = { project, stack, namespace };
  const policies = new NetworkPolicies(
    "network-policies",
    {
      context,
      clients: config.ingressNamespace === undefined ? [] : [{ namespace: config.ingressNamespace }],
      monitoring: config.monitoringNamespace === undefined ? undefined : { namespace: config.monitoringNamespace },
      services: waysOf(config, given),
      dnsCidrs: config.dnsCidrs ?? [],
    },
    own,
  );
  const { protect, documentsStorageGb: sizeGb = defaults.documentsGb } = config;
  const documents = new Documents("documents", { context, storageClass: documentsStorageClass, sizeGb, protect }, own);

  const generated = (name: string): pulumi.Output<string> =>
    pulumi.secret(new random.RandomPassword(name, { length: defaults.secretLength, special: false }).result);
  const adminToken = generated("admin-token");
  const secrets = new SecretFiles(
    "app-secrets",
    { context, role: "app", values: appSecrets(given, generated("session-secret"), adminToken) },
    own,
  );
  const migrationValues = migrationSecrets(given, databaseUrl);
  const migrationFiles = new SecretFiles("migrations-secrets", { context, role: "migrations", values: migrationValues }, own);
  const version = image.slice(image.indexOf("@") + 1);
  const common: AppSettings = {
    ...{ appName: project, version, logLevel: config.logLevel, extra: config.appEnvironment, uvThreadpoolSize: config.uvThreadpoolSize },
    ...{ trustedProxies: 1, documentsPath: DOCUMENTS_DIRECTORY },
  };
  const roles: readonly AppRole[] = hasKafka ? ["web", "jobs", "consumer"] : ["web", "jobs"];
  const { workloads } = appPods(config, {
    ...{ context, provider, plan, roles, image, settings: common, secrets: secrets.mounted, documentsClaim: documents.claimName },
    authorities: authoritiesOf(config, context, own),
    variables: (settings) => appVariables(config, settings),
    migrations: { variables: migrationVariables(config, version, given), secrets: migrationFiles.mounted },
    dependsOn: [policies],
  });
  const entrance = entranceOf(config);
  if (entrance !== undefined && domainName !== undefined) {
    const serviceName = workloads.web?.serviceName ?? SERVICE_NAMES.web;
    new Entrance("entrance", { context, host: domainName, entrance, serviceName }, own);
  }
  if (config.monitoringNamespace !== undefined) {
    new Monitoring("monitoring", { context, adminToken, labels: pairsOf(config.monitoringLabels) }, own);
  }

  return {
    appUrl: urlOf(config, domainName, entrance, context),
    databaseHost: new URL(databaseUrl).hostname,
    databaseReaderHost: new URL(given.databaseReadUrl ?? databaseUrl).hostname,
    redisHost: new URL(redisUrl).hostname,
    ...(config.kafkaBrokers === undefined ? {} : { kafkaBrokers: config.kafkaBrokers.join(",") }),
    adminToken,
    databasePassword: pulumi.secret(decodeURIComponent(new URL(databaseUrl).password)),
  };
}

/** What the autoscalers keep to; the services' sizes are the user's. */
function podsLine(users: number, { web, jobs, consumer }: CloudPlan): string {
  const roles = Object.entries({ web, jobs, consumer }).filter(([, { maxTasks }]) => maxTasks > 0);
  const sizes = roles.map(
    ([role, { minTasks, maxTasks, cpu, memoryMb }]) => `${role} ${minTasks} to ${maxTasks} of ${cpu / 1024} CPU and ${memoryMb} MiB`,
  );
  return `pods for ${users} users: ${sizes.join("; ")}`;
}

const notChecked = (): Error => new Error("required configuration was not checked");

/** Where none are given there is no object for them either. */
function authoritiesOf(
  config: StackConfig,
  context: KubernetesContext,
  own: pulumi.ComponentResourceOptions,
): MountedAuthorities | undefined {
  const certificates = authorityCertificates(config);
  return Object.keys(certificates).length === 0 ? undefined : new Authorities("authorities", { context, certificates }, own).mounted;
}

/** Which cluster: the one that is named, and no other. */
function clusterOf({ kubeconfigFile, kubernetesContext: context }: StackConfig, { kubeconfig }: SecretValues): k8s.ProviderArgs {
  const file = kubeconfig === undefined ? kubeconfigFile : pulumi.secret(kubeconfig);
  return { ...(file === undefined ? {} : { kubeconfig: file }), ...(context === undefined ? {} : { context }) };
}

function appVariables(
  { kafkaBrokers, kafkaTls, databaseShardsForNew }: StackConfig,
  settings: AppSettings,
): Record<string, string | undefined> {
  refuseContractVariables(settings);
  return {
    ...settingsVariables(settings),
    MIGRATIONS: "external",
    TMPDIR: DATA_DIRECTORY,
    DATABASE_SHARDS_FOR_NEW: databaseShardsForNew?.join(","),
    KAFKA_BROKERS: kafkaBrokers?.join(","),
    KAFKA_TLS: kafkaBrokers === undefined ? undefined : String(kafkaTls ?? true),
  };
}

function appSecrets(
  given: SecretValues,
  sessionSecret: pulumi.Input<string>,
  adminToken: pulumi.Input<string>,
): Record<string, pulumi.Input<string>> {
  const {
    databaseUrl: DATABASE_URL,
    databaseReadUrl: DATABASE_READ_REPLICAS,
    databaseShards: DATABASE_SHARDS,
    databaseShardsRead: DATABASE_SHARDS_REPLICAS,
    redisUrl: REDIS_URL,
    redisLimitsUrl: REDIS_LIMITS_URL,
  } = given;
  return {
    ...asSecrets({ DATABASE_URL, DATABASE_READ_REPLICAS, DATABASE_SHARDS, DATABASE_SHARDS_REPLICAS, REDIS_URL, REDIS_LIMITS_URL }),
    SESSION_SECRET: sessionSecret,
    ADMIN_TOKEN: adminToken,
  };
}

/** The migration works as the owner, and gives the app's login its rights where that is another one. */
function migrationSecrets(
  { databaseMigrationUrl, databaseShards, databaseShardsMigration, redisLimitsUrl }: SecretValues,
  databaseUrl: string,
): Record<string, pulumi.Input<string>> {
  const appPassword = databaseMigrationUrl === undefined ? undefined : decodeURIComponent(new URL(databaseUrl).password);
  return asSecrets({
    DATABASE_URL: databaseMigrationUrl ?? databaseUrl,
    DATABASE_SHARDS: databaseShardsMigration ?? databaseShards,
    DATABASE_APP_PASSWORD: appPassword,
    REDIS_LIMITS_URL: redisLimitsUrl,
  });
}

function migrationVariables({ logLevel }: StackConfig, version: string, { databaseUrl, databaseMigrationUrl }: SecretValues) {
  const user = databaseUrl === undefined || databaseMigrationUrl === undefined ? undefined : new URL(databaseUrl).username;
  return {
    ...{ NODE_ENV: "production", APP_NAME: pulumi.getProject(), APP_VERSION: version, LOG_LEVEL: logLevel, TMPDIR: DATA_DIRECTORY },
    DATABASE_APP_USER: user === undefined ? undefined : decodeURIComponent(user),
  };
}

/** Ports of the services, which are outside of the cluster or in other namespaces of it. */
function waysOf({ servicesCidrs: cidrs = defaults.servicesCidrs, kafkaBrokers = [] }: StackConfig, given: SecretValues): readonly Way[] {
  const portsOf = (...urls: readonly (string | undefined)[]): number[] => {
    const ports = urls
      .filter((url) => url !== undefined)
      .map((url) => Number(new URL(url).port) || (defaults.ports[new URL(url).protocol] ?? 0));
    return [...new Set(ports)].sort((a, b) => a - b);
  };
  const kafka = [...new Set(kafkaBrokers.map((broker) => Number(broker.split(":").at(-1))))];
  return [
    {
      ...{ name: "database", peer: { cidrs } },
      ports: portsOf(given.databaseUrl, given.databaseMigrationUrl, given.databaseReadUrl, ...shardAddresses(given)),
    },
    { name: "redis", peer: { cidrs }, ports: portsOf(given.redisUrl, given.redisLimitsUrl) },
    ...(kafka.length === 0 ? [] : [{ name: "kafka", peer: { cidrs }, ports: kafka }]),
  ];
}

/** Of all databases but the first. */
function shardAddresses({ databaseShards, databaseShardsMigration, databaseShardsRead }: SecretValues): string[] {
  const lists = [databaseShards, databaseShardsMigration, databaseShardsRead].filter((list) => list !== undefined);
  return lists.flatMap((list) => namedAddresses(list, false)?.map(({ address }) => address) ?? []);
}

function entranceOf({
  ingressClass: className,
  ingressTlsSecret: tlsSecretName,
  ingressAnnotations,
  gateway,
}: StackConfig): EntranceKind | undefined {
  const annotations = { ...defaults.ingressAnnotations, ...pairsOf(ingressAnnotations) };
  if (className !== undefined) return { kind: "ingress", className, tlsSecretName, annotations };
  const [namespace, name] = gateway?.split("/") ?? [];
  return namespace === undefined || name === undefined ? undefined : { kind: "gateway", gateway: { namespace, name } };
}

/** Where the app is reached: from outside, or inside of the cluster only. */
function urlOf(
  { ingressTlsSecret }: StackConfig,
  host: string | undefined,
  entrance: EntranceKind | undefined,
  { namespace }: KubernetesContext,
): pulumi.Input<string> {
  if (entrance === undefined || host === undefined) return pulumi.interpolate`http://${SERVICE_NAMES.web}.${namespace}.svc:${APP_PORT}`;
  return `${entrance.kind === "ingress" && ingressTlsSecret === undefined ? "http" : "https"}://${host}`;
}
