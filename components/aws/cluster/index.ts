import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, type AwsContext, type LogSettings, partitionOf, tagsOf } from "../context";
import { serviceRole } from "../iam";
import { PORTS } from "../security-groups";
import { createLogGroups } from "./addons";
import { clusterName } from "./name";

export { clusterName } from "./name";

const defaults = {
  /** Under standard support until 2027; a newer one is an upgrade in place, one minor version at a time. */
  version: "1.35",
  /** Addresses of services inside the cluster; apart from the network's. A change REPLACES THE CLUSTER. */
  serviceCidr: "172.20.0.0/16",
  /** EKS gives its DNS the tenth of them. */
  dnsAddress: "172.20.0.10",
  logTypes: ["api", "audit", "authenticator", "controllerManager", "scheduler"],
} as const;

/** Address of the cluster's DNS: in EKS Auto Mode it runs on every node, and is no pod that a policy of the network could name. */
export const CLUSTER_DNS = defaults.dnsAddress;

/** What EKS Auto Mode does in the account as the cluster's role: nodes, their disks, networks and targets of load balancers. */
const CLUSTER_POLICIES = [
  "AmazonEKSClusterPolicy",
  "AmazonEKSComputePolicy",
  "AmazonEKSBlockStoragePolicy",
  "AmazonEKSLoadBalancingPolicy",
  "AmazonEKSNetworkingPolicy",
] as const;

/** What a node needs: to join, and to pull images. What pods may do is in roles of their own. */
const NODE_POLICIES = ["AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"] as const;

export interface KubernetesClusterArgs extends AwsArgs {
  /** Kubernetes, major and minor. @default 1.35 */
  readonly version?: string | undefined;
  /** Private subnets, one a zone, at least two. */
  readonly subnetIds: readonly pulumi.Input<string>[];
  /** Key that Kubernetes' secrets are encrypted with. It cannot be taken away again. */
  readonly kmsKeyArn: pulumi.Input<string>;
  /** How long logs are kept, and the key they are encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
  /** ARNs of IAM roles and users who may do everything in the cluster. Whoever runs Pulumi has to be among them. */
  readonly administratorArns: readonly string[];
  /** ARNs of those who may look at everything in the cluster, its secrets too, and change nothing; none of the administrators. @default none */
  readonly viewerArns?: readonly string[] | undefined;
  /** Ranges of addresses from which the API is reached over the internet. @default none: from inside of the network only */
  readonly publicCidrs?: readonly string[] | undefined;
  /**
   * Ranges of private addresses from which the API is reached inside of the network, and from what is connected to it. EKS lets in who is in the
   * cluster's own group, and nobody else. @default none
   */
  readonly privateCidrs?: readonly string[] | undefined;
  /**
   * Group of the network's interface endpoints, which lets the cluster's group in: nodes of the pool `system` are in that one alone, and the names of
   * ECR and CloudWatch lead to the endpoints from everywhere in the network. @default none, there are no such endpoints
   */
  readonly endpointsGroupId?: pulumi.Input<string> | undefined;
  /** Refuse deletion: EKS' own protection and Pulumi's `protect`. */
  readonly protect: boolean;
  /** Changes to the child resource before it is created. */
  readonly transform?: {
    /** A change of the name, the subnets' network or the service addresses REPLACES THE CLUSTER and everything in it. */
    readonly cluster?: Transform<aws.eks.ClusterArgs>;
  };
}

/**
 * EKS in Auto Mode: AWS runs not only the control plane but also the nodes, which it starts for pods that wait and takes back when they are not
 * needed. So there is exactly one thing that scales nodes, and network, DNS, disks, Pod Identity and targets of load balancers need no charts.
 * Nodes require IMDSv2 with one hop, nobody can log in to them, and they are replaced within two weeks. Managed node groups would need a
 * scaler, a controller for load balancers and five add-ons, each with an image and rights to be kept up to date.
 *
 * Cost: about 73 dollars a month for the control plane, and 12 % on top of the price of every node.
 */
