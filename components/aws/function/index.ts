import { readFileSync } from "node:fs";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, type LogSettings, physicalName, tagsOf } from "../context";
import { serviceRole, type Statement } from "../iam";
import { logGroup } from "../log-group";

const defaults = {
  runtime: "nodejs24.x",
  memoryMb: 256,
} as const;

export interface HelperFunctionArgs extends AwsArgs {
  readonly description: string;
  /** File with the program: one module without dependencies, which exports `handler`. */
  readonly file: string;
  /** Seconds it may take, at most 900. */
  readonly timeoutSeconds: number;
  /** What it may do, beside writing its log. */
  readonly statements: readonly Statement[];
  /** Plain variables. @default none */
  readonly environment?: Readonly<Record<string, pulumi.Input<string>>> | undefined;
  /** How long its log is kept, and the key it is encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
}

/** A small function of the stack's own operation on Lambda. It asks AWS only, so it is not in the network. Costs nothing to speak of. */
export class HelperFunction extends pulumi.ComponentResource {
  readonly functionName: pulumi.Output<string>;
  readonly arn: pulumi.Output<string>;
  private readonly lambda: aws.lambda.Function;

  constructor(name: string, args: HelperFunctionArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:HelperFunction", name, {}, opts);
    const { context, logs, environment } = args;
    const functionName = physicalName(context, name);
    const ownLogs = logGroup(`${name}-logs`, { context, logs, groupName: `/aws/lambda/${functionName}` }, { parent: this });
    const writeLogs: Statement = {
      Sid: "WriteLogs",
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: pulumi.interpolate`${ownLogs.arn}:*`,
    };
    const { role, policy } = serviceRole(
      `${name}-role`,
      {
        context,
        service: "lambda.amazonaws.com",
        description: args.description,
        // Lambda does not say which account it works for.
        onlyOwnAccount: false,
        statements: [...args.statements, writeLogs],
      },
      this,
    );
    // As text: a path would differ between two checkouts of one project.
    const source = new pulumi.asset.StringAsset(readFileSync(args.file, "utf8"));
    this.lambda = new aws.lambda.Function(
      `${name}-lambda`,
      {
        name: functionName,
        description: args.description,
        runtime: defaults.runtime,
        architectures: ["arm64"],
        handler: "index.handler",
        code: new pulumi.asset.AssetArchive({ "index.mjs": source }),
        role: role.arn,
        timeout: args.timeoutSeconds,
        memorySize: defaults.memoryMb,
        ...(environment === undefined ? {} : { environment: { variables: { ...environment } } }),
        tags: tagsOf(context, `${name}-lambda`),
      },
      { parent: this, dependsOn: policy === undefined ? [ownLogs] : [ownLogs, policy] },
    );
    this.functionName = this.lambda.name;
    this.arn = this.lambda.arn;
    this.registerOutputs({ functionName: this.functionName });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly lambda: aws.lambda.Function } {
    return { lambda: this.lambda };
  }
}
