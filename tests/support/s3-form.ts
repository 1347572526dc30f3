import { createHash, createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import busboy from "busboy";

/** The server a form is sent to. */
export interface FormServer {
  readonly bucket: string;
  /** Of whoever signs forms. */
  readonly secret: string;
  /** By its clock, ms. */
  readonly now: number;
}

interface Policy {
  readonly expiration: string;
  readonly conditions: readonly (readonly unknown[] | Readonly<Record<string, string>>)[];
}

const hmac = (key: Buffer | string, text: string): Buffer => createHmac("sha256", key).update(text).digest();

/** Fields by name in small letters, and the content. */
export async function readForm(body: Buffer, headers: IncomingMessage["headers"]): Promise<{ fields: Map<string, string>; file: Buffer }> {
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

/** Why S3 would not take it, as its error code and what it is about; `undefined` when it would. */
export function formRefusal(fields: ReadonlyMap<string, string>, file: Buffer, server: FormServer): string | undefined {
  const encoded = fields.get("policy") ?? "";
  const [, date = "", region = "", service = ""] = (fields.get("x-amz-credential") ?? "").split("/");
  const key = [date, region, service, "aws4_request"].reduce<Buffer | string>((own, part) => hmac(own, part), `AWS4${server.secret}`);
  if (hmac(key, encoded).toString("hex") !== fields.get("x-amz-signature")) return "AccessDenied: signature";
  const policy = JSON.parse(Buffer.from(encoded, "base64").toString()) as Policy;
  if (new Date(policy.expiration).getTime() < server.now) return "AccessDenied: expired";
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
    const given = field === "bucket" ? server.bucket : (fields.get(field) ?? "");
    if (kind === "eq" ? given !== value : !given.startsWith(value)) return `AccessDenied: ${field}`;
  }
  const extra = [...fields.keys()].find((field) => !covered.has(field));
  if (extra !== undefined) return `AccessDenied: extra input field ${extra}`;
  const checksum = fields.get("x-amz-checksum-sha256");
  return checksum === undefined || checksum === createHash("sha256").update(file).digest("base64") ? undefined : "BadDigest";
}
