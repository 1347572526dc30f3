import type { Graph, Resource } from "../graph";
import { flag, isGiven, number, text, texts } from "../read";
import { hasReferrer, isOneOf, isSet } from "../parts";
import { rulesOf, type Part } from "../rule";
import { AWS, DEPLOYMENT } from "../types";

const LOG_TYPES = ["api", "audit", "authenticator", "controllerManager", "scheduler"];
/** Oldest minor version under EKS' standard support on the day this was written; older ones cost six times as much for the control plane. */
const OLDEST_VERSION = [1, 33] as const;
/** Names under which node scalers are installed beside EKS Auto Mode. */
const SCALERS = ["cluster-autoscaler", "karpenter"];

const isAutoMode = (cluster: Resource): boolean => flag(cluster, "computeConfig.enabled");

const privateEndpoint: Part = (cluster, _graph, { name }) => {
  // Both are EKS' defaults when nothing is said: private off, public on.
  const clauses = flag(cluster, "vpcConfig.endpointPrivateAccess") ? [] : ["vpcConfig.endpointPrivateAccess is not true"];
  const isPublic = !isGiven(cluster, "vpcConfig.endpointPublicAccess") || flag(cluster, "vpcConfig.endpointPublicAccess");
  if (!isPublic) return clauses;
  if (name === "prod") return [...clauses, "vpcConfig.endpointPublicAccess is not false"];
  const cidrs = texts(cluster, "vpcConfig.publicAccessCidrs");
  if (cidrs.length === 0 || cidrs.some((cidr) => ["0.0.0.0/0", "::/0"].includes(cidr)))
    return [...clauses, "its API is open to everybody; allowed: publicAccessCidrs of your own"];
  return clauses;
};

const zones: Part = (cluster, graph) => {
  const subnets = graph.targets(cluster, "vpcConfig.subnetIds", AWS.subnet);
  const inZones = new Set(subnets.map((subnet) => text(subnet, "availabilityZone") || text(subnet, "availabilityZoneId")));
  return inZones.size >= 2 ? undefined : `its subnets are in ${inZones.size} zones; allowed: at least 2`;
};

const version: Part = (cluster) => {
  const given = text(cluster, "version");
  const [major = 0, minor = 0] = given.split(".").map(Number);
  if (major > OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor >= OLDEST_VERSION[1])) return undefined;
  return `version is ${given || "not set"}; allowed: ${OLDEST_VERSION.join(".")} or newer`;
};

const metadata: Part = (group, graph) => {
  const templates = isGiven(group, "launchTemplate") ? graph.targets(group, "launchTemplate", AWS.launchTemplate) : [];
  if (templates.length === 0) return "it has no launch template, and so no say in its metadata service";
  return templates.flatMap((template) => {
    const hops = number(template, "metadataOptions.httpPutResponseHopLimit") ?? 1;
    return [
      ...(text(template, "metadataOptions.httpTokens") === "required" ? [] : [`${template.name} does not require tokens (IMDSv2)`]),
      ...(hops === 1
        ? []
        : [`${template.name} lets metadata be read ${hops} hops away; allowed: 1, so that no pod reads the node's credentials`]),
    ];
  });
};

const noSsh: Part = (resource) => {
  const paths = resource.type === AWS.nodeGroup ? ["remoteAccess.ec2SshKey"] : ["keyName"];
  return paths.filter((path) => isGiven(resource, path)).map((path) => `${path} is set; allowed: no SSH`);
};

const podIdentity: Part = (cluster, graph) => {
  const clauses = graph.referrers(cluster, "clusterName", AWS.podIdentity).length > 0 ? [] : ["no pod has an identity of its own"];
  if (isAutoMode(cluster)) return clauses;
  const agent = graph.referrers(cluster, "clusterName", AWS.addon).some((addon) => text(addon, "addonName") === "eks-pod-identity-agent");
  return agent ? clauses : [...clauses, "add-on eks-pod-identity-agent is missing"];
};

function scalers(cluster: Resource, graph: Graph): string[] {
  const installed = graph.resources
    .filter(({ type }) => type.startsWith("kubernetes:helm.sh/") || type === DEPLOYMENT)
    .map((resource) => (isGiven(resource, "chart") ? text(resource, "chart") : text(resource, "metadata.name")))
    .flatMap((name) => SCALERS.filter((scaler) => name.includes(scaler)));
  return [...(isAutoMode(cluster) ? ["EKS Auto Mode"] : []), ...new Set(installed)];
}

