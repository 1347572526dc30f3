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
}

const region = z
  .string()
  .regex(/^[a-z0-9-]{1,64}$/)
  .optional()
  .describe("a region such as eu-central-1");

/** The variables of S3, for the schema of the whole environment. The login is found by the SDK: a role of the task or pod, or AWS_* variables. */
export const bucketVariables = {
  S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/)
    .optional()
    .describe("the name of a bucket: 3 to 63 small letters, digits, dots or dashes"),
  S3_PREFIX: z
    .string()
    .regex(/^([\w.-]{1,64}\/){1,4}$/)
    .default("uploads/")
    .describe("1 to 4 words of letters, digits, dots, dashes or underscores, each followed by a slash"),
  S3_REGION: region,
  S3_ENDPOINT: z
    .string()
    .max(4096)
    .regex(/^https?:\/\/[\w.-]+(:\d{1,5})?$/)
    .optional()
    .describe("an address such as https://storage.example.org:9000"),
  AWS_REGION: region,
};

/** What {@link bucketVariables} gives. */
export type BucketVariables = z.output<z.ZodObject<typeof bucketVariables>>;

/** Puts the variables together; what does not fit is added to `violations`. `undefined` without S3_BUCKET: documents are in a local directory. */
export function bucketConfig(env: BucketVariables, violations: string[]): BucketConfig | undefined {
  const { S3_BUCKET: name, S3_PREFIX: prefix, S3_ENDPOINT: endpoint } = env;
  if (name === undefined) {
    for (const other of ["S3_REGION", "S3_ENDPOINT"] as const) {
      if (env[other] !== undefined) violations.push(`${other}: set without S3_BUCKET; set S3_BUCKET too, or remove the variable.`);
    }
    return undefined;
  }
  // What speaks the protocol elsewhere mostly takes any region, but requests are signed with one.
  return { name, prefix, endpoint, region: env.S3_REGION ?? env.AWS_REGION ?? (endpoint === undefined ? undefined : "us-east-1") };
}
