import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { AwsArgs } from "../context";
import { serviceRole, type Statement } from "../iam";
import type { Bucket } from "./bucket";

/** Minutes within which S3 copies 99.99 % of files (S3 user guide, "Replication Time Control"); it has no other number. */
export const REPLICATION_MINUTES = 15;

/** Name of the one rule, as metrics know it. */
export const REPLICATION_RULE = "files";

/** One of the two buckets. */
export interface ReplicatedBucket {
  readonly bucket: Bucket;
  readonly kmsKeyArn: pulumi.Input<string>;
  readonly region: string;
}

export interface BucketReplicationArgs extends AwsArgs {
  readonly from: ReplicatedBucket;
  readonly to: ReplicatedBucket;
  /** Keys of what is copied. @default all */
  readonly prefix?: string | undefined;
}

/**
 * Copies what is written to a bucket, and what is deleted, to one in another region. Of what is in the bucket already nothing is copied:
 * that takes a job of S3 Batch Replication, once. Two of these make a pair, each of which is the copy of the other; S3 copies no copy back.
 *
 * Cost: data between regions, the copies' storage, and 0.015 dollars a gigabyte for the time it takes.
 */
export class BucketReplication extends pulumi.ComponentResource {
  private readonly role: aws.iam.Role;
  private readonly replication: aws.s3.BucketReplicationConfig;

  /** The provider has to be that of {@link BucketReplicationArgs.from}. */
  constructor(name: string, args: BucketReplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:BucketReplication", name, {}, opts);
    const { context, from, to } = args;
    const { role, policy } = serviceRole(
      `${name}-role`,
      {
        context,
        service: "s3.amazonaws.com",
        description: `S3 copies files to ${to.region}`,
        // S3 does not say which account it works for.
        onlyOwnAccount: false,
        statements: replicationStatements(args),
      },
      this,
    );
    this.role = role;
    const within = { status: "Enabled", time: { minutes: REPLICATION_MINUTES } };
    this.replication = new aws.s3.BucketReplicationConfig(
      `${name}-config`,
      {
        // Through the bucket's policy, and so after its versions are kept.
        bucket: from.bucket.name,
        role: role.arn,
        rules: [
          {
            id: REPLICATION_RULE,
            priority: 1,
            status: "Enabled",
            filter: { prefix: args.prefix ?? "" },
            deleteMarkerReplication: { status: "Enabled" },
            sourceSelectionCriteria: { sseKmsEncryptedObjects: { status: "Enabled" } },
            destination: {
              bucket: to.bucket.arn,
              encryptionConfiguration: { replicaKmsKeyId: to.kmsKeyArn },
              replicationTime: within,
              metrics: { status: "Enabled", eventThreshold: within.time },
            },
          },
        ],
      },
      { parent: this, dependsOn: [from.bucket, to.bucket, ...(policy === undefined ? [] : [policy])] },
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly role: aws.iam.Role; readonly replication: aws.s3.BucketReplicationConfig } {
    return { role: this.role, replication: this.replication };
  }
}

/** What S3 does as the role, and no more: read versions on one side, write copies on the other, each with its key through S3. */
function replicationStatements({ from, to }: BucketReplicationArgs): readonly Statement[] {
  const files = ({ bucket }: ReplicatedBucket): pulumi.Output<string> => pulumi.interpolate`${bucket.arn}/*`;
  const through = (region: string): Statement["Condition"] => ({ StringEquals: { "kms:ViaService": `s3.${region}.amazonaws.com` } });
  const allow = (
    Sid: string,
    Action: Statement["Action"],
    Resource: Statement["Resource"],
    Condition?: Statement["Condition"],
  ): Statement => ({
    Sid,
    Effect: "Allow",
    Action,
    ...(Resource === undefined ? {} : { Resource }),
    ...(Condition === undefined ? {} : { Condition }),
  });
  return [
    allow("LookAtSource", ["s3:GetReplicationConfiguration", "s3:ListBucket"], from.bucket.arn),
    allow("ReadVersions", ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"], files(from)),
    allow("WriteCopies", ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"], files(to)),
    allow("DecryptSource", "kms:Decrypt", from.kmsKeyArn, through(from.region)),
    allow("EncryptCopies", ["kms:Encrypt", "kms:GenerateDataKey"], to.kmsKeyArn, through(to.region)),
  ];
}
