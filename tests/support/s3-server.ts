import { createHash, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Issued } from "./certificates";
import { formRefusal, readForm } from "./s3-form";

interface StoredObject {
  readonly content: Buffer;
  readonly modified: Date;
  /** SHA-256 in Base64, when the upload came with it. */
  readonly checksum?: string | undefined;
  /** By name, without `x-amz-meta-`. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** A request as the server sees it: `PUT key`, with what follows the question mark. */
export interface SeenRequest {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  /** Id of the key that the request is signed with; `undefined`: it is not signed. */
  readonly keyId: string | undefined;
  /** The header. */
  readonly range: string | undefined;
}

export interface S3ServerOptions {
  /** Address to listen on. @default 127.0.0.1 */
  readonly host?: string;
  /** @default a free one */
  readonly port?: number;
  /** @default plain HTTP */
  readonly tls?: Issued;
  /** Entries of a page of a list. @default 2, so that whoever asks has to go on */
  readonly page?: number;
}

/** Least size of a part but the last, as S3 has it. */
const LEAST_PART_BYTES = 5 * 1024 ** 2;

const etagOf = (content: Buffer): string => `"${createHash("md5").update(content).digest("hex")}"`;

/**
 * As much of S3 as the app and pgBackRest use, in this process: objects, ranges, copies, multipart uploads, signed forms and lists of one
 * bucket, strongly consistent. It checks signatures of forms only. What it says of S3 is what S3's documentation says; a test against a real server is to confirm it
 * (PHASED_TEST_S3_ENDPOINT).
 */
export class S3Server {
  readonly bucket = "documents";
  readonly objects = new Map<string, StoredObject>();
  /** Multipart uploads that were begun, and neither completed nor aborted. */
  readonly uploads = new Map<string, Map<number, Buffer>>();
  readonly seen: SeenRequest[] = [];
  /** Status to answer a request with instead of doing what it asks; `undefined`: it is done. */
  fault: (request: SeenRequest) => number | undefined | Promise<undefined> = () => undefined;
  /** Milliseconds its clock is ahead of ours. */
  ahead = 0;
  /** Secret of whoever signs forms. */
  secret = "test";
  /** Origin whose pages may send forms; `undefined`: none. */
  pages: string | undefined;
  /** Bytes of an object after which a GET is silent; `undefined`: it goes on to the end. */
  silentAfter: number | undefined;

  private constructor(
    private readonly server: Server,
    readonly options: S3ServerOptions,
  ) {}

