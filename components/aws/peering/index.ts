import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, type AwsContext, tagsOf } from "../context";
import type { Network } from "../network";
import { overlap } from "../network/cidr";
import { PORTS } from "../security-groups";

/** One of the two networks. */
export interface PeeredNetwork {
  readonly context: AwsContext;
  readonly provider: aws.Provider;
  readonly network: Network;
  /** Groups of who connects from here, and of what is connected to from the other side. */
  readonly appGroupId: pulumi.Input<string>;
  readonly targetGroupIds: Readonly<Record<string, pulumi.Input<string>>>;
}

export interface PeeringArgs extends AwsArgs {
  /** Asks for the connection; the component's own region. */
  readonly from: PeeredNetwork;
  /** Accepts it, in another region of the same account. */
  readonly to: PeeredNetwork;
}

/**
 * A way between the networks of two regions, for Postgres alone: tasks of each reach the pool or the primary of the other, over AWS' own lines
 * and encrypted by them. Security groups cannot name groups of another region, so rules name ranges: the subnets of tasks on one side, those
 * of data on the other. Routes lead to the other network from subnets of tasks and of data; public subnets have none.
 *
 * Cost: by the gigabyte that leaves a region.
 */
export class Peering extends pulumi.ComponentResource {
  private readonly connection: aws.ec2.VpcPeeringConnection;
  private readonly accepter: aws.ec2.VpcPeeringConnectionAccepter;

  /** @throws Error for networks that have addresses in common. */
  constructor(name: string, args: PeeringArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Peering", name, {}, opts);
    const { from, to } = args;
    if (overlap(from.network.cidr, to.network.cidr)) {
      throw new Error(`${name}: the networks are ${from.network.cidr} and ${to.network.cidr}; allowed: ranges without a common address`);
    }
    this.connection = new aws.ec2.VpcPeeringConnection(
      `${name}-connection`,
      {
        vpcId: from.network.vpcId,
        peerVpcId: to.network.vpcId,
        peerRegion: to.context.region,
        peerOwnerId: to.context.accountId,
        tags: tagsOf(from.context, `${name}-connection`),
      },
      { parent: this, provider: from.provider },
    );
    this.accepter = new aws.ec2.VpcPeeringConnectionAccepter(
      `${name}-accepter`,
      { vpcPeeringConnectionId: this.connection.id, autoAccept: true, tags: tagsOf(to.context, `${name}-accepter`) },
      { parent: this, provider: to.provider },
    );
    this.join(`${name}-out`, from, to);
    this.join(`${name}-back`, to, from);
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly connection: aws.ec2.VpcPeeringConnection; readonly accepter: aws.ec2.VpcPeeringConnectionAccepter } {
    return { connection: this.connection, accepter: this.accepter };
  }

  /** Routes of one side to the other, and who may connect there. */
  private join(name: string, here: PeeredNetwork, there: PeeredNetwork): void {
    const { routeTableIds } = here.network;
    // Of what asks, and of what answers.
    const tables = {
      ...Object.fromEntries(routeTableIds.private.map((id, zone) => [`private-${zone + 1}`, id])),
      data: routeTableIds.data,
    };
    for (const [table, routeTableId] of Object.entries(tables)) {
      new aws.ec2.Route(
        `${name}-${table}`,
        // Through the accepter: a connection that is not accepted takes no routes.
        { routeTableId, destinationCidrBlock: there.network.cidr, vpcPeeringConnectionId: this.accepter.id },
        { parent: this, provider: here.provider },
      );
    }
    const rule = { ipProtocol: "tcp", fromPort: PORTS.postgres, toPort: PORTS.postgres };
    there.network.ranges.data.forEach((cidrIpv4, zone) => {
      const egress = `${name}-app-to-data-${zone + 1}`;
      new aws.vpc.SecurityGroupEgressRule(
        egress,
        {
          ...rule,
          cidrIpv4,
          securityGroupId: here.appGroupId,
          description: `To Postgres in ${there.context.region}`,
          tags: tagsOf(here.context, egress),
        },
        { parent: this, provider: here.provider },
      );
    });
    for (const [target, securityGroupId] of Object.entries(there.targetGroupIds)) {
      here.network.ranges.private.forEach((cidrIpv4, zone) => {
        const ingress = `${name}-${target}-from-app-${zone + 1}`;
        new aws.vpc.SecurityGroupIngressRule(
          ingress,
          {
            ...rule,
            cidrIpv4,
            securityGroupId,
            description: `From tasks in ${here.context.region}`,
            tags: tagsOf(there.context, ingress),
          },
          { parent: this, provider: there.provider },
        );
      });
    }
  }
}
