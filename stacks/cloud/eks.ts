import * as k8s from "@pulumi/kubernetes";
import { ClusterAddons } from "../../components/aws/cluster/addons";
import { AppNodes } from "../../components/aws/cluster/nodes";
import { CLUSTER_DNS, KubernetesCluster } from "../../components/aws/cluster";
import { podIdentity, podRole } from "../../components/aws/cluster/pod-role";
import { SecretReferences } from "../../components/aws/cluster/secret-references";
import { Kafka } from "../../components/aws/events/kafka";
import type { Statement } from "../../components/aws/iam";
import { PORTS } from "../../components/aws/security-groups";
import { secretStatements, taskStatements } from "../../components/aws/service/roles";
import { taskSecrets, taskVariables } from "../../components/aws/service";
import { APP_PORT } from "../../components/contract";
import { type KubernetesContext, SERVICE_NAMES } from "../../components/kubernetes/context";
import { Monitoring } from "../../components/kubernetes/monitoring";
import { Namespace } from "../../components/kubernetes/namespace";
import { NetworkPolicies, type Way } from "../../components/kubernetes/namespace/network-policies";
import type { CloudApp } from "./app";
import { appSecrets, appSettings, type AppParts, rolesOf, servicesOf, usesOf } from "./app-parts";
import { migrationSecretArns, migrationSecrets, migrationVariables } from "./migrations";
import type { CloudTarget } from "./target";
import type { StackConfig } from "../config";
import { pairsOf } from "../kubernetes/keys";
import { appPods } from "../kubernetes/pods";

/** EKS Auto Mode adds to new pods that they are ready only when the load balancer sends them requests. */
const READINESS_GATE = { "eks.amazonaws.com/pod-readiness-gate-inject": "enabled" } as const;

/** Where pods get credentials of their role from: EKS' agent on their node. */
const POD_IDENTITY_AGENT = { cidr: "169.254.170.23/32", port: 80 } as const;

/** Addresses of the node itself, its metadata among them. */
const LINK_LOCAL = "169.254.0.0/16";

/**
 * The app on EKS: the same edge, services, settings and secrets as on ECS, in pods instead of tasks. Each region has a cluster of its own, to
 * which everything in it goes by an explicit provider.
 */
