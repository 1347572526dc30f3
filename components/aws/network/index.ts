import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, tagsOf } from "../context";
import { subnetLayout } from "./cidr";
import { FlowLogs, type FlowLogsArgs } from "./flow-logs";

export { MOST_ZONES, overlap, subnetLayout, type ZoneRanges } from "./cidr";

const defaults = {
  cidr: "10.0.0.0/16",
} as const;

export interface NetworkArgs extends AwsArgs {
  /** Availability zones, at least two, e.g. `eu-central-1a`. Append only: a zone that moves in the list moves subnets, AND WHAT IS IN THEM. */
  readonly zones: readonly string[];
  /** Range of addresses, a /16 to a /20. A change REPLACES THE NETWORK and everything in it. @default 10.0.0.0/16 */
  readonly cidr?: string | undefined;
  /** NAT gateways, one a zone at most. With fewer, zones share one: cheaper, and no way out for them while its zone is down. */
  readonly natGateways: number;
  /** Record accepted and rejected connections. @default not recorded */
  readonly flowLogs?: FlowLogsArgs["logs"] | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly vpc?: Transform<aws.ec2.VpcArgs>;
    readonly subnet?: Transform<aws.ec2.SubnetArgs>;
    readonly natGateway?: Transform<aws.ec2.NatGatewayArgs>;
  };
}

/** Kinds of subnets: reached from outside; with a way out only; with neither. */
export type Tier = "public" | "private" | "data";

/**
 * A VPC over several zones, with three subnets in each: `public` for load balancer and NAT, `private` for tasks, which reach the internet
 * through NAT, and `data` for databases, whose route tables lead nowhere. Nothing gets a public address by being started in it, and the
 * default security group, which anything without a group of its own would be in, lets nothing through.
 *
 * Cost: a NAT gateway is paid by the hour and by the gigabyte; see {@link NetworkEndpoints} for what spares it.
 */
