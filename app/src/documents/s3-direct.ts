import type { Readable } from "node:stream";
import { createPresignedPost, GetObjectCommand, HeadObjectCommand, type S3Client } from "../aws/aws-sdk";
import type { BucketConfig } from "./config";
import { asked, isMissing } from "./s3-errors";
import {
  type AnnouncedUpload,
  type ByteRange,
  ContentMissingError,
  type DirectUploads,
  isId,
  type SentUpload,
  StorageUnavailableError,
  type UploadForm,
  type UploadPlace,
} from "./storage";
import { watched } from "./watched";

/** Seconds within which a client has to begin to send: enough for a slow one that was just told, and no longer. */
export const FORM_SECONDS = 300;

/** Metadata that holds the document's name; S3 takes ASCII only, at most 2 KB with the word itself, and 200 characters are at most 1800. */
const NAME = "name";

/** An upload in the bucket that is no document yet. */
export interface SentObject extends SentUpload {
  readonly key: string;
}

/**
 * Uploads that clients send to S3 themselves: `<incoming prefix><company>/<user>/<id>`.
 *
 * The form is signed for one key, one size, one SHA-256 and one name, and S3 refuses whatever differs: it computes the checksum itself. So what
 * is under a key is the announced content, however often the form is sent, and nobody has to read it again to know its address. Nothing is kept
 * in the database before the upload is a document: what a form was for stands in the object, and whose it is in its key.
 */
export class S3DirectUploads implements DirectUploads {
  readonly origin: string;

  /** @param reader for content; `client` for the rest. @param silenceMs longest wait for a piece of content. */
  constructor(
    private readonly bucket: BucketConfig,
    private readonly client: S3Client,
    private readonly reader: S3Client,
    private readonly silenceMs: number,
  ) {
    this.origin = originOf(bucket);
  }

  async allow(place: UploadPlace, { name, mediaType, sizeBytes, sha256 }: AnnouncedUpload): Promise<UploadForm> {
    const expiresAt = new Date(Date.now() + FORM_SECONDS * 1000).toISOString();
    const { url, fields } = await asked(() =>
      createPresignedPost(this.client, {
        Bucket: this.bucket.name,
        Key: this.keyOf(place),
        Expires: FORM_SECONDS,
        Conditions: [["content-length-range", sizeBytes, sizeBytes]],
        Fields: {
          "Content-Type": mediaType,
          "x-amz-checksum-algorithm": "SHA256",
          "x-amz-checksum-sha256": Buffer.from(sha256, "hex").toString("base64"),
          [`x-amz-meta-${NAME}`]: encodeURIComponent(name),
        },
      }),
    );
    return { url, fields, expiresAt };
  }

  async find(place: UploadPlace): Promise<SentObject | undefined> {
    const key = this.keyOf(place);
    const command = new HeadObjectCommand({ Bucket: this.bucket.name, Key: key, ChecksumMode: "ENABLED" });
    const found = await asked(() => this.client.send(command), isMissing);
    if (found === undefined) return undefined;
    const { ContentLength: sizeBytes, ChecksumSHA256: checksum, Metadata: metadata = {} } = found;
    const name = metadata[NAME];
    if (sizeBytes === undefined || checksum === undefined || name === undefined) {
      throw new StorageUnavailableError(
        "The bucket of documents does not say size, SHA-256 and name of an upload; set S3_DIRECT_UPLOADS to off.",
      );
    }
    return { key, sizeBytes, sha256: Buffer.from(checksum, "base64").toString("hex"), name: decodeURIComponent(name) };
  }

  async read(sent: SentObject, range?: ByteRange): Promise<Readable> {
    const Range = range === undefined ? undefined : `bytes=${range.start}-${range.end}`;
    const command = new GetObjectCommand({ Bucket: this.bucket.name, Key: sent.key, ...(Range !== undefined && { Range }) });
    const found = await asked(() => this.reader.send(command), isMissing);
    if (found === undefined) throw new ContentMissingError("This upload was given up.");
    return watched(found.Body as Readable, this.silenceMs);
  }

  /** @throws Error for what cannot be part of a path. */
  private keyOf({ companyId, userId, id }: UploadPlace): string {
    if (![companyId, userId, id].every(isId)) throw new Error("This cannot be part of an upload's path.");
    return `${this.bucket.incomingPrefix}${companyId}/${userId}/${id}`;
  }
}

/** As the SDK makes it: AWS has a host name for each bucket, but for those with a dot, which its certificates do not cover. */
function originOf({ name, region, endpoint }: BucketConfig): string {
  if (endpoint !== undefined) return new URL(endpoint).origin;
  if (region === undefined) throw new Error("The bucket's region was not checked.");
  const domain = `s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
  return name.includes(".") ? `https://${domain}` : `https://${name}.${domain}`;
}
