import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, tagsOf } from "../context";
import type { Bucket } from "./bucket";

/** A file of the app's pages under a name that holds the hash of its content. */
export interface PageFile {
  /** Path without the hash, e.g. `modules/cache.js`. */
  readonly source: string;
  /** Path with it. */
  readonly key: string;
  readonly content: Buffer;
  readonly contentType: string;
  /** How long browsers and the CDN may keep it. */
  readonly cacheControl: string;
}

export interface PageFilesArgs extends AwsArgs {
  readonly bucket: Bucket;
  readonly kmsKeyArn: pulumi.Input<string>;
  readonly files: readonly PageFile[];
}

/**
 * Files of the app's pages in a bucket. Another content has another key, so nothing is ever written over, and what went before stays: pages that
 * browsers got from the version before still find their files, while versions are exchanged and as long as somebody has them open.
 */
export class PageFiles extends pulumi.ComponentResource {
  /** What has to be there before a version of the app that refers to it. */
  readonly objects: readonly aws.s3.BucketObjectv2[];

  constructor(name: string, args: PageFilesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:PageFiles", name, {}, opts);
    const { context, bucket, kmsKeyArn, files } = args;
    this.objects = files.map(({ source, key, content, contentType, cacheControl }) => {
      const objectName = `${name}-${source.replaceAll("/", "-")}`;
      const object = { key, contentType, cacheControl, contentBase64: content.toString("base64") };
      return new aws.s3.BucketObjectv2(
        objectName,
        { bucket: bucket.name, ...object, kmsKeyId: kmsKeyArn, tags: tagsOf(context, objectName) },
        { parent: this, retainOnDelete: true },
      );
    });
    this.registerOutputs({});
  }
}
