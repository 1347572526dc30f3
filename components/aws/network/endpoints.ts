import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, partitionOf, tagsOf } from "../context";
import { policyDocument } from "../iam";

/** Services of AWS that tasks use all the time, by the last part of their endpoint's name. */
export const INTERFACE_ENDPOINTS = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"] as const;

export interface NetworkEndpointsArgs extends AwsArgs {
  readonly vpcId: pulumi.Input<string>;
  /** Route tables that get a way to S3: those of private subnets. */
  readonly routeTableIds: readonly pulumi.Input<string>[];
  /** Interface endpoints; each is paid by the hour and zone. @default none: their traffic goes through NAT */
  readonly interfaces?:
    | {
        readonly services: readonly string[];
        /** One subnet a zone. */
        readonly subnetIds: readonly pulumi.Input<string>[];
        readonly securityGroupId: pulumi.Input<string>;
      }
    | undefined;
}

/**
 * Ways to AWS' own services that do not lead through the internet: S3 by route, which is free and takes the layers of every image off the
 * NAT gateways, and others by interfaces with private addresses. What is asked through them has to be asked by this account.
 */
export class NetworkEndpoints extends pulumi.ComponentResource {
  private readonly s3: aws.ec2.VpcEndpoint;
  private readonly interfaces: readonly aws.ec2.VpcEndpoint[];

  constructor(name: string, args: NetworkEndpointsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:NetworkEndpoints", name, {}, opts);
    this.s3 = this.createS3(`${name}-s3`, args);
    this.interfaces = (args.interfaces?.services ?? []).map((service) => this.createInterface(name, service, args));
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly s3: aws.ec2.VpcEndpoint; readonly interfaces: readonly aws.ec2.VpcEndpoint[] } {
    return { s3: this.s3, interfaces: this.interfaces };
  }

  private createS3(name: string, { context, vpcId, routeTableIds }: NetworkEndpointsArgs): aws.ec2.VpcEndpoint {
    const { region, accountId } = context;
    return new aws.ec2.VpcEndpoint(
      name,
      {
        vpcId,
        vpcEndpointType: "Gateway",
        serviceName: `com.amazonaws.${region}.s3`,
        routeTableIds: [...routeTableIds],
        policy: policyDocument([
          {
            Sid: "OwnAccount",
            Effect: "Allow",
            Principal: "*",
            Action: [
              "s3:GetObject",
              "s3:PutObject",
              "s3:DeleteObject",
              "s3:ListBucket",
              "s3:AbortMultipartUpload",
              "s3:ListMultipartUploadParts",
            ],
            Resource: "*",
            Condition: { StringEquals: { "aws:PrincipalAccount": accountId } },
          },
          {
            // ECR keeps the layers of all images of a region in this bucket of its own, and hands out addresses signed by itself.
            Sid: "LayersOfImages",
            Effect: "Allow",
            Principal: "*",
            Action: "s3:GetObject",
            Resource: `arn:${partitionOf(region)}:s3:::prod-${region}-starport-layer-bucket/*`,
          },
        ]),
        tags: tagsOf(context, name),
      },
      { parent: this },
    );
  }

  private createInterface(name: string, service: string, args: NetworkEndpointsArgs): aws.ec2.VpcEndpoint {
    const { context, vpcId, interfaces } = args;
    const endpoint = `${name}-${service.replaceAll(".", "-")}`;
    return new aws.ec2.VpcEndpoint(
      endpoint,
      {
        vpcId,
        vpcEndpointType: "Interface",
        serviceName: `com.amazonaws.${context.region}.${service}`,
        // The service's usual name then leads to the endpoint: no client has to be told.
        privateDnsEnabled: true,
        subnetIds: [...(interfaces?.subnetIds ?? [])],
        securityGroupIds: interfaces === undefined ? [] : [interfaces.securityGroupId],
        tags: tagsOf(context, endpoint),
      },
      { parent: this },
    );
  }
}
