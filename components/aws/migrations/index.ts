import path from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { listed } from "../../transform";
import { type AwsArgs, arnOf, type LogSettings } from "../context";
import { HelperFunction } from "../function";
import type { Cluster } from "../service/cluster";
import { CONTAINER } from "../service/container";
import { taskDefinition, type TaskArgs } from "../service";

const defaults = {
  cpu: 512,
  memoryMb: 1024,
  /** Lambda's longest. */
  timeoutSeconds: 900,
} as const;

export interface MigrationsArgs extends AwsArgs {
  /** The task that migrates: the image and environment of the owner of the tables. */
  readonly task: Omit<TaskArgs, "context" | "cpu" | "memoryMb"> & { readonly logGroup: aws.cloudwatch.LogGroup };
  /** The roles again, as resources: Lambda may hand these two to a task and no other. */
  readonly roles: readonly aws.iam.Role[];
  readonly cluster: Cluster;
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly securityGroupId: pulumi.Input<string>;
  /** How long the log of the function is kept, and the key it is encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
}

/**
 * Schema migrations as one task, run to its end before a new version of the app is rolled out.
 *
 * Pulumi has no resource "run a task once". Here a small function starts the task and waits for it; `aws.lambda.Invocation` calls that function
 * when it is created, and is replaced whenever the task's definition is another one: a new image, or other settings. Whoever depends on this
 * component is touched only after the migration has ended well; when it fails, the update ends with its reason, the old version goes on
 * serving, and the next update tries again. A preview calls nothing.
 *
 * Instead of: an init container in each task (the owner's password in every task, and as many waiting for the lock as are started), or a
 * command on the machine that runs Pulumi (which reaches no database).
 */
export class Migrations extends pulumi.ComponentResource {
  private readonly taskDefinition: aws.ecs.TaskDefinition;
  private readonly runner: HelperFunction;
  private readonly invocation: aws.lambda.Invocation;

  constructor(name: string, args: MigrationsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Migrations", name, {}, opts);
    const { context, task, cluster } = args;
    const { cpu, memoryMb } = defaults;
    this.taskDefinition = taskDefinition(`${name}-task`, { ...task, context, cpu, memoryMb, command: ["migrate"], serves: false }, this);
    this.runner = this.createRunner(`${name}-runner`, args);
    this.invocation = new aws.lambda.Invocation(
      `${name}-run`,
      {
        functionName: this.runner.functionName,
        input: pulumi.jsonStringify({
          cluster: cluster.clusterArn,
          taskDefinition: this.taskDefinition.arn,
          subnets: [...args.subnetIds],
          securityGroups: [args.securityGroupId],
          container: CONTAINER,
          logGroup: task.logGroup.name,
        }),
        triggers: { taskDefinition: this.taskDefinition.arn },
        lifecycleScope: "CREATE_ONLY",
      },
      { parent: this, dependsOn: listed(opts?.dependsOn) },
    );
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly taskDefinition: aws.ecs.TaskDefinition;
    readonly runner: HelperFunction;
    readonly invocation: aws.lambda.Invocation;
  } {
    return { taskDefinition: this.taskDefinition, runner: this.runner, invocation: this.invocation };
  }

  private createRunner(name: string, args: MigrationsArgs): HelperFunction {
    const { context, cluster, logs } = args;
    const inCluster = { ArnEquals: { "ecs:cluster": cluster.clusterArn } };
    const tasks = pulumi.interpolate`${arnOf(context, "ecs", "task")}/${cluster.clusterName}/*`;
    return new HelperFunction(
      name,
      {
        context,
        logs,
        description: "Runs the app's migrations as a task and waits for them",
        file: path.join(__dirname, "run-task.mjs"),
        timeoutSeconds: defaults.timeoutSeconds,
        statements: [
          {
            Sid: "StartMigration",
            Effect: "Allow",
            Action: "ecs:RunTask",
            // Any revision of this one task.
            Resource: pulumi.interpolate`${arnOf(context, "ecs", "task-definition")}/${this.taskDefinition.family}:*`,
            Condition: inCluster,
          },
          { Sid: "LookAfterMigration", Effect: "Allow", Action: "ecs:DescribeTasks", Resource: tasks, Condition: inCluster },
          {
            Sid: "TagMigration",
            Effect: "Allow",
            Action: "ecs:TagResource",
            Resource: tasks,
            Condition: { StringEquals: { "ecs:CreateAction": "RunTask" } },
          },
          {
            Sid: "GiveRolesToTasks",
            Effect: "Allow",
            Action: "iam:PassRole",
            Resource: args.roles.map(({ arn }) => arn),
            Condition: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
          },
        ],
      },
      { parent: this },
    );
  }
}