export class KubernetesCluster extends pulumi.ComponentResource {
  readonly clusterName: pulumi.Output<string>;
  /** How Pulumi gets in: as whoever runs it, by the `aws` command, which has to be installed. There is no secret in it. */
  readonly kubeconfig: pulumi.Output<string>;
  /** Group that EKS puts control plane and nodes into: they reach each other by it. */
  readonly securityGroupId: pulumi.Output<string>;
  /** Name of the role nodes work as. */
  readonly nodeRoleName: pulumi.Output<string>;
  private readonly cluster: aws.eks.Cluster;

  constructor(name: string, args: KubernetesClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:KubernetesCluster", name, {}, opts);
    const { context } = args;
    if (args.administratorArns.length === 0) throw new Error(`${name}: administratorArns is empty; allowed: at least who runs Pulumi`);
    const policyArns = (names: readonly string[]): string[] =>
      names.map((policy) => `arn:${partitionOf(context.region)}:iam::aws:policy/${policy}`);
    const role = serviceRole(
      `${name}-role`,
      {
        context,
        service: "eks.amazonaws.com",
        description: "EKS runs nodes and networks of the cluster",
        assumedBy: ["sts:AssumeRole", "sts:TagSession"],
        managedPolicyArns: policyArns(CLUSTER_POLICIES),
      },
      this,
    );
    const nodes = serviceRole(
      `${name}-node-role`,
      {
        context,
        service: "ec2.amazonaws.com",
        description: "What nodes of the cluster may do",
        managedPolicyArns: policyArns(NODE_POLICIES),
        // EC2 does not say which account it works for.
        onlyOwnAccount: false,
      },
      this,
    );
    const groups = createLogGroups(name, args, this);
    this.cluster = this.createCluster(name, args, { role: role.role, nodeRole: nodes.role }, [
      ...groups,
      ...role.attachments,
      ...nodes.attachments,
    ]);
    const access = [
      ...args.administratorArns.map((arn, index) =>
        this.giveAccess(`${name}-administrator-${index + 1}`, args, arn, "AmazonEKSClusterAdminPolicy"),
      ),
      // The one that has custom resources, too: nodes, targets of the load balancer.
      ...(args.viewerArns ?? []).map((arn, index) => this.giveAccess(`${name}-viewer-${index + 1}`, args, arn, "AmazonEKSAdminViewPolicy")),
    ];
    this.securityGroupId = this.cluster.vpcConfig.apply(({ clusterSecurityGroupId }) => clusterSecurityGroupId);
    const ways = [
      ...(args.endpointsGroupId === undefined ? [] : [this.openEndpoints(`${name}-to-endpoints`, args, args.endpointsGroupId)]),
      ...(args.privateCidrs ?? []).map((cidr, index) => this.openApi(`${name}-api-from-${index + 1}`, args, cidr)),
    ];
    const before = [...access, ...ways].map(({ id }) => id);
    // Through the access: before it nobody gets in, whoever made the cluster. And through the ways: to its images, and to its API.
    this.clusterName = pulumi.all([this.cluster.name, pulumi.all(before)]).apply(([clusterName]) => clusterName);
    this.kubeconfig = kubeconfigOf(context, this.cluster, this.clusterName);
    this.nodeRoleName = nodes.role.name;
    this.registerOutputs({ clusterName: this.clusterName, securityGroupId: this.securityGroupId });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly cluster: aws.eks.Cluster } {
    return { cluster: this.cluster };
  }

