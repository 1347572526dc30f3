import { z } from "zod";

/** A queue of Amazon SQS that carries events where there is no Kafka. */
export interface SqsConfig {
  /** SQS_QUEUE_URL; a queue with a redrive policy: what cannot be handled goes where that says. */
  readonly queueUrl: string;
  /** AWS_REGION, or what the address says; @default what the SDK finds */
  readonly region: string | undefined;
}

/** The variable of the queue, for the schema of the whole environment. */
export const sqsVariables = {
  SQS_QUEUE_URL: z
    .string()
    .max(4096)
    .regex(/^https?:\/\/[\w.:-]+\/\d{1,20}\/[\w-]{1,80}$/)
    .optional()
    .describe("the address of a standard queue, such as https://sqs.eu-central-1.amazonaws.com/123456789012/events"),
};

interface SqsVariables extends z.output<z.ZodObject<typeof sqsVariables>> {
  readonly KAFKA_BROKERS?: string | undefined;
  readonly AWS_REGION?: string | undefined;
}

/** Puts the variables together; what does not fit is added to `violations`. `undefined` without SQS_QUEUE_URL. */
export function sqsConfig(env: SqsVariables, violations: string[]): SqsConfig | undefined {
  const { SQS_QUEUE_URL: queueUrl } = env;
  if (queueUrl === undefined) return undefined;
  if (env.KAFKA_BROKERS !== undefined) {
    violations.push("SQS_QUEUE_URL: set with KAFKA_BROKERS; events have one carrier, remove one of the two.");
  }
  const [, named] = /^https:\/\/sqs\.([a-z0-9-]+)\.amazonaws\./.exec(queueUrl) ?? [];
  return { queueUrl, region: named ?? env.AWS_REGION };
}
