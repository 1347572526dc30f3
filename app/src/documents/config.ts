import { createPrivateKey } from "node:crypto";
import { z } from "zod";

/** CloudFront in front of the bucket, which believes addresses that this key signs. */
export interface CdnConfig {
  /** CDN_URL, where keys of the bucket are paths below, e.g. `https://app.example.org` */
  readonly url: string;
  /** CDN_KEY_ID of the public key at CloudFront */
  readonly keyId: string;
  /** CDN_PRIVATE_KEY, PEM: RSA of 2048 bits, or ECDSA on P-256 */
  readonly privateKey: string;
}

/** A bucket of S3, or of a server that speaks its protocol. */
export interface BucketConfig {
  /** S3_BUCKET */
  readonly name: string;
  /** S3_PREFIX of all keys; @default "uploads/" */
  readonly prefix: string;
  /** S3_REGION or AWS_REGION; @default what the SDK finds (`~/.aws/config`) */
  readonly region: string | undefined;
  /** S3_ENDPOINT of a server that is not AWS'; @default AWS' own of the region */
  readonly endpoint: string | undefined;
  /** S3_DIRECT_UPLOADS: clients send content to the bucket themselves, by a form that the app signs; @default false */
  readonly directUploads: boolean;
  /** S3_INCOMING_PREFIX of keys of such content until it is a document; a rule of the bucket may delete it after a day; @default "incoming/" */
  readonly incomingPrefix: string;
  /** CDN_*: who downloads is sent there; @default undefined: content goes through the app */
  readonly cdn: CdnConfig | undefined;
}

const region = z
  .string()
  .regex(/^[a-z0-9-]{1,64}$/)
  .optional()
  .describe("a region such as eu-central-1");

const prefix = (fallback: string) =>
  z
    .string()
    .regex(/^([\w.-]{1,64}\/){1,4}$/)
    .default(fallback)
    .describe("1 to 4 words of letters, digits, dots, dashes or underscores, each followed by a slash");

/** The variables of S3, for the schema of the whole environment. The login is found by the SDK: a role of the task or pod, or AWS_* variables. */
export const bucketVariables = {
  S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/)
    .optional()
    .describe("the name of a bucket: 3 to 63 small letters, digits, dots or dashes"),
  S3_PREFIX: prefix("uploads/"),
  S3_REGION: region,
  S3_ENDPOINT: z
    .string()
    .max(4096)
    .regex(/^https?:\/\/[\w.-]+(:\d{1,5})?$/)
    .optional()
    .describe("an address such as https://storage.example.org:9000"),
  S3_DIRECT_UPLOADS: z.enum(["on", "off"]).default("off").describe("on or off"),
  S3_INCOMING_PREFIX: prefix("incoming/"),
  CDN_URL: z
    .string()
    .max(4096)
    .regex(/^https:\/\/[\w.-]+(:\d{1,5})?$/)
    .optional()
    .describe("an address such as https://app.example.org"),
  CDN_KEY_ID: z
    .string()
    .regex(/^[A-Z0-9]{1,64}$/)
    .optional()
    .describe("the id of a public key at CloudFront, capital letters and digits"),
  CDN_PRIVATE_KEY: z
    .string()
    .max(8192)
    .refine(isSigningKey)
    .optional()
    .describe("a private key in PEM, RSA of 2048 bits or ECDSA on P-256"),
  AWS_REGION: region,
};

/** What CloudFront takes. */
function isSigningKey(pem: string): boolean {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPrivateKey(pem);
    return type === "rsa" ? details?.modulusLength === 2048 : type === "ec" && details?.namedCurve === "prime256v1";
  } catch {
    // No private key at all.
    return false;
  }
}

/** Secrets among them. */
export const BUCKET_SECRETS = ["CDN_PRIVATE_KEY"] as const;

/** What {@link bucketVariables} gives. */
export type BucketVariables = z.output<z.ZodObject<typeof bucketVariables>>;

/** Puts the variables together; what does not fit is added to `violations`. `undefined` without S3_BUCKET: documents are in a local directory. */
export function bucketConfig(env: BucketVariables, violations: string[]): BucketConfig | undefined {
  const { S3_BUCKET: name, S3_PREFIX: prefix, S3_ENDPOINT: endpoint, S3_INCOMING_PREFIX: incomingPrefix } = env;
  const directUploads = env.S3_DIRECT_UPLOADS === "on";
  if (name === undefined) {
    const set = {
      ...{ S3_REGION: env.S3_REGION !== undefined, S3_ENDPOINT: endpoint !== undefined, S3_DIRECT_UPLOADS: directUploads },
      CDN_URL: env.CDN_URL !== undefined,
    };
    for (const [other, isSet] of Object.entries(set)) {
      if (isSet) violations.push(`${other}: set without S3_BUCKET; set S3_BUCKET too, or remove the variable.`);
    }
    return undefined;
  }
  // What speaks the protocol elsewhere mostly takes any region, but requests are signed with one.
  const region = env.S3_REGION ?? env.AWS_REGION ?? (endpoint === undefined ? undefined : "us-east-1");
  if (directUploads && region === undefined) {
    violations.push("S3_DIRECT_UPLOADS: on, but the bucket's region is not known; set S3_REGION, or S3_DIRECT_UPLOADS to off.");
  }
  if (directUploads && (prefix.startsWith(incomingPrefix) || incomingPrefix.startsWith(prefix))) {
    violations.push(
      `S3_INCOMING_PREFIX: "${incomingPrefix}" and S3_PREFIX "${prefix}" are not apart; use prefixes neither of which begins with the other.`,
    );
  }
  return { name, prefix, endpoint, region, directUploads, incomingPrefix, cdn: cdnConfig(env, violations) };
}

function cdnConfig({ CDN_URL: url, CDN_KEY_ID: keyId, CDN_PRIVATE_KEY: privateKey }: BucketVariables, violations: string[]) {
  if (url !== undefined && keyId !== undefined && privateKey !== undefined) return { url, keyId, privateKey };
  const values = { CDN_URL: url, CDN_KEY_ID: keyId, CDN_PRIVATE_KEY: privateKey };
  const names = Object.keys(values) as (keyof typeof values)[];
  const missing = names.filter((name) => values[name] === undefined);
  if (missing.length < names.length) violations.push(`${missing.join(", ")}: not set; set all of ${names.join(", ")}, or none.`);
  return undefined;
}
