import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, tagsOf } from "../context";
import { policyDocument } from "../iam";

const defaults = {
  /** Times a message is tried before it is put aside. */
  attempts: 5,
  /** Of the handler's time: a slow one, and its retries, are not taken for a dead one. */
  visibilityFactor: 6,
  /** Four days, and for what was put aside the longest there is, 14 days. */
  retentionSeconds: 345_600,
  deadRetentionSeconds: 1_209_600,
  /** A receiver waits for messages instead of asking again and again. */
  waitSeconds: 20,
  /** Between two questions to KMS. */
  keyReuseSeconds: 300,
} as const;

export interface QueueArgs extends AwsArgs {
  readonly kmsKeyArn: pulumi.Input<string>;
  /** Seconds the app may work on one message. */
  readonly handlerSeconds: number;
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly queue?: Transform<aws.sqs.QueueArgs>; readonly deadLetters?: Transform<aws.sqs.QueueArgs> };
}

/**
 * A queue of SQS for events, and one for messages that failed five times. Encrypted, and only over TLS. Messages may come twice and out of
 * order: the app's handlers expect that.
 */
export class Queue extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  readonly arn: pulumi.Output<string>;
  /** Physical names, as metrics know the two. */
  readonly names: { readonly queue: pulumi.Output<string>; readonly deadLetters: pulumi.Output<string> };
  private readonly queue: aws.sqs.Queue;
  private readonly deadLetters: aws.sqs.Queue;

  constructor(name: string, args: QueueArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Queue", name, {}, opts);
    const { context, kmsKeyArn, handlerSeconds, transform } = args;
    const encrypted = { kmsMasterKeyId: kmsKeyArn, kmsDataKeyReusePeriodSeconds: defaults.keyReuseSeconds };
    this.deadLetters = new aws.sqs.Queue(
      ...transformed(
        transform?.deadLetters,
        `${name}-dead`,
        { ...encrypted, messageRetentionSeconds: defaults.deadRetentionSeconds, tags: tagsOf(context, `${name}-dead`) },
        { parent: this },
      ),
    );
    this.queue = new aws.sqs.Queue(
      ...transformed(
        transform?.queue,
        `${name}-events`,
        {
          ...encrypted,
          visibilityTimeoutSeconds: defaults.visibilityFactor * handlerSeconds,
          messageRetentionSeconds: defaults.retentionSeconds,
          receiveWaitTimeSeconds: defaults.waitSeconds,
          redrivePolicy: pulumi.jsonStringify({ deadLetterTargetArn: this.deadLetters.arn, maxReceiveCount: defaults.attempts }),
          tags: tagsOf(context, `${name}-events`),
        },
        { parent: this },
      ),
    );
    new aws.sqs.RedriveAllowPolicy(
      `${name}-redrive`,
      {
        queueUrl: this.deadLetters.url,
        redriveAllowPolicy: pulumi.jsonStringify({ redrivePermission: "byQueue", sourceQueueArns: [this.queue.arn] }),
      },
      { parent: this },
    );
    this.overTlsOnly(`${name}-events-tls`, this.queue);
    this.overTlsOnly(`${name}-dead-tls`, this.deadLetters);
    this.url = this.queue.url;
    this.arn = this.queue.arn;
    this.names = { queue: this.queue.name, deadLetters: this.deadLetters.name };
    this.registerOutputs({ url: this.url, arn: this.arn });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly queue: aws.sqs.Queue; readonly deadLetters: aws.sqs.Queue } {
    return { queue: this.queue, deadLetters: this.deadLetters };
  }

  private overTlsOnly(name: string, { url, arn }: aws.sqs.Queue): void {
    const policy = policyDocument([
      {
        Sid: "TlsOnly",
        Effect: "Deny",
        Principal: "*",
        Action: "sqs:*",
        Resource: arn,
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
    ]);
    new aws.sqs.QueuePolicy(name, { queueUrl: url, policy }, { parent: this });
  }
}
