import { createHash, createHmac, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import busboy from "busboy";

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

/** Least size of a part but the last, as S3 has it. */
const LEAST_PART_BYTES = 5 * 1024 ** 2;

const etagOf = (content: Buffer): string => `"${createHash("md5").update(content).digest("hex")}"`;

/**
 * As much of S3 as the app uses, in this process: objects, ranges, copies, multipart uploads, signed forms and lists of one bucket, strongly
 * consistent. It checks signatures of forms only. What it says of S3 is what S3's documentation says; a test against a real server is to confirm it
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

  private constructor(private readonly server: Server) {}

  static async start(): Promise<S3Server> {
    const server = createServer();
    const started = new S3Server(server);
    server.on("request", (request, response) => {
      started.answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
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
    if (fault !== undefined) refuse(response, fault, "InternalError");
    else if (bucket !== this.bucket) refuse(response, 404, "NoSuchBucket");
    else if (request.headers["content-encoding"]?.includes("aws-chunked") === true) refuse(response, 501, "NotImplemented");
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
      ...{ "Content-Length": content.length, ETag: etagOf(found.content) },
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
    const refusal = this.refusalOf(fields, file);
    if (refusal !== undefined) {
      refuse(response, refusal.startsWith("Access") ? 403 : 400, refusal);
      return;
    }
    const checksum = fields.get("x-amz-checksum-sha256");
    const metadata = [...fields].flatMap(([name, value]) => (name.startsWith("x-amz-meta-") ? [[name.slice(11), value]] : []));
    this.store(fields.get("key") ?? "", file, { checksum, metadata: Object.fromEntries(metadata) as Record<string, string> });
    response.writeHead(204, { ETag: etagOf(file) }).end();
  }

  private refusalOf(fields: ReadonlyMap<string, string>, file: Buffer): string | undefined {
    const encoded = fields.get("policy") ?? "";
    const [, date = "", region = "", service = ""] = (fields.get("x-amz-credential") ?? "").split("/");
    const key = [date, region, service, "aws4_request"].reduce<Buffer | string>((own, part) => hmac(own, part), `AWS4${this.secret}`);
    if (hmac(key, encoded).toString("hex") !== fields.get("x-amz-signature")) return "AccessDenied: signature";
    const policy = JSON.parse(Buffer.from(encoded, "base64").toString()) as Policy;
    if (new Date(policy.expiration).getTime() < Date.now() + this.ahead) return "AccessDenied: expired";
    const covered = new Set(["policy", "x-amz-signature"]);
    for (const condition of policy.conditions) {
      if (Array.isArray(condition) && condition[0] === "content-length-range") {
        const [, least, most] = condition as [string, number, number];
        if (file.length < least) return "EntityTooSmall";
        if (file.length > most) return "EntityTooLarge";
        continue;
      }
      const [kind, name, value] = Array.isArray(condition)
        ? (condition as [string, string, string])
        : (["eq", ...Object.entries(condition)[0]!] as [string, string, string]);
      const field = name.replace(/^\$/, "").toLowerCase();
      covered.add(field);
      const given = field === "bucket" ? this.bucket : (fields.get(field) ?? "");
      if (kind === "eq" ? given !== value : !given.startsWith(value)) return `AccessDenied: ${field}`;
    }
    const extra = [...fields.keys()].find((field) => !covered.has(field));
    if (extra !== undefined) return `AccessDenied: extra input field ${extra}`;
    const checksum = fields.get("x-amz-checksum-sha256");
    return checksum === undefined || checksum === createHash("sha256").update(file).digest("base64") ? undefined : "BadDigest";
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
    else xml(response, `<CompleteMultipartUploadResult><Key>${key}</Key></CompleteMultipartUploadResult>`);
  }

  /** In pages of two, so that whoever asks has to go on. */
  private list(query: URLSearchParams, response: ServerResponse): void {
    const after = query.get("continuation-token") ?? "";
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(query.get("prefix") ?? "") && key > after).sort();
    const page = keys.slice(0, 2);
    const contents = page.map(
      (key) => `<Contents><Key>${key}</Key><LastModified>${this.objects.get(key)?.modified.toISOString()}</LastModified></Contents>`,
    );
    const more = keys.length > page.length;
    const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    xml(response, `<ListBucketResult><IsTruncated>${more}</IsTruncated>${contents.join("")}${next}</ListBucketResult>`);
  }

  private store(key: string, content: Buffer, more: Pick<StoredObject, "checksum" | "metadata"> = {}): void {
    this.objects.set(key, { content, modified: new Date(), ...more });
  }
}

interface Policy {
  readonly expiration: string;
  readonly conditions: readonly (readonly unknown[] | Readonly<Record<string, string>>)[];
}

const hmac = (key: Buffer | string, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** Fields by name in small letters, and the content. */
async function readForm(body: Buffer, headers: IncomingMessage["headers"]): Promise<{ fields: Map<string, string>; file: Buffer }> {
  const parser = busboy({ headers });
  const fields = new Map<string, string>();
  let file: Promise<Buffer> = Promise.resolve(Buffer.alloc(0));
  parser.on("field", (name, value) => fields.set(name.toLowerCase(), value));
  parser.on("file", (_name, content) => {
    file = buffer(content);
  });
  await new Promise((resolve, reject) => parser.on("close", resolve).on("error", reject).end(body));
  return { fields, file: await file };
}

function xml(response: ServerResponse, body: string): void {
  response.writeHead(200, { "Content-Type": "application/xml" }).end(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`);
}

function refuse(response: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${code}</Message></Error>`;
  response.writeHead(status, { "Content-Type": "application/xml" }).end(body);
}
