import { z } from "zod";

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
  AWS_REGION: region,
};

/** What {@link bucketVariables} gives. */
export type BucketVariables = z.output<z.ZodObject<typeof bucketVariables>>;

/** Puts the variables together; what does not fit is added to `violations`. `undefined` without S3_BUCKET: documents are in a local directory. */
export function bucketConfig(env: BucketVariables, violations: string[]): BucketConfig | undefined {
  const { S3_BUCKET: name, S3_PREFIX: prefix, S3_ENDPOINT: endpoint, S3_INCOMING_PREFIX: incomingPrefix } = env;
  const directUploads = env.S3_DIRECT_UPLOADS === "on";
  if (name === undefined) {
    const set = { S3_REGION: env.S3_REGION !== undefined, S3_ENDPOINT: endpoint !== undefined, S3_DIRECT_UPLOADS: directUploads };
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
  return { name, prefix, endpoint, region, directUploads, incomingPrefix };
}
