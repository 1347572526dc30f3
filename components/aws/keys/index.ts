import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, arnOf, type AwsContext, logGroupName, partitionOf, serviceLogGroups, tagsOf } from "../context";
import { policyDocument, type Statement } from "../iam";

/** What each key encrypts. */
const PURPOSES = {
  data: "Database, caches, brokers, secrets and images",
  storage: "Files in S3",
  logs: "Log groups",
  messages: "Topics and queues",
} as const;

export type KeyPurpose = keyof typeof PURPOSES;

export interface KeysArgs<Purpose extends KeyPurpose> extends AwsArgs {
  /** What is encrypted in this region. */
  readonly purposes: readonly Purpose[];
  /** Days between the deletion of a key and its end, 7 to 30: WHAT IT ENCRYPTED IS LOST after that. */
  readonly deletionWindowDays: number;
  /** Refuse to delete the keys: Pulumi's `protect`. */
  readonly protect: boolean;
  /** Before the last part of the keys' aliases, which are for people. @default nothing */
  readonly aliasPrefix?: string | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly key?: Transform<aws.kms.KeyArgs> };
}

/**
 * The stack's own KMS keys, one for each kind of data, so that who may use one of them can be said for that kind alone. AWS renews their
 * material once a year and keeps the old for what it encrypted. Cost: about a dollar a month and key.
 */
export class Keys<Purpose extends KeyPurpose> extends pulumi.ComponentResource {
  /** ARN of each key. */
  readonly arns: Readonly<Record<Purpose, pulumi.Output<string>>>;
  private readonly keys: Readonly<Record<Purpose, aws.kms.Key>>;

  constructor(name: string, args: KeysArgs<Purpose>, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Keys", name, {}, opts);
    const keys = args.purposes.map((purpose) => [purpose, this.createKey(name, purpose, args)] as const);
    this.keys = Object.fromEntries(keys) as Record<Purpose, aws.kms.Key>;
    this.arns = Object.fromEntries(keys.map(([purpose, { arn }]) => [purpose, arn])) as Record<Purpose, pulumi.Output<string>>;
    this.registerOutputs({ arns: this.arns });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly keys: Readonly<Record<Purpose, aws.kms.Key>> } {
    return { keys: this.keys };
  }

  private createKey(name: string, purpose: Purpose, { context, ...args }: KeysArgs<Purpose>): aws.kms.Key {
    const keyName = `${name}-${purpose}`;
    const key = new aws.kms.Key(
      ...transformed(
        args.transform?.key,
        keyName,
        {
          description: `${context.project} ${context.stack}: ${PURPOSES[purpose].toLowerCase()}`,
          enableKeyRotation: true,
          deletionWindowInDays: args.deletionWindowDays,
          policy: policyDocument(keyPolicy(purpose, context)),
          tags: tagsOf(context, keyName),
        },
        { parent: this, protect: args.protect },
      ),
    );
    // A name for people; the stack itself goes by ARN.
    const alias = { name: `alias/${context.project}-${context.stack}-${args.aliasPrefix ?? ""}${purpose}`, targetKeyId: key.keyId };
    new aws.kms.Alias(`${keyName}-alias`, alias, { parent: this });
    return key;
  }
}

const USE = ["kms:Decrypt", "kms:GenerateDataKey*"] as const;

/**
 * Who may use a key: whoever the account's IAM policies allow to, and services of AWS that work for the stack's resources in their own name.
 * `Resource: *` in a key's policy is that key.
 */
export function keyPolicy(purpose: KeyPurpose, context: AwsContext): readonly Statement[] {
  const { region, accountId } = context;
  const partition = partitionOf(region);
  const byIam: Statement = {
    Sid: "ByPoliciesOfTheAccount",
    Effect: "Allow",
    Principal: { AWS: `arn:${partition}:iam::${accountId}:root` },
    Action: "kms:*",
    Resource: "*",
  };
  const ofAccount = { StringEquals: { "aws:SourceAccount": accountId } };
  const services: Readonly<Record<KeyPurpose, readonly Statement[]>> = {
    data: [],
    storage: [
      {
        // The distribution is named by pattern: its policy needs this key, so the key cannot wait for its id.
        Sid: "ReadByCloudFront",
        Effect: "Allow",
        Principal: { Service: "cloudfront.amazonaws.com" },
        Action: "kms:Decrypt",
        Resource: "*",
        // The account is part of the pattern; CloudFront says it nowhere else.
        Condition: { ArnLike: { "aws:SourceArn": `arn:${partition}:cloudfront::${accountId}:distribution/*` } },
      },
    ],
    logs: [
      {
        Sid: "UsedByCloudWatchLogs",
        Effect: "Allow",
        Principal: { Service: `logs.${region}.amazonaws.com` },
        Action: [...USE, "kms:Encrypt*", "kms:ReEncrypt*", "kms:Describe*"],
        Resource: "*",
        Condition: {
          ArnLike: {
            "kms:EncryptionContext:aws:logs:arn": [
              arnOf(context, "logs", `log-group:${logGroupName(context, "*")}`),
              ...serviceLogGroups(context).map((group) => arnOf(context, "logs", `log-group:${group}`)),
            ],
          },
        },
      },
    ],
    messages: [
      {
        // Alarms and the budget write to the topic of alerts.
        Sid: "WrittenByAlarmsAndBudget",
        Effect: "Allow",
        Principal: { Service: ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] },
        Action: USE,
        Resource: "*",
        Condition: ofAccount,
      },
    ],
  };
  return [byIam, ...services[purpose]];
}
