import { NotKnown, UNKNOWN, valueOrUnknown, type Graph, type Resource, type Section } from "./graph";
import { flag, isGiven, items, number, text, texts } from "./read";
import { AWS } from "./types";

/** Whom a rule is about, besides the group that has it. */
export type Peer =
  | { readonly kind: "cidr"; readonly cidr: string }
  | { readonly kind: "group"; readonly group: Resource }
  | { readonly kind: "prefix list" };

/** One permission of a security group, whichever of the three ways it was written in. */
export interface GroupRule {
  /** The group that has it. */
  readonly group: Resource;
  readonly direction: "ingress" | "egress";
  /** `tcp`, `udp`, `icmp`, or `-1` for all. */
  readonly protocol: string;
  /** First and last port; 0 to 65535 where all are meant. */
  readonly from: number;
  readonly to: number;
  readonly peer: Peer;
  readonly description: string;
  /** What it is written in. */
  readonly source: Resource;
}

const PROTOCOLS: Readonly<Record<string, string>> = { "6": "tcp", "17": "udp", "1": "icmp", all: "-1" };

/** Every permission of a stack's security groups. @throws NotKnown when one of them cannot be told */
export function groupRules(graph: Graph): GroupRule[] {
  const { securityGroup, securityGroupIngress, securityGroupEgress, securityGroupRule } = AWS;
  return graph
    .ofType(securityGroup, securityGroupIngress, securityGroupEgress, securityGroupRule)
    .flatMap((source) => rulesIn(source, graph));
}

/** The permissions written in one resource: in a group, or as a resource of their own. @throws NotKnown when they cannot be told */
export function rulesIn(source: Resource, graph: Graph): GroupRule[] {
  switch (source.type) {
    case AWS.securityGroup:
      return (["ingress", "egress"] as const).flatMap((direction) =>
        items(source, direction).flatMap((part) => written(graph, source, source, part, direction, INLINE)),
      );
    case AWS.securityGroupIngress:
    case AWS.securityGroupEgress: {
      const direction = source.type === AWS.securityGroupIngress ? "ingress" : "egress";
      return groupsAt(graph, source, "securityGroupId").flatMap((group) => written(graph, source, group, source, direction, MODERN));
    }
    case AWS.securityGroupRule: {
      const direction = text(source, "type") === "egress" ? "egress" : "ingress";
      return groupsAt(graph, source, "securityGroupId").flatMap((group) => written(graph, source, group, source, direction, CLASSIC));
    }
    default:
      return [];
  }
}

/** Where each way of writing a rule has its parts. */
interface Spelling {
  readonly protocol: string;
  readonly cidrs: readonly string[];
  readonly groups: readonly string[];
  readonly prefixLists: readonly string[];
}
const INLINE: Spelling = {
  protocol: "protocol",
  cidrs: ["cidrBlocks", "ipv6CidrBlocks"],
  groups: ["securityGroups"],
  prefixLists: ["prefixListIds"],
};
const CLASSIC: Spelling = { ...INLINE, groups: ["sourceSecurityGroupId"] };
const MODERN: Spelling = {
  protocol: "ipProtocol",
  cidrs: ["cidrIpv4", "cidrIpv6"],
  groups: ["referencedSecurityGroupId"],
  prefixLists: ["prefixListId"],
};

function written(
  graph: Graph,
  source: Resource,
  group: Resource,
  part: Section,
  direction: GroupRule["direction"],
  spelling: Spelling,
): GroupRule[] {
  const given = text(part, spelling.protocol);
  const protocol = PROTOCOLS[given] ?? given;
  const all = protocol === "-1";
  const [from, to] = [number(part, "fromPort") ?? -1, number(part, "toPort") ?? -1];
  const ports = all || from < 0 ? { from: 0, to: 65_535 } : { from, to };
  const common = { group, direction, protocol, ...ports, description: text(part, "description"), source };
  return peers(graph, source, group, part, spelling).map((peer) => ({ ...common, peer }));
}

function peers(graph: Graph, source: Resource, own: Resource, part: Section, spelling: Spelling): Peer[] {
  const cidrs = spelling.cidrs.flatMap((path) => texts(part, path)).map((cidr): Peer => ({ kind: "cidr", cidr }));
  const groups = spelling.groups
    .filter((path) => isGiven(part, path))
    .flatMap((path) => groupsAt(graph, source, `${part === source ? "" : (part.at ?? "")}${path}`))
    .map((group): Peer => ({ kind: "group", group }));
  // A list that AWS keeps, or that another resource is: only whether there is one matters.
  const lists = spelling.prefixLists.filter((path) => isGiven(part, path)).map((): Peer => ({ kind: "prefix list" }));
  const self: Peer[] = flag(part, "self") ? [{ kind: "group", group: own }] : [];
  return [...cidrs, ...groups, ...lists, ...self];
}

/** The groups at a path of a resource. @throws NotKnown when the value is not known, and what it depends on does not say which it is */
function groupsAt(graph: Graph, source: Resource, path: string): Resource[] {
  const groups = graph.targets(source, path, AWS.securityGroup, AWS.defaultSecurityGroup);
  // The engine tells dependencies by input; in a list of rules they may belong to any of them.
  const single = !path.includes("[") && !path.includes(".");
  if (!single && groups.length > 1 && hasUnknown(valueOrUnknown(source, path))) throw new NotKnown(path);
  return groups;
}

function hasUnknown(value: unknown): boolean {
  return value === UNKNOWN || (Array.isArray(value) && value.some(hasUnknown));
}
