import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
  Upload,
} from "../aws/aws-sdk";
import type { BucketConfig } from "./config";
import { CdnDownloads } from "./cdn-downloads";
import { Places } from "./places";
import { S3DirectUploads, type SentObject } from "./s3-direct";
import { asked, isMissing } from "./s3-errors";
import { STALE_MS, type StagedFile, StagingDirectory } from "./staging";
import {
  type ByteRange,
  checkAddress,
  type ContentAddress,
  ContentMissingError,
  type DirectDownloads,
  type DirectUploads,
  type DocumentStorage,
} from "./storage";
import { watched } from "./watched";

const defaults = {
  /** Longest wait for a connection, ms. */
  connectTimeoutMs: 2000,
  /** Longest time without a byte in either direction, ms. */
  silenceMs: 10_000,
  /** Attempts of one request, the first included; the SDK's pauses between them are under a second. */
  attempts: 3,
  /** Bytes of one part of an upload: S3 takes no less, but for the last one. */
  partBytes: 5 * 1024 ** 2,
  /** Parts of one upload under way, and uploads of this process: together at most 40 MiB of memory. */
  parts: 2,
  uploads: 4,
} as const;

/** Keys `S3_PREFIX` is followed by where content lies that is just being deleted. */
const REMOVED = "removed/";

/** Of all objects: what a document is says its row. */
const CONTENT_TYPE = "application/octet-stream";

/** Staged in a file of this instance, or in the bucket, where a client sent it itself. */
type Staged = StagedFile | SentObject;

/** Keys one answer to a question for keys has at most, and is asked for. */
const PAGE = 1000;

/**
 * Documents in a bucket of S3, or of a server that speaks its protocol: `<prefix><company>/<first two digits>/<sha256>`.
 *
 * What of the contract follows from what S3 promises (strong consistency after every write; a PUT, a completed multipart upload and a copy are
 * there as a whole or not at all), and what needs more:
 *
 * - An upload is first staged in a file of a local directory, which may be lost with the instance: before {@link keep} nothing has been
 *   promised. So a client that sends slowly holds a file open and no memory, what is refused never reaches S3, content gets its name in one
 *   step, and the bucket has no half of anything: S3 has neither `link` nor `rename`, and a copy within the bucket costs as much as a write.
 * - An upload that a client sent to the bucket itself ({@link S3DirectUploads}) is staged there, and gets its name by a copy: S3's own, which
 *   costs no transfer. Everything below holds for it as well, with the staged object in the place of the file.
 * - {@link keep} writes only what is not there. Somebody who deletes the same content right after it was seen there is met by
 *   {@link confirm}, which looks again once the row is committed, and still has the file.
 * - {@link remove} deletes, and then asks the rows again, as the local storage does. Let D be the moment of deletion and R that of another
 *   row's commit. When R comes before the second question, it is found, and the content is put back. When it comes after it, it comes after
 *   D, and then so does the look of `confirm`, which finds the content missing and writes it. To be able to put it back, a copy is made under
 *   `removed/` before D, because the deleting process has no file of it; the copy is S3's own and costs no transfer.
 * - What a process leaves that dies in between is a copy under `removed/` (or, when it died after D while R came before the second
 *   question, that copy is all there is of the content for a day; a bucket with versions has it longer). {@link sweep} deletes copies of
 *   more than a day ago. Parts of uploads whose process died are for a lifecycle rule of the bucket (abort incomplete multipart uploads);
 *   one that fails is aborted here.
 *
 * Rights it needs: `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject` and `s3:AbortMultipartUpload` on `<prefix>*`, and `s3:ListBucket` for
 * that prefix, without which S3 says "forbidden" instead of "not there"; with direct uploads the same, but for the last right on objects, for
 * `<incoming prefix>*`.
 */
export class S3DocumentStorage implements DocumentStorage {
  readonly direct: DirectUploads | undefined;
  readonly downloads: DirectDownloads | undefined;
  private readonly client: S3Client;
  /** For reading: the SDK takes the pause of whoever reads for a silence of the server, so it only watches for the answer to begin. */
  private readonly reader: S3Client;
  private readonly incoming: StagingDirectory;
  private readonly places = new Places(defaults.uploads);

  /**
   * @param directory local, for uploads on their way.
   * @param silenceMs for tests. @default 10000
   */
  constructor(
    private readonly bucket: BucketConfig,
    directory: string,
    private readonly silenceMs: number = defaults.silenceMs,
  ) {
    this.incoming = new StagingDirectory(path.join(directory, "incoming"));
    this.client = createClient(bucket, { socketTimeout: silenceMs });
    this.reader = createClient(bucket, { requestTimeout: silenceMs, throwOnRequestTimeout: true });
    this.direct = bucket.directUploads ? new S3DirectUploads(bucket, this.client, this.reader, silenceMs) : undefined;
    this.downloads = bucket.cdn && new CdnDownloads(bucket.cdn, (address) => this.keyOf(address));
  }

  stage(content: Readable): Promise<StagedFile> {
    return this.incoming.stage(content);
  }

