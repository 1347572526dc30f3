import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Transform } from "../../transform";
import { type AwsArgs, partitionOf } from "../context";
import type { Statement } from "../iam";
import { Bucket } from "./bucket";

export { Bucket, type BucketArgs } from "./bucket";

/** Of uploads, in whatever region. */
export const UPLOADS = {
  /** Days a deleted or overwritten file can be brought back. */
  deletedDays: 30,
  /** Days until files nobody asked for move to cheaper storage by themselves. */
  tieringDays: 30,
  /** What clients sent and nobody made a document of (S3_INCOMING_PREFIX of the app) is deleted after a day, the shortest time S3 has. */
  expirePrefix: { prefix: "incoming/", days: 1 },
} as const;

/** Keys of documents (S3_PREFIX of the app). */
export const DOCUMENTS_PREFIX = "uploads/";

export interface StorageArgs extends AwsArgs {
  readonly kmsKeyArn: pulumi.Input<string>;
  /** Days access logs are kept. */
  readonly logDays: number;
  /** Delete buckets even with files in them: FILES OF USERS ARE LOST. */
  readonly forceDestroy: boolean;
  /** Refuse to delete the bucket of uploads: Pulumi's `protect`. */
  readonly protect: boolean;
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly bucket?: Transform<aws.s3.BucketArgs> };
}

/**
 * Files: what users upload (feature A21), static files of the app, and the logs of who asked for what. Nothing is public; CloudFront reads the
 * first two in its own name, and the app hands out addresses that are signed for one file.
 */
export class Storage extends pulumi.ComponentResource {
  readonly uploads: Bucket;
  readonly assets: Bucket;
  /** Logs of load balancer, CDN and the other two buckets. */
  readonly logs: Bucket;

  constructor(name: string, args: StorageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Storage", name, {}, opts);
    const { context, kmsKeyArn, forceDestroy, protect } = args;
    const transform = args.transform?.bucket;
    this.logs = new Bucket(
      `${name}-logs`,
      {
        context,
        forceDestroy,
        transform,
        expireDays: args.logDays,
        deletedDays: 1,
        policy: (arn) => logWriters(arn, args),
      },
      { parent: this },
    );
    const logged = { logBucket: this.logs.name, kmsKeyArn };
    this.assets = new Bucket(
      `${name}-assets`,
      { context, forceDestroy, transform, ...logged, deletedDays: UPLOADS.deletedDays, policy: (arn) => [readByCdn(arn, args)] },
      { parent: this },
    );
    this.uploads = new Bucket(
      `${name}-uploads`,
      {
        context,
        forceDestroy,
        protect,
        transform,
        ...logged,
        ...UPLOADS,
        policy: (arn) => [readByCdn(arn, args)],
      },
      { parent: this },
    );
    this.registerOutputs({ uploads: this.uploads.name, assets: this.assets.name, logs: this.logs.name });
  }
}

/**
 * CloudFront reads in the name of a distribution of this account. Which one cannot be said here: it is made of the buckets. A distribution
 * of another account, which anybody can point at a bucket whose name he knows, is refused.
 */
export function readByCdn(bucketArn: pulumi.Input<string>, { context: { region, accountId } }: AwsArgs): Statement {
  return {
    Sid: "ReadByCloudFront",
    Effect: "Allow",
    Principal: { Service: "cloudfront.amazonaws.com" },
    Action: "s3:GetObject",
    Resource: pulumi.interpolate`${bucketArn}/*`,
    Condition: { ArnLike: { "aws:SourceArn": `arn:${partitionOf(region)}:cloudfront::${accountId}:distribution/*` } },
  };
}

/** Services of AWS that write logs, each below its own prefix. */
export function logWriters(bucketArn: pulumi.Input<string>, { context }: AwsArgs): readonly Statement[] {
  const write = (Sid: string, service: string, prefix: string, condition?: Statement["Condition"]): Statement => ({
    Sid,
    Effect: "Allow",
    Principal: { Service: service },
    Action: "s3:PutObject",
    Resource: pulumi.interpolate`${bucketArn}/${prefix}/*`,
    Condition: { StringEquals: { "aws:SourceAccount": context.accountId }, ...condition },
  });
  return [
    write("LogsOfBuckets", "logging.s3.amazonaws.com", "s3"),
    // The load balancer's logs do not say which account they are of; their place in the bucket does.
    {
      Sid: "LogsOfLoadBalancer",
      Effect: "Allow",
      Principal: { Service: "logdelivery.elasticloadbalancing.amazonaws.com" },
      Action: "s3:PutObject",
      Resource: pulumi.interpolate`${bucketArn}/load-balancer/AWSLogs/${context.accountId}/*`,
    },
    write("LogsOfCloudFront", "delivery.logs.amazonaws.com", "cdn"),
  ];
}