/** Rules of EKS clusters and their nodes. */
export const eks = rulesOf("eks", {
  "eks-endpoint": {
    title: "The cluster's API is reached from inside the VPC",
    cites: ["CKV_AWS_38", "CKV_AWS_39", "EKS.1"],
    devRelaxation: "public as well, for address ranges that are named",
    remediation: "Set vpcConfig.endpointPrivateAccess to true and endpointPublicAccess to false.",
    types: [AWS.eksCluster],
    parts: [privateEndpoint],
  },
  "eks-secrets": {
    title: "Kubernetes' secrets are encrypted with an own key",
    cites: ["CKV_AWS_58", "EKS.3"],
    remediation: 'Set encryptionConfig with resources ["secrets"] and the key\'s ARN.',
    types: [AWS.eksCluster],
    parts: [
      isSet("encryptionConfig.provider.keyArn"),
      (cluster) =>
        texts(cluster, "encryptionConfig.resources").includes("secrets") ? undefined : "encryptionConfig.resources does not have secrets",
    ],
  },
  "eks-logs": {
    title: "The control plane writes all of its logs",
    cites: ["CKV_AWS_37", "EKS.8"],
    remediation: `Set enabledClusterLogTypes to ${LOG_TYPES.join(", ")}.`,
    types: [AWS.eksCluster],
    parts: [
      (cluster) => {
        const given = texts(cluster, "enabledClusterLogTypes");
        const missing = LOG_TYPES.filter((type) => !given.includes(type));
        return missing.length === 0 ? undefined : `enabledClusterLogTypes lacks ${missing.join(", ")}`;
      },
    ],
  },
  "eks-version": {
    title: "The Kubernetes version is under standard support",
    cites: ["CKV_AWS_339", "EKS.2"],
    remediation: "Upgrade one minor version after the other: control plane, then nodes.",
    types: [AWS.eksCluster],
    parts: [version],
  },
  "eks-access": {
    title: "Access is given by access entries; a ConfigMap can lock everybody out",
    remediation: "Set accessConfig.authenticationMode to API and add aws.eks.AccessEntry resources.",
    types: [AWS.eksCluster],
    scope: "graph",
    parts: [isOneOf("accessConfig.authenticationMode", "API"), hasReferrer("clusterName", "access entry", AWS.accessEntry)],
  },
  "eks-zones": {
    title: "A cluster is in two zones or more",
    remediation: "Give vpcConfig.subnetIds subnets of several zones.",
    types: [AWS.eksCluster],
    scope: "graph",
    parts: [zones],
  },
  "eks-metadata": {
    title: "Pods cannot read the credentials of their node",
    cites: ["CKV_AWS_79", "CKV_AWS_341", "EC2.8"],
    remediation: "Give the node group a launch template with metadataOptions httpTokens required and httpPutResponseHopLimit 1.",
    types: [AWS.nodeGroup],
    scope: "graph",
    parts: [metadata],
  },
  "eks-no-ssh": {
    title: "Nobody logs in to nodes",
    cites: ["CKV_AWS_100"],
    remediation: "Remove the key; Session Manager leads to a node where one has to look.",
    types: [AWS.nodeGroup, AWS.launchTemplate],
    parts: [noSsh],
  },
  "eks-pod-identity": {
    title: "Pods have roles of their own, by Pod Identity",
    remediation:
      "Add an aws.eks.PodIdentityAssociation for the app's service account, and the add-on eks-pod-identity-agent without Auto Mode.",
    types: [AWS.eksCluster],
    scope: "graph",
    parts: [podIdentity],
  },
  "eks-one-scaler": {
    title: "Exactly one thing adds and removes nodes",
    remediation: "Use EKS Auto Mode, or install one of Karpenter and cluster-autoscaler.",
    types: [AWS.eksCluster],
    scope: "graph",
    parts: [
      (cluster, graph) => {
        const found = scalers(cluster, graph);
        return found.length === 1 ? undefined : `its nodes are scaled by ${found.join(" and ") || "nothing"}; allowed: exactly one scaler`;
      },
    ],
  },
});
