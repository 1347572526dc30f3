import * as pulumi from "@pulumi/pulumi";
import { Bucket, logWriters, readByCdn, type StorageArgs, UPLOADS } from ".";

/**
 * Files in a second region: a copy of what users upload, which S3 keeps up to date ({@link BucketReplication}), and the logs of that region's own load
 * balancer. Static files have no copy here: what is not to be had from the first region's bucket the app answers.
 */
export class StandbyStorage extends pulumi.ComponentResource {
  readonly uploads: Bucket;
  /** Logs of load balancer and uploads. */
  readonly logs: Bucket;

  constructor(name: string, args: StorageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:StandbyStorage", name, {}, opts);
    const { context, kmsKeyArn, forceDestroy, protect } = args;
    const common = { context, forceDestroy, transform: args.transform?.bucket };
    this.logs = new Bucket(
      `${name}-logs`,
      { ...common, expireDays: args.logDays, deletedDays: 1, policy: (arn) => logWriters(arn, args) },
      { parent: this },
    );
    this.uploads = new Bucket(
      `${name}-uploads`,
      {
        ...{ ...common, ...UPLOADS, kmsKeyArn, protect, logBucket: this.logs.name },
        policy: (arn) => [readByCdn(arn, args)],
      },
      { parent: this },
    );
    this.registerOutputs({ uploads: this.uploads.name, logs: this.logs.name });
  }
}
