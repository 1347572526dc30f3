import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, partitionOf } from "../context";
import { serviceRole, type Statement } from "../iam";
import { DOCUMENTS_PREFIX, UPLOADS } from "../storage";

const INCOMING = UPLOADS.expirePrefix.prefix;

const TASKS = "ecs-tasks.amazonaws.com";

export interface TaskRolesArgs extends AwsArgs {
  /** Repositories images are pulled from. @default none: the image is public, or of a registry without login */
  readonly repositoryArns: readonly pulumi.Input<string>[];
  /** Log groups of the tasks. */
  readonly logGroupArns: readonly pulumi.Input<string>[];
  /** Secrets tasks are given, without keys of JSON. */
  readonly secretArns: readonly pulumi.Input<string>[];
  /** Key of the secrets. */
  readonly dataKeyArn: pulumi.Input<string>;
  /** What the app itself uses of AWS. */
  readonly uses: {
    readonly uploads?: { readonly bucketArn: pulumi.Input<string>; readonly kmsKeyArn: pulumi.Input<string> } | undefined;
    readonly sqs?: { readonly queueArn: pulumi.Input<string>; readonly kmsKeyArn: pulumi.Input<string> } | undefined;
    readonly kafka?: { readonly clusterArn: pulumi.Input<string> } | undefined;
    /** Postgres by IAM instead of a password: the user, on each server and proxy. */
    readonly database?: { readonly userArns: readonly pulumi.Input<string>[] } | undefined;
  };
}

/** The two roles of a task, each with no more than it needs: ECS starts it as one (image, secrets, log), and what runs in it is the other. */
export class TaskRoles extends pulumi.ComponentResource {
  readonly execution: aws.iam.Role;
  readonly task: aws.iam.Role;
  /** What has to be there before a task starts. */
  readonly policies: readonly pulumi.Resource[];

  constructor(name: string, args: TaskRolesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:TaskRoles", name, {}, opts);
    const { context } = args;
    const starts = { context, service: TASKS, description: "ECS starts tasks of the app", statements: executionStatements(args) };
    const execution = serviceRole(`${name}-execution`, starts, this);
    const runs = { context, service: TASKS, description: "What the app may do", statements: taskStatements(args) };
    const task = serviceRole(`${name}-task`, runs, this);
    this.execution = execution.role;
    this.task = task.role;
    this.policies = [execution.policy, task.policy].filter((policy) => policy !== undefined);
    this.registerOutputs({ executionRoleArn: this.execution.arn, taskRoleArn: this.task.arn });
  }
}

/** What ECS needs to start a task. */
function executionStatements({ context, ...args }: TaskRolesArgs): readonly Statement[] {
  const images: readonly Statement[] = [
    // Gives a login to registries of the account, and has no resource.
    { Sid: "LoginToRegistry", Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
    {
      Sid: "PullImages",
      Effect: "Allow",
      Action: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      Resource: args.repositoryArns,
    },
  ];
  return [
    ...(args.repositoryArns.length === 0 ? [] : images),
    {
      Sid: "WriteLogs",
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: args.logGroupArns.map((arn) => pulumi.interpolate`${arn}:*`),
    },
    ...secretStatements({ context, ...args }),
  ];
}

/** Reading secrets, and nothing else with their key. */
export function secretStatements(
  { context, secretArns, dataKeyArn }: Pick<TaskRolesArgs, "context" | "secretArns" | "dataKeyArn">,
  actions: Statement["Action"] = "secretsmanager:GetSecretValue",
): readonly Statement[] {
  return [
    { Sid: "ReadSecrets", Effect: "Allow", Action: actions, Resource: secretArns },
    {
      Sid: "DecryptSecrets",
      Effect: "Allow",
      Action: "kms:Decrypt",
      Resource: dataKeyArn,
      Condition: { StringEquals: { "kms:ViaService": `secretsmanager.${context.region}.amazonaws.com` } },
    },
  ];
}

/** What the app may do. */
export function taskStatements({ context, uses }: Pick<TaskRolesArgs, "context" | "uses">): readonly Statement[] {
  const { uploads, sqs, kafka, database } = uses;
  const allow = (
    Sid: string,
    Action: readonly string[],
    Resource: Statement["Resource"],
    Condition?: Statement["Condition"],
  ): Statement => ({
    Sid,
    Effect: "Allow",
    Action,
    ...(Resource === undefined ? {} : { Resource }),
    ...(Condition === undefined ? {} : { Condition }),
  });
  const via = (service: string): Statement["Condition"] => ({
    StringEquals: { "kms:ViaService": `${service}.${context.region}.amazonaws.com` },
  });
  const KEY_USE = ["kms:Decrypt", "kms:GenerateDataKey"];
  return [
    ...(uploads === undefined
      ? []
      : [
          allow(
            "KeepUploads",
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            pulumi.interpolate`${uploads.bucketArn}/${DOCUMENTS_PREFIX}*`,
          ),
          // Who signs a form can give no right that is not his own.
          allow("TakeUploads", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], pulumi.interpolate`${uploads.bucketArn}/${INCOMING}*`),
          // S3 says "forbidden" of what is not there to those who may not list. Who asks for one file names no prefix: hence IfExists.
          allow("FindUploads", ["s3:ListBucket"], uploads.bucketArn, {
            StringLikeIfExists: { "s3:prefix": [`${DOCUMENTS_PREFIX}*`, `${INCOMING}*`] },
          }),
          allow("UseKeyOfUploads", KEY_USE, uploads.kmsKeyArn, via("s3")),
        ]),
    ...(sqs === undefined
      ? []
      : [
          allow(
            "UseQueueOfEvents",
            ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
            sqs.queueArn,
          ),
          allow("UseKeyOfQueue", KEY_USE, sqs.kmsKeyArn, via("sqs")),
        ]),
    ...(kafka === undefined ? [] : kafkaStatements(kafka.clusterArn, allow)),
    ...(database === undefined ? [] : [allow("LoginToDatabase", ["rds-db:connect"], database.userArns)]),
  ];
}

/** Topics and groups of one cluster: their ARNs are the cluster's with another kind in its place. */
function kafkaStatements(
  clusterArn: pulumi.Input<string>,
  allow: (Sid: string, Action: readonly string[], Resource: Statement["Resource"]) => Statement,
): readonly Statement[] {
  const below = (kind: string): pulumi.Output<string> =>
    pulumi.output(clusterArn).apply((arn) => `${arn.replace(":cluster/", `:${kind}/`)}/*`);
  return [
    allow(
      "ConnectToBrokers",
      ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster", "kafka-cluster:WriteDataIdempotently"],
      clusterArn,
    ),
    allow(
      "UseTopics",
      [
        "kafka-cluster:CreateTopic",
        "kafka-cluster:DescribeTopic",
        "kafka-cluster:DescribeTopicDynamicConfiguration",
        "kafka-cluster:ReadData",
        "kafka-cluster:WriteData",
      ],
      below("topic"),
    ),
    allow("UseGroups", ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"], below("group")),
  ];
}

/** ARN of the repository of an image in an ECR; `undefined` for other registries. */
export function ecrRepositoryArn(reference: string): string | undefined {
  const match = /^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([^@:]+)/.exec(reference);
  const [, accountId, region, repository] = match ?? [];
  if (accountId === undefined || region === undefined || repository === undefined) return undefined;
  return `arn:${partitionOf(region)}:ecr:${region}:${accountId}:repository/${repository}`;
}