export function cloudEks(config: StackConfig, target: CloudTarget, parts: AppParts): CloudApp {
  const { context: aws, provider: awsProvider, zones, prefix } = target.home;
  const { plan, profile } = target;
  const { network, groups, keys, logs, edge, events } = parts;
  const { ways = [], farDatabase = [], takeover, migrated } = parts;
  const { nodes: nodesPlan } = plan;
  if (nodesPlan === undefined) throw new Error("the plan has no nodes");
  const subnetIds = network.subnetIds.private;
  const clusterComponent = `${prefix}cluster`;
  const cluster = new KubernetesCluster(
    clusterComponent,
    {
      ...{ context: aws, subnetIds, logs, version: config.kubernetesVersion, protect: config.protect },
      kmsKeyArn: keys.arns.data,
      administratorArns: config.eksAdministrators ?? [],
      viewerArns: config.eksViewers,
      publicCidrs: config.eksApiCidrs,
      privateCidrs: config.eksPrivateCidrs,
      endpointsGroupId: profile.interfaceEndpoints ? groups.id("endpoints") : undefined,
    },
    { provider: awsProvider },
  );
  const provider = new k8s.Provider(`${prefix}eks`, {
    kubeconfig: cluster.kubeconfig,
    // What a person changes on the day this region takes over (docs/region-failover.md) is theirs to Kubernetes; the next update takes it back.
    ...(prefix === "" ? {} : { enablePatchForce: true }),
  });
  const nodes = new AppNodes(
    `${prefix}nodes`,
    {
      ...{ zones, subnetIds, nodeRoleName: cluster.nodeRoleName, instanceType: nodesPlan.instanceType },
      // Pods are in the app's group by their node: the ways to services are the same as on ECS.
      securityGroupIds: [cluster.securityGroupId, groups.id("app")],
      maxVcpus: nodesPlan.maxNodes * nodesPlan.vcpus,
      spot: profile.spotNodes,
    },
    { provider, dependsOn: [network] },
  );
  const installed = { context: aws, clusterName: cluster.clusterName };
  const addons = new ClusterAddons(`${clusterComponent}-addons`, installed, { provider: awsProvider, dependsOn: [nodes] });
  const { project, stack } = aws;
  const labelled = { project, stack, labels: READINESS_GATE, protect: false };
  const { namespaceName: namespace } = new Namespace(`${prefix}namespace`, labelled, { provider });
  const context: KubernetesContext = { project, stack, namespace };
  const policies = new NetworkPolicies(
    `${prefix}network-policies`,
    {
      context,
      clients: [{ cidrs: [network.cidr] }],
      monitoring: config.monitoringNamespace === undefined ? undefined : { namespace: config.monitoringNamespace },
      services: waysOf(network.cidr, farDatabase, events instanceof Kafka),
      dnsCidrs: [`${CLUSTER_DNS}/32`],
    },
    { provider },
  );
  const services = servicesOf(aws, config, parts);
  const roles = rolesOf(parts);
  const secretArns = appSecrets(parts);
  const identities = [
    ...identify(
      "app",
      roles.map((role) => SERVICE_NAMES[role]),
      { secretArns, uses: usesOf(parts) },
    ),
    ...(migrated === undefined
      ? identify("migrations", ["migrations"], {
          secretArns: migrationSecretArns(parts),
          uses: {},
        })
      : []),
  ];
  const secrets = (name: string, references: ConstructorParameters<typeof SecretReferences>[1]["references"]): SecretReferences =>
    new SecretReferences(
      `${prefix}${name}-secrets`,
      { context, region: aws.region, objectName: name, references },
      { provider, dependsOn: [addons] },
    );
  const pods = appPods(config, {
    ...{ prefix, context, provider, plan, roles, image: parts.image.reference },
    settings: { ...appSettings(config, parts.image), trustedProxies: edge.proxies },
    variables: (settings) => taskVariables(services, settings),
    takeover:
      takeover && ((settings) => taskVariables(servicesOf(aws, config, { ...parts, database: takeover, redisSite: "active" }), settings)),
    secrets: secrets("app", taskSecrets(services)).mounted,
    migrations:
      migrated === undefined
        ? { variables: migrationVariables(config, parts), secrets: secrets("migrations", migrationSecrets(parts)).mounted }
        : undefined,
    // Before the first pod: what makes it wait for the load balancer is added when it is made.
    beforeWebPods: (service) => [
      new k8s.apiextensions.CustomResource(
        `${prefix}web-targets`,
        {
          apiVersion: "eks.amazonaws.com/v1",
          kind: "TargetGroupBinding",
          metadata: { name: SERVICE_NAMES.web, namespace },
          spec: {
            serviceRef: { name: service.metadata.name, port: APP_PORT },
            targetGroupARN: edge.loadBalancer.targetGroupArn,
            targetType: "ip",
          },
        },
        { provider, dependsOn: [...edge.loadBalancer.nodes.listeners] },
      ),
    ],
    dependsOn: [
      ...[...parts.servers, network, nodes, addons, policies, ...ways, ...(parts.pageFiles ?? []), ...identities],
      ...(migrated === undefined ? [] : [migrated]),
    ],
  });
  if (config.monitoringNamespace !== undefined) {
    const labels = pairsOf(config.monitoringLabels);
    new Monitoring(`${prefix}monitoring`, { context, adminToken: parts.adminToken.generated, labels }, { provider });
  }
  const deployments = Object.entries(pods.workloads).map(([role, { nodes: made }]) => [role, made.deployment.metadata.name] as const);
  const watched = { namespace, deployments: Object.fromEntries(deployments) };
  return { cluster, services: {}, pods: watched, migrated: pods.migrations ?? migrated };

  /** A role for pods of the accounts, and what ties it to them. */
  function identify(name: string, accounts: readonly string[], may: Pick<Parameters<typeof taskStatements>[0], "uses"> & SecretArns) {
    const statements: readonly Statement[] = [
      ...secretStatements({ context: aws, secretArns: may.secretArns, dataKeyArn: keys.arns.data }, READ_SECRETS),
      ...taskStatements({ context: aws, uses: may.uses }),
    ];
    const role = podRole(
      `${clusterComponent}-${name}-role`,
      { context: aws, description: `What pods of ${name} may do`, statements },
      cluster,
    );
    const associations = accounts.map((serviceAccount) => {
      const args = { context: aws, clusterName: cluster.clusterName, namespace: context.namespace, serviceAccount, roleArn: role.role.arn };
      return podIdentity(`${clusterComponent}-${serviceAccount}-identity`, args, { parent: cluster });
    });
    return [...associations, ...(role.policy === undefined ? [] : [role.policy])];
  }
}

type SecretArns = Pick<Parameters<typeof secretStatements>[0], "secretArns">;

/** The driver asks which version is the current one before it reads it. */
const READ_SECRETS = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"] as const;

/** Where pods go, beside each other: the same as the security groups have it. */
function waysOf(cidr: string, farDatabase: readonly string[], kafka: boolean): readonly Way[] {
  const inside = { cidrs: [cidr] };
  return [
    { name: "database", peer: { cidrs: [cidr, ...farDatabase] }, ports: [PORTS.postgres] },
    { name: "redis", peer: inside, ports: [PORTS.redis] },
    ...(kafka ? [{ name: "kafka", peer: inside, ports: [PORTS.kafka] }] : []),
    { name: "pod-identity", peer: { cidrs: [POD_IDENTITY_AGENT.cidr] }, ports: [POD_IDENTITY_AGENT.port] },
    { name: "https", peer: { cidrs: ["0.0.0.0/0"], except: [LINK_LOCAL] }, ports: [PORTS.https] },
  ];
}
