import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, physicalName, tagsOf } from "../context";

export interface CdnLogsArgs extends AwsArgs {
  readonly distributionArn: pulumi.Input<string>;
  /** Bucket that is written to, below `cdn/`. */
  readonly bucketArn: pulumi.Input<string>;
}

/**
 * CloudFront's access logs in a bucket, by CloudWatch's delivery ("standard logging v2"): the older way needs access control lists, which the
 * buckets have switched off.
 */
export class CdnLogs extends pulumi.ComponentResource {
  private readonly delivery: aws.cloudwatch.LogDelivery;

  constructor(name: string, { context, distributionArn, bucketArn }: CdnLogsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:CdnLogs", name, {}, opts);
    const own = { parent: this };
    const tags = (suffix: string): Record<string, string> => tagsOf(context, `${name}-${suffix}`);
    const source = new aws.cloudwatch.LogDeliverySource(
      `${name}-source`,
      { name: physicalName(context, `${name}-source`), logType: "ACCESS_LOGS", resourceArn: distributionArn, tags: tags("source") },
      own,
    );
    const destination = new aws.cloudwatch.LogDeliveryDestination(
      `${name}-destination`,
      {
        name: physicalName(context, `${name}-destination`),
        outputFormat: "json",
        deliveryDestinationConfiguration: { destinationResourceArn: pulumi.interpolate`${bucketArn}/cdn` },
        tags: tags("destination"),
      },
      own,
    );
    this.delivery = new aws.cloudwatch.LogDelivery(
      `${name}-delivery`,
      {
        deliverySourceName: source.name,
        deliveryDestinationArn: destination.arn,
        s3DeliveryConfigurations: [{ suffixPath: "/{yyyy}/{MM}/{dd}/{HH}", enableHiveCompatiblePath: false }],
        tags: tags("delivery"),
      },
      own,
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly delivery: aws.cloudwatch.LogDelivery } {
    return { delivery: this.delivery };
  }
}
