import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, tagsOf } from "../context";

const defaults = {
  /** 48 letters and digits are 285 bits. */
  length: 48,
} as const;

/** A copy of a secret in another region, which AWS keeps the same. Its ARN is that of the first with the other region in it. */
export interface SecretReplica {
  readonly region: string;
  /** Key it is encrypted with there. */
  readonly kmsKeyArn: pulumi.Input<string>;
}

export interface SecretArgs extends AwsArgs {
  /** What it opens, for people. */
  readonly description: string;
  /** Key it is encrypted with. */
  readonly kmsKeyArn: pulumi.Input<string>;
  /** Days a deleted secret can be brought back, 7 to 30; 0: it is gone at once. */
  readonly recoveryWindowDays: number;
  /** The secret is also in data that outlive the stack: Pulumi refuses to delete it. @default false */
  readonly protect?: boolean;
  /** Copies in other regions; each is paid like the first. @default none */
  readonly replicas?: readonly SecretReplica[] | undefined;
  /** Changes to the child resource before it is created. */
  readonly transform?: { readonly secret?: Transform<aws.secretsmanager.SecretArgs> };
}

/**
 * A secret in Secrets Manager, from where tasks are given it by reference: its value is in no environment listing, and encrypted in Pulumi's
 * state. Its physical name has a random ending, because a deleted secret keeps its name for the recovery window.
 */
export class Secret extends pulumi.ComponentResource {
  /** Known once the secret has its content. */
  readonly arn: pulumi.Output<string>;
  private readonly secret: aws.secretsmanager.Secret;
  private readonly version: aws.secretsmanager.SecretVersion;

  constructor(name: string, args: SecretArgs & { readonly content: pulumi.Input<string> }, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Secret", name, {}, opts);
    const { context, description, kmsKeyArn, recoveryWindowDays, protect = false, replicas = [] } = args;
    const kept = {
      ...{ description, kmsKeyId: kmsKeyArn, recoveryWindowInDays: recoveryWindowDays, tags: tagsOf(context, name) },
      ...(replicas.length === 0 ? {} : { replicas: replicas.map(({ region, kmsKeyArn: kmsKeyId }) => ({ region, kmsKeyId })) }),
    };
    this.secret = new aws.secretsmanager.Secret(...transformed(args.transform?.secret, `${name}-secret`, kept, { parent: this, protect }));
    this.version = new aws.secretsmanager.SecretVersion(
      `${name}-version`,
      { secretId: this.secret.id, secretString: pulumi.secret(args.content) },
      // Where it is rotated, this stays the first version, and another one is the current.
      { parent: this, ignoreChanges: ["versionStages"] },
    );
    this.arn = this.version.secretArn;
    this.registerOutputs({ arn: this.arn });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly secret: aws.secretsmanager.Secret; readonly version: aws.secretsmanager.SecretVersion } {
    return { secret: this.secret, version: this.version };
  }
}

export interface GeneratedSecretArgs extends SecretArgs {
  /** What is stored, made of the generated text. @default the text itself */
  readonly render?: (generated: pulumi.Output<string>) => pulumi.Input<string>;
  /** Letters and digits of the generated text. A change makes a NEW secret. @default 48 */
  readonly length?: number;
}

/** A {@link Secret} that is generated once and never changes on its own. */
export class GeneratedSecret extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;
  /** The generated text; secret. */
  readonly generated: pulumi.Output<string>;
  private readonly password: random.RandomPassword;
  private readonly secret: Secret;

  constructor(name: string, args: GeneratedSecretArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:GeneratedSecret", name, {}, opts);
    const { render, length = defaults.length, ...secret } = args;
    this.password = new random.RandomPassword(
      `${name}-generated`,
      { length, special: false },
      { parent: this, protect: args.protect ?? false },
    );
    this.generated = pulumi.secret(this.password.result);
    this.secret = new Secret(`${name}-kept`, { ...secret, content: render?.(this.generated) ?? this.generated }, { parent: this });
    this.arn = this.secret.arn;
    this.registerOutputs({ arn: this.arn });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly password: random.RandomPassword; readonly secret: Secret } {
    return { password: this.password, secret: this.secret };
  }
}