  private createCluster(
    name: string,
    args: KubernetesClusterArgs,
    { role, nodeRole }: Readonly<Record<"role" | "nodeRole", aws.iam.Role>>,
    dependsOn: pulumi.Resource[],
  ): aws.eks.Cluster {
    const { context, publicCidrs = [], protect } = args;
    const isPublic = publicCidrs.length > 0;
    const own = `${name}-eks`;
    return new aws.eks.Cluster(
      ...transformed(
        args.transform?.cluster,
        own,
        {
          name: clusterName(context, name),
          version: args.version ?? defaults.version,
          roleArn: role.arn,
          // Access entries only: a ConfigMap can lock everybody out, and a hidden administrator is not to be found in the program.
          accessConfig: { authenticationMode: "API", bootstrapClusterCreatorAdminPermissions: false },
          // All three, or none: that is Auto Mode. The pool `system` is for what EKS itself adds; the app has one of its own.
          computeConfig: { enabled: true, nodePools: ["system"], nodeRoleArn: nodeRole.arn },
          storageConfig: { blockStorage: { enabled: true } },
          kubernetesNetworkConfig: { elasticLoadBalancing: { enabled: true }, ipFamily: "ipv4", serviceIpv4Cidr: defaults.serviceCidr },
          bootstrapSelfManagedAddons: false,
          encryptionConfig: { provider: { keyArn: args.kmsKeyArn }, resources: ["secrets"] },
          enabledClusterLogTypes: [...defaults.logTypes],
          vpcConfig: {
            subnetIds: [...args.subnetIds],
            endpointPrivateAccess: true,
            endpointPublicAccess: isPublic,
            ...(isPublic ? { publicAccessCidrs: [...publicCidrs] } : {}),
          },
          // Extended support costs six times as much: better an upgrade that EKS makes.
          upgradePolicy: { supportType: "STANDARD" },
          zonalShiftConfig: { enabled: true },
          deletionProtection: protect,
          tags: tagsOf(context, own),
        },
        // A cluster takes a quarter of an hour.
        { parent: this, protect, dependsOn },
      ),
    );
  }

  private openEndpoints(name: string, { context }: AwsArgs, securityGroupId: pulumi.Input<string>): aws.vpc.SecurityGroupIngressRule {
    return new aws.vpc.SecurityGroupIngressRule(
      name,
      {
        securityGroupId,
        referencedSecurityGroupId: this.securityGroupId,
        ...{ ipProtocol: "tcp", fromPort: PORTS.https, toPort: PORTS.https },
        // EC2 takes no apostrophe in a description.
        description: "From nodes of the pools of EKS: images, logs",
        tags: tagsOf(context, name),
      },
      { parent: this },
    );
  }

  private openApi(name: string, { context }: AwsArgs, cidrIpv4: string): aws.vpc.SecurityGroupIngressRule {
    return new aws.vpc.SecurityGroupIngressRule(
      name,
      {
        securityGroupId: this.securityGroupId,
        ...{ cidrIpv4, ipProtocol: "tcp", fromPort: PORTS.https, toPort: PORTS.https },
        description: "To the API of the cluster, from private addresses",
        tags: tagsOf(context, name),
      },
      { parent: this },
    );
  }

  /** Lets somebody in, by an entry of their own, with a policy of EKS for the whole cluster. */
  private giveAccess(name: string, { context }: AwsArgs, arn: string, policy: string): aws.eks.AccessPolicyAssociation {
    const entry = new aws.eks.AccessEntry(
      name,
      { clusterName: this.cluster.name, principalArn: arn, type: "STANDARD", tags: tagsOf(context, name) },
      { parent: this },
    );
    return new aws.eks.AccessPolicyAssociation(
      `${name}-policy`,
      {
        clusterName: this.cluster.name,
        principalArn: entry.principalArn,
        policyArn: `arn:${partitionOf(context.region)}:eks::aws:cluster-access-policy/${policy}`,
        accessScope: { type: "cluster" },
      },
      { parent: this },
    );
  }
}

/** A kubeconfig in which a token is made anew for every use. */
function kubeconfigOf({ region }: AwsContext, cluster: aws.eks.Cluster, name: pulumi.Input<string>): pulumi.Output<string> {
  const certificate = cluster.certificateAuthority.apply(({ data }) => data);
  return pulumi.jsonStringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "eks",
    clusters: [{ name: "eks", cluster: { server: cluster.endpoint, "certificate-authority-data": certificate } }],
    contexts: [{ name: "eks", context: { cluster: "eks", user: "aws" } }],
    users: [
      {
        name: "aws",
        user: {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1",
            command: "aws",
            args: ["eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json"],
            interactiveMode: "Never",
          },
        },
      },
    ],
  });
}
