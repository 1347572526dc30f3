import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, tagsOf } from "../context";
import { policyDocument, type Statement } from "../iam";

const defaults = {
  /** Days until the parts of an upload that broke off are deleted. */
  unfinishedDays: 7,
  /** Days a deleted file can be brought back of what is deleted by its prefix. */
  deletedDaysOfPrefix: 1,
} as const;

export interface BucketArgs extends AwsArgs {
  /** Key of the files. @default S3's own (AES-256): the load balancer and other services of AWS can write logs with no other */
  readonly kmsKeyArn?: pulumi.Input<string> | undefined;
  /** Bucket that is told who asked for what. @default nobody is */
  readonly logBucket?: pulumi.Input<string> | undefined;
  /** Days until files are deleted. @default never */
  readonly expireDays?: number | undefined;
  /** Keys whose files are deleted after so many days, whatever else holds for the bucket. @default none */
  readonly expirePrefix?: { readonly prefix: string; readonly days: number } | undefined;
  /** Days a deleted or overwritten file can be brought back. */
  readonly deletedDays: number;
  /** Days until files move to cheaper storage when nobody asks for them (Intelligent-Tiering). @default never */
  readonly tieringDays?: number | undefined;
  /** Delete the bucket even with files in it: THEY ARE LOST. */
  readonly forceDestroy: boolean;
  /** Refuse to delete it: Pulumi's `protect`. @default false */
  readonly protect?: boolean;
  /** Who may do what beside the account itself. @default nobody */
  readonly policy?: (bucketArn: pulumi.Output<string>) => readonly Statement[];
  /** Changes to the bucket before it is created. */
  readonly transform?: Transform<aws.s3.BucketArgs> | undefined;
}

/** A bucket of S3 as all of them should be: nothing public, encrypted, versioned, reached over TLS only, cleaned up. */
export class Bucket extends pulumi.ComponentResource {
  readonly name: pulumi.Output<string>;
  readonly arn: pulumi.Output<string>;
  /** Host name CloudFront reads from. */
  readonly domainName: pulumi.Output<string>;
  private readonly bucket: aws.s3.Bucket;
  private readonly policy: aws.s3.BucketPolicy;

  constructor(
    private readonly logicalName: string,
    args: BucketArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("phased-stack:aws:Bucket", logicalName, {}, opts);
    const name = logicalName;
    const { forceDestroy, protect = false } = args;
    this.bucket = new aws.s3.Bucket(
      ...transformed(
        args.transform,
        `${name}-bucket`,
        { forceDestroy, tags: tagsOf(args.context, `${name}-bucket`) },
        { parent: this, protect },
      ),
    );
    this.close(name);
    this.encrypt(name, args);
    this.keepVersions(name, args);
    if (args.logBucket !== undefined) this.log(name, args.logBucket);
    this.policy = this.createPolicy(name, args);
    // Through the policy: whoever is told of the bucket may use it by then.
    this.name = pulumi.all([this.bucket.bucket, this.policy.id]).apply(([bucket]) => bucket);
    this.arn = pulumi.all([this.bucket.arn, this.policy.id]).apply(([arn]) => arn);
    this.domainName = this.bucket.bucketRegionalDomainName;
    this.registerOutputs({ name: this.name, arn: this.arn, domainName: this.domainName });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly bucket: aws.s3.Bucket; readonly policy: aws.s3.BucketPolicy } {
    return { bucket: this.bucket, policy: this.policy };
  }

  /**
   * Lets pages of these origins send signed forms to the bucket: a form says what may be sent, and a browser sends it from where it may.
   * By itself, because what leads to the pages may be made of the bucket.
   */
  allowForms(origins: readonly pulumi.Input<string>[]): void {
    new aws.s3.BucketCorsConfiguration(
      `${this.logicalName}-cors`,
      { bucket: this.bucket.bucket, corsRules: [{ allowedMethods: ["POST"], allowedOrigins: [...origins] }] },
      { parent: this },
    );
  }

  private close(name: string): void {
    const all = { blockPublicAcls: true, blockPublicPolicy: true, ignorePublicAcls: true, restrictPublicBuckets: true };
    new aws.s3.BucketPublicAccessBlock(`${name}-closed`, { bucket: this.bucket.bucket, ...all }, { parent: this });
    new aws.s3.BucketOwnershipControls(
      `${name}-ownership`,
      { bucket: this.bucket.bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
      { parent: this },
    );
  }

  private encrypt(name: string, { kmsKeyArn }: BucketArgs): void {
    const byDefault = kmsKeyArn === undefined ? { sseAlgorithm: "AES256" } : { sseAlgorithm: "aws:kms", kmsMasterKeyId: kmsKeyArn };
    // With a key of the bucket, KMS is asked (and paid) once in a while instead of for each file.
    const rules = [{ applyServerSideEncryptionByDefault: byDefault, bucketKeyEnabled: true }];
    new aws.s3.BucketServerSideEncryptionConfiguration(`${name}-encryption`, { bucket: this.bucket.bucket, rules }, { parent: this });
  }

  private keepVersions(name: string, { expireDays, expirePrefix, deletedDays, tieringDays }: BucketArgs): void {
    const versioning = new aws.s3.BucketVersioning(
      `${name}-versioning`,
      { bucket: this.bucket.bucket, versioningConfiguration: { status: "Enabled" } },
      { parent: this },
    );
    new aws.s3.BucketLifecycleConfiguration(
      `${name}-lifecycle`,
      {
        bucket: this.bucket.bucket,
        rules: [
          {
            id: "clean-up",
            status: "Enabled",
            filter: { prefix: "" },
            abortIncompleteMultipartUpload: { daysAfterInitiation: defaults.unfinishedDays },
            noncurrentVersionExpiration: { noncurrentDays: deletedDays },
            // A deletion leaves a marker, which nothing else would ever remove; with a number of days S3 removes it by itself, and takes no more.
            expiration: expireDays === undefined ? { expiredObjectDeleteMarker: true } : { days: expireDays },
            ...(tieringDays === undefined ? {} : { transitions: [{ days: tieringDays, storageClass: "INTELLIGENT_TIERING" }] }),
          },
          ...(expirePrefix === undefined
            ? []
            : [
                {
                  id: "expire",
                  status: "Enabled",
                  filter: { prefix: expirePrefix.prefix },
                  expiration: { days: expirePrefix.days },
                  noncurrentVersionExpiration: { noncurrentDays: defaults.deletedDaysOfPrefix },
                },
              ]),
        ],
      },
      { parent: this, dependsOn: [versioning] },
    );
  }

  private log(name: string, logBucket: pulumi.Input<string>): void {
    const target = { targetBucket: logBucket, targetPrefix: `s3/${name}/` };
    new aws.s3.BucketLogging(`${name}-logging`, { bucket: this.bucket.bucket, ...target }, { parent: this });
  }

  private createPolicy(name: string, { policy }: BucketArgs): aws.s3.BucketPolicy {
    const { arn } = this.bucket;
    const tlsOnly: Statement = {
      Sid: "TlsOnly",
      Effect: "Deny",
      Principal: "*",
      Action: "s3:*",
      Resource: [arn, pulumi.interpolate`${arn}/*`],
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    };
    const statements = [tlsOnly, ...(policy?.(arn) ?? [])];
    return new aws.s3.BucketPolicy(`${name}-policy`, { bucket: this.bucket.bucket, policy: policyDocument(statements) }, { parent: this });
  }
}
