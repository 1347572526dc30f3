import path from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, arnOf, type LogSettings } from "../context";
import { HelperFunction } from "../function";
import type { Service } from "../service";
import type { Cluster } from "../service/cluster";

export interface RolloutChecksArgs extends AwsArgs {
  readonly cluster: Cluster;
  /** Services by role. */
  readonly services: Readonly<Record<string, Service>>;
  /** How long the function's log is kept, and the key it is encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
}

/**
 * Looks, after each new task definition, whether the services run it. AWS' provider waits until a service is stable, and a service that has gone
 * back to its old tasks is: an update that failed would be reported as done (hashicorp/terraform-provider-aws, issue 19519). The looks are
 * resources, replaced with the definition they are for, and the update fails with them.
 */
export class RolloutChecks extends pulumi.ComponentResource {
  private readonly checker: HelperFunction;
  private readonly checks: readonly aws.lambda.Invocation[];

  constructor(name: string, args: RolloutChecksArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:RolloutChecks", name, {}, opts);
    const { context, cluster, services, logs } = args;
    this.checker = new HelperFunction(
      `${name}-checker`,
      {
        context,
        logs,
        description: "Checks that services run what was rolled out",
        file: path.join(__dirname, "check-rollout.mjs"),
        timeoutSeconds: 30,
        statements: [
          {
            Sid: "LookAtServices",
            Effect: "Allow",
            Action: "ecs:DescribeServices",
            Resource: pulumi.interpolate`${arnOf(context, "ecs", "service")}/${cluster.clusterName}/*`,
          },
        ],
      },
      { parent: this },
    );
    this.checks = Object.entries(services).map(([role, { serviceName, nodes }]) => {
      const taskDefinition = nodes.taskDefinition.arn;
      return new aws.lambda.Invocation(
        `${name}-${role}`,
        {
          functionName: this.checker.functionName,
          input: pulumi.jsonStringify({ cluster: cluster.clusterArn, service: serviceName, taskDefinition }),
          triggers: { taskDefinition },
          lifecycleScope: "CREATE_ONLY",
        },
        { parent: this, dependsOn: [nodes.service] },
      );
    });
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly checker: HelperFunction; readonly checks: readonly aws.lambda.Invocation[] } {
    return { checker: this.checker, checks: this.checks };
  }
}
