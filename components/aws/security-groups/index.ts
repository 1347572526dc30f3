import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { APP_PORT } from "../../contract";
import { type AwsArgs, tagsOf } from "../context";

/** Ports of what is reached inside the network. */
export const PORTS = { http: 80, https: 443, postgres: 5432, redis: 6379, kafka: 9098 } as const;

/** Every kind of member, and what it is: the description of its group. A change of one REPLACES the group. */
const MEMBERS = {
  "load-balancer": "Load balancer: reached from outside, reaches the app",
  app: "Tasks of the app: web, jobs, consumer, migrations",
  proxy: "RDS Proxy: pools the connections of the app",
  database: "Postgres: primary and replicas",
  cache: "Redis: cache and limits",
  broker: "Kafka brokers",
  endpoints: "Interface endpoints of AWS services",
} as const;

export type Member = keyof typeof MEMBERS;

/** One way through the network: who may open connections to whom. */
interface Way {
  readonly from: Member;
  readonly to: Member;
  readonly port: number;
  readonly why: string;
}

const WAYS: readonly Way[] = [
  { from: "load-balancer", to: "app", port: APP_PORT, why: "requests and health checks" },
  { from: "app", to: "app", port: APP_PORT, why: "roles of the app find each other by Service Connect" },
  { from: "app", to: "proxy", port: PORTS.postgres, why: "pooled connections to the primary" },
  { from: "app", to: "database", port: PORTS.postgres, why: "reads from replicas, and migrations" },
  { from: "proxy", to: "database", port: PORTS.postgres, why: "the pool" },
  { from: "app", to: "cache", port: PORTS.redis, why: "cache, sessions, limits, queues" },
  { from: "app", to: "broker", port: PORTS.kafka, why: "events, authenticated by IAM over TLS" },
  { from: "app", to: "endpoints", port: PORTS.https, why: "images, secrets, logs" },
];

/** Who may reach the load balancer. */
export type PublicAccess =
  /** Everybody, over HTTPS and over HTTP to be sent there. */
  | { readonly kind: "everybody" }
  /** Addresses of CloudFront only: AWS' prefix list `com.amazonaws.global.cloudfront.origin-facing` of the region. */
  | { readonly kind: "prefix-list"; readonly prefixListId: string; readonly port: number };

export interface SecurityGroupsArgs extends AwsArgs {
  readonly vpcId: pulumi.Input<string>;
  readonly access: PublicAccess;
  /** Members the stack has; a group without a member is not made. */
  readonly members: readonly Member[];
}

/**
 * Who may reach whom, in one place. Members name each other by group, never by address: a way exists where {@link WAYS} has one, and nothing
 * else does. The only addresses are those of clients at the load balancer, and the internet for HTTPS from tasks.
 */
export class SecurityGroups extends pulumi.ComponentResource {
  private readonly groups: ReadonlyMap<Member, aws.ec2.SecurityGroup>;

  constructor(name: string, args: SecurityGroupsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:SecurityGroups", name, {}, opts);
    this.groups = new Map(args.members.map((member) => [member, this.createGroup(`${name}-${member}`, member, args)]));
    for (const way of WAYS) this.createWay(name, way, args);
    this.createAccess(name, args);
    if (args.members.includes("app")) this.createWayOut(`${name}-app-out`, args);
    this.registerOutputs({ ids: Object.fromEntries([...this.groups].map(([member, group]) => [member, group.id])) });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly groups: ReadonlyMap<Member, aws.ec2.SecurityGroup> } {
    return { groups: this.groups };
  }

  /** Id of a member's group. @throws Error for a member the stack does not have. */
  id(member: Member): pulumi.Output<string> {
    const group = this.groups.get(member);
    if (group === undefined)
      throw new Error(`there is no security group for ${member}; the members are ${[...this.groups.keys()].join(", ")}`);
    return group.id;
  }

  private createGroup(name: string, member: Member, { context, vpcId }: SecurityGroupsArgs): aws.ec2.SecurityGroup {
    return new aws.ec2.SecurityGroup(
      name,
      // Rules are resources of their own: groups that name each other could not be made otherwise.
      { vpcId, description: MEMBERS[member], revokeRulesOnDelete: true, tags: tagsOf(context, name) },
      { parent: this },
    );
  }

  /** Both ends of a way: who starts connections may, and who takes them does. */
  private createWay(name: string, { from, to, port, why }: Way, { context }: SecurityGroupsArgs): void {
    if (!this.groups.has(from) || !this.groups.has(to)) return;
    const rule = { ipProtocol: "tcp", fromPort: port, toPort: port };
    const [source, target] = [this.id(from), this.id(to)];
    const out = `${name}-${from}-to-${to}`;
    new aws.vpc.SecurityGroupEgressRule(
      out,
      { ...rule, securityGroupId: source, referencedSecurityGroupId: target, description: `To ${to}: ${why}`, tags: tagsOf(context, out) },
      { parent: this },
    );
    const into = `${name}-${to}-from-${from}`;
    new aws.vpc.SecurityGroupIngressRule(
      into,
      {
        ...rule,
        securityGroupId: target,
        referencedSecurityGroupId: source,
        description: `From ${from}: ${why}`,
        tags: tagsOf(context, into),
      },
      { parent: this },
    );
  }

  private createAccess(name: string, { access, context }: SecurityGroupsArgs): void {
    const securityGroupId = this.id("load-balancer");
    const rules =
      access.kind === "everybody"
        ? [
            { suffix: "https", port: PORTS.https, source: { cidrIpv4: "0.0.0.0/0" }, description: "Clients" },
            { suffix: "http", port: PORTS.http, source: { cidrIpv4: "0.0.0.0/0" }, description: "Clients, who are sent to HTTPS" },
          ]
        : // One port only: the list counts as 55 rules, and a group has 60 by default.
          [{ suffix: "cdn", port: access.port, source: { prefixListId: access.prefixListId }, description: "CloudFront" }];
    for (const { suffix, port, source, description } of rules) {
      const ruleName = `${name}-load-balancer-from-${suffix}`;
      const rule = { securityGroupId, ipProtocol: "tcp", fromPort: port, toPort: port, ...source, description };
      new aws.vpc.SecurityGroupIngressRule(ruleName, { ...rule, tags: tagsOf(context, ruleName) }, { parent: this });
    }
  }

  /** AWS' services without an interface endpoint (S3 by route, KMS, metrics), and what the app's users connect, all by HTTPS. */
  private createWayOut(name: string, { context }: SecurityGroupsArgs): void {
    const https = { ipProtocol: "tcp", fromPort: PORTS.https, toPort: PORTS.https, cidrIpv4: "0.0.0.0/0" };
    new aws.vpc.SecurityGroupEgressRule(
      name,
      { ...https, securityGroupId: this.id("app"), description: "HTTPS to AWS and other services", tags: tagsOf(context, name) },
      { parent: this },
    );
  }
}
