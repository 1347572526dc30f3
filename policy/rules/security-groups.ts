import { isWithin } from "../addresses";
import { type Graph, type Resource } from "../graph";
import { isGiven, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { rulesIn, type GroupRule } from "../security-group-rules";
import { AWS } from "../types";

const RULES = [AWS.securityGroup, AWS.securityGroupIngress, AWS.securityGroupEgress, AWS.securityGroupRule];
const WHOLE_INTERNET = ["0.0.0.0/0", "::/0"];
const WEB_PORTS = [80, 443];

/** Inputs that put a security group to use, by type; the rest of AWS' types name it in one of these, too. */
const USES: Readonly<Record<string, readonly string[]>> = {
  [AWS.loadBalancer]: ["securityGroups"],
  [AWS.ecsService]: ["networkConfiguration.securityGroups"],
  [AWS.dbInstance]: ["vpcSecurityGroupIds"],
  [AWS.rdsProxy]: ["vpcSecurityGroupIds"],
  [AWS.cacheReplication]: ["securityGroupIds"],
  [AWS.mskCluster]: ["brokerNodeGroupInfo.securityGroups"],
  [AWS.eksCluster]: ["vpcConfig.securityGroupIds"],
  [AWS.nodeGroup]: ["remoteAccess.sourceSecurityGroupIds"],
  [AWS.launchTemplate]: ["vpcSecurityGroupIds", "networkInterfaces"],
  // Nodes of EKS Auto Mode, whose groups are their pods' as well.
  "kubernetes:eks.amazonaws.com/v1:NodeClass": ["spec.securityGroupSelectorTerms"],
  [AWS.endpoint]: ["securityGroupIds"],
  "aws:lambda/function:Function": ["vpcConfig.securityGroupIds"],
  [AWS.instance]: ["vpcSecurityGroupIds"],
  "aws:ec2/networkInterface:NetworkInterface": ["securityGroups"],
  "aws:scheduler/schedule:Schedule": ["target.ecsParameters.networkConfiguration.securityGroups"],
  "aws:cloudwatch/eventTarget:EventTarget": ["ecsTarget.networkConfiguration.securityGroups"],
};

/** Whether the group is that of a load balancer. */
const isOfLoadBalancer = (group: Resource, graph: Graph): boolean => graph.referrers(group, "securityGroups", AWS.loadBalancer).length > 0;

const ports = ({ from, to, protocol }: GroupRule): string =>
  protocol === "-1" ? "everything" : from === to ? String(from) : `${from} to ${to}`;

const onlyWebFromInternet: Part = (source, graph) =>
  rulesIn(source, graph)
    .filter(({ direction, peer }) => direction === "ingress" && peer.kind === "cidr" && WHOLE_INTERNET.includes(peer.cidr))
    .filter(
      (rule) => rule.from !== rule.to || !WEB_PORTS.includes(rule.from) || rule.protocol !== "tcp" || !isOfLoadBalancer(rule.group, graph),
    )
    .map((rule) => `${rule.group.name} lets in ${ports(rule)} from everywhere; allowed: tcp 80 and 443 of a load balancer`);

/** Whether the range is of a network of the stack that is connected to that of the group: groups of another region have no names here. */
function isOfPeer(range: string, { group }: GroupRule, graph: Graph): boolean {
  const [own] = graph.targets(group, "vpcId", AWS.vpc);
  const connected = graph.ofType(AWS.vpcPeering).flatMap((peering) => {
    const ends = [...graph.targets(peering, "vpcId", AWS.vpc), ...graph.targets(peering, "peerVpcId", AWS.vpc)];
    return own !== undefined && ends.includes(own) ? ends.filter((end) => end !== own) : [];
  });
  return connected.some((vpc) => isWithin(range, text(vpc, "cidrBlock")));
}

const byReference: Part = (source, graph) =>
  rulesIn(source, graph)
    .filter(({ direction, peer }) => direction === "ingress" && peer.kind === "cidr" && !WHOLE_INTERNET.includes(peer.cidr))
    .filter((rule) => rule.peer.kind !== "cidr" || !isOfPeer(rule.peer.cidr, rule, graph))
    .map(
      (rule) =>
        `${rule.group.name} lets in ${ports(rule)} from addresses; allowed: from a security group, a prefix list, or a connected network of another region`,
    );

const narrowEgress: Part = (source, graph) =>
  rulesIn(source, graph)
    .filter(
      ({ direction, peer, protocol }) =>
        direction === "egress" && peer.kind === "cidr" && WHOLE_INTERNET.includes(peer.cidr) && protocol === "-1",
    )
    .map(({ group }) => `${group.name} lets everything out; allowed: the ports and peers it needs`);

const described: Part = (source, graph) => {
  const group = source.type === AWS.securityGroup && !isGiven(source, "description") ? ["description is not set"] : [];
  const unclear = rulesIn(source, graph).filter(({ description }) => description === "");
  return [...group, ...unclear.map((rule) => `the ${rule.direction} rule for ${ports(rule)} has no description`)];
};

const used: Part = (group, graph) => {
  const holders = Object.entries(USES).flatMap(([type, paths]) => paths.flatMap((path) => graph.referrers(group, path, type)));
  return holders.length > 0 ? undefined : "nothing uses it";
};

/** Rules of security groups and what is in them. Where they lead as a whole is proven by tests/support/reachability.ts. */
export const securityGroups = rulesOf("security-groups", {
  "security-groups-public": {
    title: "The internet reaches ports 80 and 443 of load balancers, and nothing else",
    cites: ["CKV_AWS_24", "CKV_AWS_25", "CKV_AWS_260", "EC2.18", "EC2.19"],
    remediation: "Refer to a security group instead of 0.0.0.0/0; only a load balancer's group may be open.",
    types: RULES,
    scope: "graph",
    parts: [onlyWebFromInternet],
  },
  "security-groups-by-reference": {
    title:
      "Groups let each other in by reference where they can, which is not from region to region, so that a changed address range opens nothing",
    remediation: "Set referencedSecurityGroupId (or a prefix list for CloudFront) instead of a CIDR block.",
    types: RULES,
    scope: "graph",
    parts: [byReference],
  },
  "security-groups-egress": {
    title: "No group lets everything out",
    cites: ["CKV_AWS_382"],
    remediation: "Let out the ports that are needed: 443 for AWS' services, others to a group by reference.",
    types: RULES,
    scope: "graph",
    parts: [narrowEgress],
  },
  "security-groups-described": {
    title: "Groups and their rules say what they are for",
    cites: ["CKV_AWS_23"],
    remediation: "Set description.",
    types: RULES,
    scope: "graph",
    parts: [described],
  },
  "security-groups-used": {
    title: "No security group is left over",
    cites: ["CKV2_AWS_5", "EC2.22"],
    remediation: "Attach it or remove it.",
    types: [AWS.securityGroup],
    scope: "graph",
    parts: [used],
  },
  "security-groups-own": {
    title: "What is in a VPC has a security group of its own, not the default one",
    remediation: "Set the input named.",
    types: Object.keys(USES).filter((type) =>
      [AWS.ecsService, AWS.dbInstance, AWS.cacheReplication, AWS.loadBalancer, AWS.rdsProxy].some((own) => own === type),
    ),
    parts: [
      (resource) => {
        const path = USES[resource.type]?.[0] ?? "";
        // A replica in the same region takes its network from its source.
        if (resource.type === AWS.dbInstance && isGiven(resource, "replicateSourceDb")) return undefined;
        if (resource.type === AWS.loadBalancer && text(resource, "loadBalancerType") === "gateway") return undefined;
        return isGiven(resource, path) ? undefined : `${path} is not set`;
      },
    ],
  },
});