  static async start(options: S3ServerOptions = {}): Promise<S3Server> {
    const { host = "127.0.0.1", port = 0, tls } = options;
    const server = tls === undefined ? createServer() : createTlsServer({ cert: tls.certificate, key: tls.key });
    const started = new S3Server(server, options);
    server.on("request", (request, response) => {
      started.answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    return started;
  }

  get endpoint(): string {
    return `${this.options.tls === undefined ? "http" : "https"}://${this.options.host ?? "127.0.0.1"}:${this.port}`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Everything becomes this much older. */
  age(ms: number): void {
    for (const [key, object] of this.objects) this.objects.set(key, { ...object, modified: new Date(object.modified.getTime() - ms) });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(request.url ?? "/", "http://server");
    const [bucket, ...rest] = pathname.slice(1).split("/");
    const [, keyId] = /Credential=([^/]+)\//.exec(request.headers.authorization ?? "") ?? [];
    const seen = { method: request.method ?? "", key: decodeURIComponent(rest.join("/")), query, keyId, range: request.headers.range };
    const body = await buffer(request);
    this.seen.push(seen);
    const fault = await this.fault(seen);
    if (fault !== undefined) refuse(response, fault, fault === 403 ? "AccessDenied" : "InternalError");
    else if (bucket !== this.bucket) refuse(response, 404, "NoSuchBucket");
    else if (request.headers["content-encoding"]?.includes("aws-chunked") === true) refuse(response, 501, "NotImplemented");
    else if (query.has("delete")) this.deleteAll(body, response);
    else if (seen.method === "POST" && seen.key === "") await this.form(body, request.headers, response);
    else if (query.has("uploads") || query.has("uploadId")) this.multipart(seen, body, response);
    else if (query.get("list-type") === "2") this.list(query, response);
    else this.object(seen, body, request.headers, response);
  }

  private object({ method, key }: SeenRequest, body: Buffer, headers: IncomingMessage["headers"], response: ServerResponse): void {
    const source = headers["x-amz-copy-source"];
    if (method === "PUT" && typeof source === "string") {
      const from = this.objects.get(
        decodeURIComponent(source)
          .replace(/^\//, "")
          .slice(this.bucket.length + 1),
      );
      if (from === undefined) {
        refuse(response, 404, "NoSuchKey");
        return;
      }
      const copied = headers["x-amz-metadata-directive"] === "REPLACE" ? undefined : from.metadata;
      this.store(key, from.content, { checksum: from.checksum, metadata: copied });
      xml(response, `<CopyObjectResult><ETag>${etagOf(from.content)}</ETag></CopyObjectResult>`);
      return;
    }
    if (method === "PUT") {
      this.store(key, body);
      response.writeHead(200, { ETag: etagOf(body) }).end();
      return;
    }
    if (method === "DELETE") {
      this.objects.delete(key);
      response.writeHead(204).end();
      return;
    }
    const found = this.objects.get(key);
    if (found === undefined) {
      // A HEAD is answered without a body, whatever there is to say.
      if (method === "HEAD") response.writeHead(404).end();
      else refuse(response, 404, "NoSuchKey");
      return;
    }
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
    const content = from === undefined ? found.content : found.content.subarray(Number(from), Number(to) + 1);
    // Of the whole only.
    const asksChecksum = headers["x-amz-checksum-mode"] === "ENABLED" && found.checksum !== undefined && from === undefined;
    response.writeHead(from === undefined ? 200 : 206, {
      ...{ "Content-Length": content.length, ETag: etagOf(found.content), "Last-Modified": found.modified.toUTCString() },
      ...(asksChecksum && { "x-amz-checksum-sha256": found.checksum }),
      ...Object.fromEntries(Object.entries(found.metadata ?? {}).map(([name, value]) => [`x-amz-meta-${name}`, value])),
    });
    if (method === "HEAD") response.end();
    else if (this.silentAfter === undefined) response.end(content);
    else response.write(content.subarray(0, this.silentAfter));
  }

  /** An upload by a form (S3 API reference, "POST Object" and "POST policy"). */
  private async form(body: Buffer, headers: IncomingMessage["headers"], response: ServerResponse): Promise<void> {
    const origin = headers.origin;
    if (origin !== undefined && origin === this.pages) response.setHeader("Access-Control-Allow-Origin", origin);
    const { fields, file } = await readForm(body, headers);
    const refusal = formRefusal(fields, file, { bucket: this.bucket, secret: this.secret, now: Date.now() + this.ahead });
    if (refusal !== undefined) {
      refuse(response, refusal.startsWith("Access") ? 403 : 400, refusal);
      return;
    }
    const checksum = fields.get("x-amz-checksum-sha256");
    const metadata = [...fields].flatMap(([name, value]) => (name.startsWith("x-amz-meta-") ? [[name.slice(11), value]] : []));
    this.store(fields.get("key") ?? "", file, { checksum, metadata: Object.fromEntries(metadata) as Record<string, string> });
    response.writeHead(204, { ETag: etagOf(file) }).end();
  }

  private multipart({ method, key, query }: SeenRequest, body: Buffer, response: ServerResponse): void {
    if (query.has("uploads")) {
      const id = randomUUID();
      this.uploads.set(id, new Map());
      xml(response, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
      return;
    }
    const id = query.get("uploadId") ?? "";
    const parts = this.uploads.get(id);
    if (parts === undefined) {
      refuse(response, 404, "NoSuchUpload");
      return;
    }
    if (method === "PUT") {
      parts.set(Number(query.get("partNumber")), body);
      response.writeHead(200, { ETag: etagOf(body) }).end();
      return;
    }
    if (method === "POST") {
      const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, number]) => Number(number));
      const contents = numbers.map((number) => parts.get(number) ?? Buffer.alloc(0));
      if (contents.slice(0, -1).some(({ length }) => length < LEAST_PART_BYTES)) {
        refuse(response, 400, "EntityTooSmall");
        return;
      }
      this.store(key, Buffer.concat(contents));
    }
    this.uploads.delete(id);
    if (method === "DELETE") response.writeHead(204).end();
    else {
      const { content } = this.objects.get(key)!;
      xml(response, `<CompleteMultipartUploadResult><Key>${key}</Key><ETag>${etagOf(content)}</ETag></CompleteMultipartUploadResult>`);
    }
  }

  private deleteAll(body: Buffer, response: ServerResponse): void {
    for (const [, key = ""] of body.toString().matchAll(/<Key>([^<]+)<\/Key>/g)) this.objects.delete(key);
    xml(response, "<DeleteResult></DeleteResult>");
  }

  /** In pages. With a delimiter, what has it after the prefix is one entry up to there. */
  private list(query: URLSearchParams, response: ServerResponse): void {
    const [after, prefix, delimiter] = ["continuation-token", "prefix", "delimiter"].map((name) => query.get(name) ?? "") as [
      string,
      string,
      string,
    ];
    const found = [...this.objects.keys()].filter((key) => key.startsWith(prefix));
    const entryOf = (key: string): string => {
      const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
      return end === -1 ? key : key.slice(0, end + delimiter.length);
    };
    const entries = [...new Set(found.map(entryOf))].filter((entry) => entry > after).sort();
    const page = entries.slice(0, this.options.page ?? 2);
    const contents = page.map((entry) => {
      const object = this.objects.get(entry);
      if (object === undefined) return `<CommonPrefixes><Prefix>${entry}</Prefix></CommonPrefixes>`;
      const { modified, content } = object;
      return `<Contents><Key>${entry}</Key><LastModified>${modified.toISOString()}</LastModified><Size>${content.length}</Size></Contents>`;
    });
    const more = entries.length > page.length;
    const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    xml(response, `<ListBucketResult><IsTruncated>${more}</IsTruncated>${contents.join("")}${next}</ListBucketResult>`);
  }

  private store(key: string, content: Buffer, more: Pick<StoredObject, "checksum" | "metadata"> = {}): void {
    this.objects.set(key, { content, modified: new Date(), ...more });
  }
}

function xml(response: ServerResponse, body: string): void {
  response.writeHead(200, { "Content-Type": "application/xml" }).end(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`);
}

function refuse(response: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  response.writeHead(status, { "Content-Type": "application/xml" }).end(body);
}