  async keep(companyId: string, staged: Staged): Promise<void> {
    const key = this.keyOf({ companyId, sha256: staged.sha256 });
    // The same content by its name: what is there is what would be put there.
    if (await this.has(key)) return;
    if ("file" in staged) await this.places.use(() => asked(() => this.upload(key, staged.file)));
    else if (!(await this.copy(staged.key, key))) throw new ContentMissingError("This upload was given up.");
  }

  async confirm(companyId: string, staged: Staged): Promise<void> {
    await this.keep(companyId, staged);
    await this.discard(staged);
  }

  discard(staged: Staged): Promise<void> {
    return "file" in staged ? this.incoming.discard(staged) : this.delete(staged.key);
  }

  async read(address: ContentAddress, range?: ByteRange): Promise<Readable> {
    const Range = range === undefined ? undefined : `bytes=${range.start}-${range.end}`;
    const command = new GetObjectCommand({ ...this.at(this.keyOf(address)), ...(Range !== undefined && { Range }) });
    const found = await asked(() => this.reader.send(command), isMissing);
    if (found === undefined) throw new ContentMissingError(`The content ${address.sha256} is not in the storage.`);
    // In Node it is a stream of Node's; the type is that of every platform.
    return watched(found.Body as Readable, this.silenceMs);
  }

  async remove(address: ContentAddress, isNamed: () => Promise<boolean>): Promise<void> {
    const key = this.keyOf(address);
    const aside = `${this.bucket.prefix}${REMOVED}${randomUUID()}`;
    if (!(await this.copy(key, aside))) return;
    await this.delete(key);
    if (await isNamed()) await this.copy(aside, key);
    await this.delete(aside);
  }

  async sweep(): Promise<number> {
    const { prefix, directUploads, incomingPrefix } = this.bucket;
    let swept = await this.incoming.sweep();
    for (const stale of [`${prefix}${REMOVED}`, ...(directUploads ? [incomingPrefix] : [])]) swept += await this.sweepBelow(stale);
    return swept;
  }

  /** Deletes objects of more than a day ago. @returns how many. */
  private async sweepBelow(prefix: string): Promise<number> {
    const before = Date.now() - STALE_MS;
    let swept = 0;
    let from: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.bucket.name,
        Prefix: prefix,
        MaxKeys: PAGE,
        ...(from !== undefined && { ContinuationToken: from }),
      });
      const { Contents: found = [], NextContinuationToken: next } = await asked(() => this.client.send(command));
      for (const { Key: key, LastModified: modified } of found) {
        if (key === undefined || modified === undefined || modified.getTime() > before) continue;
        await this.delete(key);
        swept += 1;
      }
      from = next;
    } while (from !== undefined);
    return swept;
  }

  close(): void {
    this.client.destroy();
    this.reader.destroy();
  }

  private keyOf(address: ContentAddress): string {
    const { companyId, sha256 } = checkAddress(address);
    return `${this.bucket.prefix}${companyId}/${sha256.slice(0, 2)}/${sha256}`;
  }

  private at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.bucket.name, Key: key };
  }

  private async has(key: string): Promise<boolean> {
    return (await asked(() => this.client.send(new HeadObjectCommand(this.at(key))), isMissing)) !== undefined;
  }

  /** One PUT up to the size of a part, else a multipart upload that is aborted when it fails. Parts are in memory, so each can be sent again. */
  private async upload(key: string, file: string): Promise<void> {
    const body = createReadStream(file);
    try {
      await new Upload({
        client: this.client,
        params: { ...this.at(key), Body: body, ContentType: CONTENT_TYPE },
        partSize: defaults.partBytes,
        queueSize: defaults.parts,
      }).done();
    } finally {
      body.destroy();
    }
  }

  /** @returns `false` when there is nothing to copy. */
  private async copy(from: string, to: string): Promise<boolean> {
    // What a client said of its upload is not taken along.
    const own = { MetadataDirective: "REPLACE", ContentType: CONTENT_TYPE } as const;
    const command = new CopyObjectCommand({ ...this.at(to), ...own, CopySource: encodeURI(`${this.bucket.name}/${from}`) });
    return (await asked(() => this.client.send(command), isMissing)) !== undefined;
  }

  private async delete(key: string): Promise<void> {
    await asked(() => this.client.send(new DeleteObjectCommand(this.at(key))));
  }
}

type Timeouts = { readonly socketTimeout: number } | { readonly requestTimeout: number; readonly throwOnRequestTimeout: true };

function createClient({ region, endpoint }: BucketConfig, timeouts: Timeouts): S3Client {
  // A reader has a connection as long as it reads; how many there are is for MAX_IN_FLIGHT to say.
  const agent = { keepAlive: true, maxSockets: Infinity };
  return new S3Client({
    ...(region !== undefined && { region }),
    // Servers other than AWS' have no host name for each bucket.
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    maxAttempts: defaults.attempts,
    requestHandler: { connectionTimeout: defaults.connectTimeoutMs, ...timeouts, httpAgent: agent, httpsAgent: agent },
  });
}
