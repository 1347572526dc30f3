import type { Graph, Resource } from "../graph";
import { byProfile, hasReferrer, inProd, isNotTrue } from "../parts";
import { items, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

/** Zones of a VPC's subnets, NAT gateways in different zones; dev does with two and one. */
const ZONES = { prod: 3, dev: 2 };
/** Without these, traffic to AWS' own services leaves through the NAT gateways, where each GB is paid for. */
const ENDPOINTS = ["s3", "ecr.api", "ecr.dkr", "logs", "secretsmanager"];

const subnetsOf = (vpc: Resource, graph: Graph): Resource[] => graph.referrers(vpc, "vpcId", AWS.subnet);

/** Zones are names (`availabilityZone`) or ids. */
const zoneOf = (subnet: Resource): string => text(subnet, "availabilityZone") || text(subnet, "availabilityZoneId");

const hasZones =
  (least: number): Part =>
  (vpc, graph) => {
    const zones = new Set(
      subnetsOf(vpc, graph)
        .map(zoneOf)
        .filter((zone) => zone !== ""),
    );
    return zones.size >= least ? undefined : `its subnets are in ${zones.size} zones; allowed: at least ${least}`;
  };

const hasNat: Part = (vpc, graph, { name }) => {
  const subnets = subnetsOf(vpc, graph);
  const used = new Set<string>();
  for (const gateway of graph.ofType(AWS.natGateway)) {
    for (const subnet of graph.targets(gateway, "subnetId", AWS.subnet)) if (subnets.includes(subnet)) used.add(zoneOf(subnet));
  }
  const zones = new Set(subnets.map(zoneOf)).size;
  const least = name === "dev" ? 1 : zones;
  return used.size >= least ? undefined : `it has NAT gateways in ${used.size} of ${zones} zones; allowed: at least ${least}`;
};

const hasEndpoints =
  (wanted: readonly string[]): Part =>
  (vpc, graph) => {
    const names = graph.referrers(vpc, "vpcId", AWS.endpoint).map((endpoint) => text(endpoint, "serviceName"));
    const missing = wanted.filter((service) => !names.some((name) => name.endsWith(`.${service}`)));
    return missing.length === 0 ? undefined : `it has no endpoint for ${missing.join(", ")}`;
  };

/** The default group is adopted, and left without a rule. */
const hasEmptyDefaultGroup: Part = (vpc, graph) => {
  const groups = graph.referrers(vpc, "vpcId", AWS.defaultSecurityGroup);
  if (groups.length === 0) return "its default security group is not managed, and lets its members talk to each other";
  const open = groups.filter((group) => items(group, "ingress").length + items(group, "egress").length > 0);
  return open.map((group) => `its default security group ${group.name} has rules`);
};

/** Subnets of databases, caches and brokers have no way out: what is taken over there cannot send anything away. */
const hasNoWayOut: Part = (holder, graph) => {
  const path = holder.type === AWS.mskCluster ? "brokerNodeGroupInfo.clientSubnets" : "subnetIds";
  const subnets = graph.targets(holder, path, AWS.subnet);
  if (subnets.length === 0) return `its ${path} are no subnets of this stack`;
  return subnets.flatMap((subnet) => {
    const associations = graph.referrers(subnet, "subnetId", AWS.routeTableAssociation);
    if (associations.length === 0) return [`subnet ${subnet.name} has the VPC's main route table; allowed: one of its own`];
    const tables = associations.flatMap((association) => graph.targets(association, "routeTableId", AWS.routeTable));
    return tables.filter((table) => leadsOut(table, graph)).map((table) => `subnet ${subnet.name} has a default route, in ${table.name}`);
  });
};

function leadsOut(table: Resource, graph: Graph): boolean {
  const defaults = ["0.0.0.0/0", "::/0"];
  const inline = items(table, "routes").flatMap((route) => [text(route, "cidrBlock"), text(route, "ipv6CidrBlock")]);
  const own = graph
    .referrers(table, "routeTableId", AWS.route)
    .flatMap((route) => [text(route, "destinationCidrBlock"), text(route, "destinationIpv6CidrBlock")]);
  return [...inline, ...own].some((destination) => defaults.includes(destination));
}

/** Rules of the VPC, its subnets and what leads out of it. */
export const network = rulesOf("network", {
  "network-zones": {
    title: "A VPC spans three availability zones",
    devRelaxation: "two zones",
    remediation: "Give the network more zones (config zones).",
    types: [AWS.vpc],
    scope: "graph",
    parts: [byProfile(hasZones(ZONES.prod), hasZones(ZONES.dev))],
  },
  "network-flow-logs": {
    title: "A VPC writes flow logs",
    cites: ["CKV2_AWS_11", "EC2.6"],
    devRelaxation: "none needed",
    remediation: "Add an aws.ec2.FlowLog with the VPC's id.",
    types: [AWS.vpc],
    scope: "graph",
    parts: [inProd(hasReferrer("vpcId", "flow log", AWS.flowLog))],
  },
  "network-default-security-group": {
    title: "The default security group of a VPC has no rules",
    cites: ["CKV2_AWS_12", "EC2.2"],
    remediation: "Adopt it as an aws.ec2.DefaultSecurityGroup without ingress and egress.",
    types: [AWS.vpc],
    scope: "graph",
    parts: [hasEmptyDefaultGroup],
  },
  "network-no-public-ip": {
    title: "Nothing gets a public address just by starting in a subnet",
    cites: ["CKV_AWS_130", "EC2.15"],
    remediation: "Leave mapPublicIpOnLaunch off; load balancers and NAT gateways have addresses of their own.",
    types: [AWS.subnet],
    parts: [isNotTrue("mapPublicIpOnLaunch")],
  },
  "network-nat": {
    title: "Each zone has a NAT gateway, so that the loss of one zone cuts off no other",
    devRelaxation: "one for all zones",
    remediation: "Set natGateways to the number of zones.",
    types: [AWS.vpc],
    scope: "graph",
    parts: [hasNat],
  },
  "network-endpoints": {
    title: "Traffic to S3, ECR, CloudWatch Logs and Secrets Manager stays in the VPC",
    cites: ["EC2.10"],
    devRelaxation: "S3 only, whose endpoint costs nothing",
    remediation: "Add aws.ec2.VpcEndpoint resources for the services named.",
    types: [AWS.vpc],
    scope: "graph",
    parts: [byProfile(hasEndpoints(ENDPOINTS), hasEndpoints(["s3"]))],
  },
  "network-data-subnets": {
    title: "Subnets of databases, caches and brokers have no default route",
    remediation: "Give data subnets a route table of their own, without a route to 0.0.0.0/0 or ::/0.",
    types: [AWS.databaseSubnets, AWS.cacheSubnets, AWS.mskCluster],
    scope: "graph",
    parts: [hasNoWayOut],
  },
});