export class Network extends pulumi.ComponentResource {
  readonly vpcId: pulumi.Output<string>;
  /** Range of the network's addresses. */
  readonly cidr: string;
  readonly zones: readonly string[];
  /** Ids of the subnets of each kind, in the order of the zones. */
  readonly subnetIds: Readonly<Record<Tier, readonly pulumi.Output<string>[]>>;
  /** Ranges of the subnets of each kind, in the order of the zones. */
  readonly ranges: Readonly<Record<Tier, readonly string[]>>;
  /** Ids of the route tables of private subnets, in the order of the zones, and of the one of data subnets. */
  readonly routeTableIds: { readonly private: readonly pulumi.Output<string>[]; readonly data: pulumi.Output<string> };
  private readonly vpc: aws.ec2.Vpc;
  private readonly natGateways: readonly aws.ec2.NatGateway[];
  private readonly privateRoutes: readonly aws.ec2.Route[];
  private readonly flowLogs: FlowLogs | undefined;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Network", name, {}, opts);
    this.cidr = args.cidr ?? defaults.cidr;
    this.zones = args.zones;
    if (new Set(args.zones).size !== args.zones.length || args.zones.length < 2) {
      throw new Error(`${name}: zones are ${args.zones.join(", ") || "none"}; allowed: at least two, each once`);
    }
    if (args.natGateways < 1 || args.natGateways > args.zones.length) {
      throw new Error(`${name}: natGateways is ${args.natGateways}; allowed: 1 to ${args.zones.length}, one a zone`);
    }
    const layout = subnetLayout(this.cidr, args.zones.length);
    const rangesOf = (tier: Tier): readonly string[] => layout.map((ranges) => ranges[tier]);
    this.ranges = { public: rangesOf("public"), private: rangesOf("private"), data: rangesOf("data") };
    this.vpc = this.createVpc(name, args);
    this.vpcId = this.vpc.id;
    this.closeDefaultSecurityGroup(name, args);
    const subnets = this.createSubnets(name, args);
    this.subnetIds = {
      public: subnets.public.map(({ id }) => id),
      private: subnets.private.map(({ id }) => id),
      data: subnets.data.map(({ id }) => id),
    };
    const gateway = new aws.ec2.InternetGateway(
      `${name}-internet`,
      this.tagged(args, `${name}-internet`, { vpcId: this.vpcId }),
      this.own(),
    );
    const publicTable = this.createRouteTable(`${name}-public`, args, subnets.public);
    new aws.ec2.Route(
      `${name}-public-out`,
      { routeTableId: publicTable.id, destinationCidrBlock: "0.0.0.0/0", gatewayId: gateway.id },
      this.own(),
    );
    this.natGateways = this.createNatGateways(name, args, subnets.public, gateway);
    const privateTables = subnets.private.map((subnet, zone) => this.createRouteTable(`${name}-private-${zone + 1}`, args, [subnet]));
    this.privateRoutes = privateTables.map((table, zone) => this.createWayOut(`${name}-private-${zone + 1}-out`, table, zone));
    const dataTable = this.createRouteTable(`${name}-data`, args, subnets.data);
    this.routeTableIds = { private: privateTables.map(({ id }) => id), data: dataTable.id };
    if (args.flowLogs !== undefined) {
      this.flowLogs = new FlowLogs(`${name}-flow`, { context: args.context, vpcId: this.vpcId, logs: args.flowLogs }, { parent: this });
    }
    this.registerOutputs({ vpcId: this.vpcId, subnetIds: this.subnetIds, routeTableIds: this.routeTableIds });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly vpc: aws.ec2.Vpc;
    readonly natGateways: readonly aws.ec2.NatGateway[];
    /** What started tasks need before they reach the internet. */
    readonly privateRoutes: readonly aws.ec2.Route[];
    readonly flowLogs: FlowLogs | undefined;
  } {
    return { vpc: this.vpc, natGateways: this.natGateways, privateRoutes: this.privateRoutes, flowLogs: this.flowLogs };
  }

  private own(): pulumi.CustomResourceOptions {
    return { parent: this };
  }

  private tagged<Args extends object>({ context }: AwsArgs, name: string, args: Args): Args & { tags: Record<string, string> } {
    return { ...args, tags: tagsOf(context, name) };
  }

  private createVpc(name: string, args: NetworkArgs): aws.ec2.Vpc {
    const vpc = { cidrBlock: this.cidr, enableDnsSupport: true, enableDnsHostnames: true };
    return new aws.ec2.Vpc(...transformed(args.transform?.vpc, `${name}-vpc`, this.tagged(args, `${name}-vpc`, vpc), this.own()));
  }

  /** AWS makes one that lets its members reach each other and the world; taken over without a rule, it has none. */
  private closeDefaultSecurityGroup(name: string, args: NetworkArgs): void {
    const closed = { vpcId: this.vpcId, ingress: [], egress: [] };
    new aws.ec2.DefaultSecurityGroup(`${name}-closed`, this.tagged(args, `${name}-closed`, closed), this.own());
  }

  private createSubnets(name: string, args: NetworkArgs): Readonly<Record<Tier, readonly aws.ec2.Subnet[]>> {
    const ofTier = (tier: Tier): readonly aws.ec2.Subnet[] =>
      this.ranges[tier].map((cidrBlock, index) => {
        const subnetName = `${name}-${tier}-${index + 1}`;
        const subnet = {
          vpcId: this.vpcId,
          cidrBlock,
          availabilityZone: args.zones[index] ?? "",
          mapPublicIpOnLaunch: false,
        };
        const tags = { ...tagsOf(args.context, subnetName), Tier: tier };
        return new aws.ec2.Subnet(...transformed(args.transform?.subnet, subnetName, { ...subnet, tags }, this.own()));
      });
    return { public: ofTier("public"), private: ofTier("private"), data: ofTier("data") };
  }

  private createRouteTable(name: string, args: NetworkArgs, subnets: readonly aws.ec2.Subnet[]): aws.ec2.RouteTable {
    const table = new aws.ec2.RouteTable(`${name}-routes`, this.tagged(args, `${name}-routes`, { vpcId: this.vpcId }), this.own());
    subnets.forEach((subnet, index) => {
      const association = subnets.length === 1 ? `${name}-association` : `${name}-association-${index + 1}`;
      new aws.ec2.RouteTableAssociation(association, { subnetId: subnet.id, routeTableId: table.id }, this.own());
    });
    return table;
  }

  private createNatGateways(
    name: string,
    args: NetworkArgs,
    subnets: readonly aws.ec2.Subnet[],
    gateway: aws.ec2.InternetGateway,
  ): readonly aws.ec2.NatGateway[] {
    return subnets.slice(0, args.natGateways).map((subnet, index) => {
      const natName = `${name}-nat-${index + 1}`;
      const address = new aws.ec2.Eip(`${natName}-address`, this.tagged(args, `${natName}-address`, { domain: "vpc" }), this.own());
      const nat = this.tagged(args, natName, { subnetId: subnet.id, allocationId: address.id });
      // Without the way out of the network it would not start.
      return new aws.ec2.NatGateway(...transformed(args.transform?.natGateway, natName, nat, { ...this.own(), dependsOn: [gateway] }));
    });
  }

  /** The zone's own NAT gateway, so that traffic neither pays for another zone nor depends on it; or one of another zone. */
  private createWayOut(name: string, table: aws.ec2.RouteTable, zone: number): aws.ec2.Route {
    const nat = this.natGateways[zone % this.natGateways.length];
    if (nat === undefined) throw new Error(`${name}: there is no NAT gateway`);
    return new aws.ec2.Route(name, { routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0", natGatewayId: nat.id }, this.own());
  }
}
