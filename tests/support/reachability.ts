import type { Graph, Resource } from "../../policy/graph";
import { isGiven } from "../../policy/read";
import { groupRules, type GroupRule } from "../../policy/security-group-rules";
import { AWS } from "../../policy/types";

/** What is behind security groups: a load balancer, the app's services, a store. */
export interface Holder {
  readonly name: string;
  readonly groups: readonly Resource[];
}

/** That one place reaches another, on a port. */
export interface Reach {
  /** `internet` for everybody. */
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  /** Ports, `FROM-TO` or one. */
  readonly ports: string;
}

/** The internet, as a place to come from and to go to. */
const INTERNET = "internet";

/** Types that have security groups, and the input that names them. */
const HOLDERS: Readonly<Record<string, string>> = {
  [AWS.loadBalancer]: "securityGroups",
  // Nodes of EKS Auto Mode, and with them their pods.
  "kubernetes:eks.amazonaws.com/v1:NodeClass": "spec.securityGroupSelectorTerms",
  [AWS.ecsService]: "networkConfiguration.securityGroups",
  [AWS.dbInstance]: "vpcSecurityGroupIds",
  [AWS.rdsProxy]: "vpcSecurityGroupIds",
  [AWS.cacheReplication]: "securityGroupIds",
  [AWS.mskCluster]: "brokerNodeGroupInfo.securityGroups",
  [AWS.endpoint]: "securityGroupIds",
  [AWS.eksCluster]: "vpcConfig.securityGroupIds",
  [AWS.launchTemplate]: "vpcSecurityGroupIds",
  [AWS.instance]: "vpcSecurityGroupIds",
  "aws:lambda/function:Function": "vpcConfig.securityGroupIds",
};

/** Everything in the graph that has security groups. */
export function holders(graph: Graph): Holder[] {
  return Object.entries(HOLDERS).flatMap(([type, path]) =>
    graph
      .ofType(type)
      .filter((resource) => isGiven(resource, path))
      .map((resource) => ({ name: resource.name, groups: graph.targets(resource, path, AWS.securityGroup, AWS.defaultSecurityGroup) })),
  );
}

/**
 * Who reaches whom, by security groups alone: a connection needs a rule that lets it out on one side and one that lets it in on the other. Peers are
 * groups, address ranges or prefix lists; ranges and lists are places of their own, the range of all addresses is {@link INTERNET}.
 * @param name what a holder is called in the answer, e.g. by its component; undefined leaves it out
 */
export function reachability(graph: Graph, name: (holder: Holder) => string | undefined = (holder) => holder.name): Reach[] {
  const rules = groupRules(graph);
  const all = holders(graph);
  const found = new Map<string, Reach>();
  const add = (from: string | undefined, to: string | undefined, rule: Pick<GroupRule, "protocol" | "from" | "to">): void => {
    if (from === undefined || to === undefined || rule.from > rule.to) return;
    const ports = rule.from === rule.to ? String(rule.from) : `${rule.from}-${rule.to}`;
    const reach = { from, to, protocol: rule.protocol, ports };
    found.set(JSON.stringify(reach), reach);
  };
  for (const target of all) {
    const lets = rules.filter((rule) => rule.direction === "ingress" && target.groups.includes(rule.group));
    for (const rule of lets.filter(({ peer }) => peer.kind !== "group")) add(outside(rule), name(target), rule);
    for (const source of all) {
      for (const both of connections(source, target, rules)) add(name(source), name(target), both);
    }
  }
  for (const source of all) {
    const lets = rules.filter((rule) => rule.direction === "egress" && source.groups.includes(rule.group));
    for (const rule of lets.filter(({ peer }) => peer.kind !== "group")) add(name(source), outside(rule), rule);
  }
  return [...found.values()].sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
}

/** One line for each way, e.g. `app → database tcp 5432`: what a test compares. */
export function lines(reaches: readonly Reach[]): string[] {
  return reaches.map(({ from, to, protocol, ports }) => `${from} → ${to} ${protocol} ${ports}`);
}

/** What is let out here and in there. */
function connections(source: Holder, target: Holder, rules: readonly GroupRule[]): Pick<GroupRule, "protocol" | "from" | "to">[] {
  const out = rules.filter(
    ({ direction, group, peer }) => direction === "egress" && source.groups.includes(group) && leadsTo(peer, target),
  );
  const inward = rules.filter(
    ({ direction, group, peer }) => direction === "ingress" && target.groups.includes(group) && leadsTo(peer, source),
  );
  return inward.flatMap((there) =>
    out
      .filter((here) => here.protocol === there.protocol || here.protocol === "-1" || there.protocol === "-1")
      // By addresses on both sides it is the way through the internet, which has two lines of its own.
      .filter((here) => here.peer.kind === "group" || there.peer.kind === "group")
      .map((here) => ({
        protocol: here.protocol === "-1" ? there.protocol : here.protocol,
        from: Math.max(here.from, there.from),
        to: Math.min(here.to, there.to),
      })),
  );
}

/** Whether the peer may have the holder in it. Addresses may be anybody's: better a way too many than one that is not seen. */
function leadsTo(peer: GroupRule["peer"], { groups }: Holder): boolean {
  return peer.kind === "group" ? groups.includes(peer.group) : peer.kind === "cidr";
}

/** Who is meant by a peer that is no group. */
function outside({ peer }: GroupRule): string {
  if (peer.kind === "prefix list") return "prefix list";
  if (peer.kind === "cidr") return peer.cidr === "0.0.0.0/0" || peer.cidr === "::/0" ? INTERNET : peer.cidr;
  return peer.group.name;
}
