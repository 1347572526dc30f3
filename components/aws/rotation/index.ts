import path from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, arnOf, type LogSettings } from "../context";
import { HelperFunction } from "../function";
import type { SecretReplica } from "../secrets";

const defaults = {
  days: 30,
  timeoutSeconds: 300,
} as const;

export interface OwnerRotationArgs extends AwsArgs {
  /** Secret with `username` and `password` of the owner. */
  readonly secretArn: pulumi.Input<string>;
  /** Key of the secret. */
  readonly kmsKeyArn: pulumi.Input<string>;
  /** Keys and regions of the secret's copies, which a new password is written to as well. @default none */
  readonly replicas?: readonly SecretReplica[] | undefined;
  /** Identifier of the primary. */
  readonly instanceIdentifier: string;
  /** Days between two passwords, at most 90. @default 30 */
  readonly days?: number;
  /** How long the function's log is kept, and the key it is encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
}

/**
 * A new password of the owner of the tables every month, where RDS does not see to it itself. Nobody has to be told: only the task that migrates
 * uses it, and that reads it when it starts. The function asks RDS to change it, so it needs no way to the database.
 */
export class OwnerRotation extends pulumi.ComponentResource {
  private readonly rotator: HelperFunction;
  private readonly rotation: aws.secretsmanager.SecretRotation;

  constructor(name: string, args: OwnerRotationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:OwnerRotation", name, {}, opts);
    const { context, secretArn, kmsKeyArn, instanceIdentifier, logs, days = defaults.days, replicas = [] } = args;
    if (days < 1 || days > 90) throw new Error(`${name}: days is ${days}; allowed: 1 to 90`);
    this.rotator = new HelperFunction(
      `${name}-rotator`,
      {
        context,
        logs,
        description: "Changes the password of the tables' owner",
        file: path.join(__dirname, "rotate-owner.mjs"),
        timeoutSeconds: defaults.timeoutSeconds,
        environment: { DATABASE_INSTANCE: instanceIdentifier },
        statements: [
          {
            Sid: "RotateSecret",
            Effect: "Allow",
            Action: [
              "secretsmanager:DescribeSecret",
              "secretsmanager:GetSecretValue",
              "secretsmanager:PutSecretValue",
              "secretsmanager:UpdateSecretVersionStage",
            ],
            Resource: secretArn,
          },
          // Has no resource, and changes nothing.
          { Sid: "MakePassword", Effect: "Allow", Action: "secretsmanager:GetRandomPassword", Resource: "*" },
          {
            Sid: "UseKeyOfSecret",
            Effect: "Allow",
            Action: ["kms:Decrypt", "kms:GenerateDataKey"],
            Resource: kmsKeyArn,
            Condition: { StringEquals: { "kms:ViaService": `secretsmanager.${context.region}.amazonaws.com` } },
          },
          ...replicas.map(({ region, kmsKeyArn: Resource }, index) => ({
            Sid: `UseKeyOfCopy${index + 1}`,
            Effect: "Allow" as const,
            Action: ["kms:Decrypt", "kms:GenerateDataKey"],
            Resource,
            Condition: { StringEquals: { "kms:ViaService": `secretsmanager.${region}.amazonaws.com` } },
          })),
          {
            Sid: "ChangePassword",
            Effect: "Allow",
            Action: ["rds:ModifyDBInstance", "rds:DescribeDBInstances"],
            Resource: arnOf(context, "rds", `db:${instanceIdentifier}`),
          },
        ],
      },
      { parent: this },
    );
    const called = new aws.lambda.Permission(
      `${name}-called`,
      {
        function: this.rotator.functionName,
        action: "lambda:InvokeFunction",
        principal: "secretsmanager.amazonaws.com",
        sourceArn: secretArn,
        sourceAccount: context.accountId,
      },
      { parent: this },
    );
    this.rotation = new aws.secretsmanager.SecretRotation(
      `${name}-schedule`,
      {
        secretId: secretArn,
        rotationLambdaArn: this.rotator.arn,
        rotationRules: { automaticallyAfterDays: days },
        // Not while the stack is being made: the first password is as good as the next.
        rotateImmediately: false,
      },
      { parent: this, dependsOn: [called] },
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly rotator: HelperFunction; readonly rotation: aws.secretsmanager.SecretRotation } {
    return { rotator: this.rotator, rotation: this.rotation };
  }
}
