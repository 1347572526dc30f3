import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { APP_PORT } from "../../contract";
import type { AppRole } from "../../local/app";
import { listed, transformed, type Transform } from "../../transform";
import { type AwsArgs, type AwsContext, logGroupName, type LogSettings, physicalName, tagsOf } from "../context";
import { logGroup } from "../log-group";
import type { Cluster } from "./cluster";
import { CONTAINER, containerDefinitions, DATA_VOLUME } from "./container";
import type { ContainerEnvironment } from "./environment";

export { Cluster } from "./cluster";
export { STOP_SECONDS } from "./container";
export { databaseUrl, taskEnvironment, taskSecrets, type TaskServices, taskVariables } from "./environment";
export { ecrRepositoryArn, TaskRoles } from "./roles";

const defaults = {
  /** Seconds the load balancer's checks do not count after a task has started: the app is ready within a second, its image has to be pulled first. */
  graceSeconds: 60,
  /** Names under which services are found in the cluster, with the app's port: `http://app:3001`. */
  names: { web: "app", jobs: "jobs", consumer: "consumer" },
} as const;

/** Where a service's tasks run: always there, or cheaper and taken back with two minutes' notice. */
export interface Capacity {
  /** Tasks that always run on FARGATE. */
  readonly base: number;
  /** Of the tasks beyond that, so many on FARGATE … */
  readonly fargate: number;
  /** … for so many on FARGATE_SPOT. */
  readonly spot: number;
}

/** A task's size, image and identity; what services and the task that migrates have in common. */
export interface TaskArgs extends AwsArgs {
  readonly image: pulumi.Input<string>;
  /** What the image is built for. */
  readonly architecture: "X86_64" | "ARM64";
  /** CPU units, 1,024 to a virtual CPU. */
  readonly cpu: number;
  /** MiB; with `cpu` a pair that Fargate has. */
  readonly memoryMb: number;
  readonly environment: ContainerEnvironment;
  readonly executionRoleArn: pulumi.Input<string>;
  readonly taskRoleArn: pulumi.Input<string>;
}

export interface ServiceArgs extends TaskArgs {
  /** What its tasks do (feature A18). */
  readonly role: AppRole;
  readonly cluster: Cluster;
  /** Log of its tasks. */
  readonly logGroup: aws.cloudwatch.LogGroup;
  /** Private subnets, one a zone. */
  readonly subnetIds: readonly pulumi.Input<string>[];
  readonly securityGroupId: pulumi.Input<string>;
  /** Tasks at first; from then on autoscaling says how many, and this is ignored. */
  readonly desiredTasks: number;
  readonly capacity: Capacity;
  /** Environment of a second definition that is kept ready and not used, for the day this region takes over. @default none */
  readonly takeover?: ContainerEnvironment | undefined;
  /** Target group its tasks join. @default none: only other services reach it */
  readonly targetGroupArn?: pulumi.Input<string> | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly taskDefinition?: Transform<aws.ecs.TaskDefinitionArgs>;
    /** A change of the name or the load balancer REPLACES THE SERVICE: its tasks stop before new ones are there. */
    readonly service?: Transform<aws.ecs.ServiceArgs>;
  };
}

/**
 * One of the app's services on ECS Fargate. A new task definition is rolled out beside the old tasks: those go only when new ones are healthy,
 * and after a few that never are, ECS goes back to the old definition by itself and the update fails.
 */
export class Service extends pulumi.ComponentResource {
  readonly serviceName: pulumi.Output<string>;
  private readonly taskDefinition: aws.ecs.TaskDefinition;
  private readonly service: aws.ecs.Service;

  constructor(name: string, args: ServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Service", name, {}, opts);
    this.taskDefinition = taskDefinition(`${name}-task`, { ...args, logGroup: args.logGroup }, this);
    if (args.takeover !== undefined) {
      const ready = { ...args, environment: args.takeover, logGroup: args.logGroup };
      taskDefinition(`${name}-takeover-task`, ready, this);
    }
    this.service = this.createService(`${name}-service`, args, listed(opts?.dependsOn));
    this.serviceName = this.service.name;
    this.registerOutputs({ serviceName: this.serviceName });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly taskDefinition: aws.ecs.TaskDefinition; readonly service: aws.ecs.Service } {
    return { taskDefinition: this.taskDefinition, service: this.service };
  }

  private createService(name: string, args: ServiceArgs, dependsOn: pulumi.Input<pulumi.Resource>[]): aws.ecs.Service {
    const { context, cluster, targetGroupArn } = args;
    const loadBalanced =
      targetGroupArn === undefined
        ? {}
        : {
            loadBalancers: [{ targetGroupArn, containerName: CONTAINER, containerPort: APP_PORT }],
            healthCheckGracePeriodSeconds: defaults.graceSeconds,
          };
    return new aws.ecs.Service(
      ...transformed(
        args.transform?.service,
        name,
        {
          cluster: cluster.clusterArn,
          taskDefinition: this.taskDefinition.arn,
          desiredCount: args.desiredTasks,
          capacityProviderStrategies: strategies(args.capacity),
          platformVersion: "LATEST",
          networkConfiguration: { subnets: [...args.subnetIds], securityGroups: [args.securityGroupId], assignPublicIp: false },
          ...loadBalanced,
          serviceConnectConfiguration: this.serviceConnect(args),
          // Never fewer healthy tasks than there have to be, and room to start as many again beside them.
          deploymentMinimumHealthyPercent: 100,
          deploymentMaximumPercent: 200,
          deploymentCircuitBreaker: { enable: true, rollback: true },
          availabilityZoneRebalancing: "ENABLED",
          enableExecuteCommand: false,
          enableEcsManagedTags: true,
          propagateTags: "SERVICE",
          // The update is over when the new tasks serve, and fails when ECS has gone back to the old ones.
          waitForSteadyState: true,
          tags: tagsOf(context, name),
        },
        { parent: this, ignoreChanges: ["desiredCount"], dependsOn },
      ),
    );
  }

  private serviceConnect({ role, cluster, logGroup, context }: ServiceArgs): aws.types.input.ecs.ServiceServiceConnectConfiguration {
    const discoveryName = defaults.names[role];
    return {
      enabled: true,
      namespace: cluster.namespaceArn,
      services: [{ portName: CONTAINER, discoveryName, clientAlias: [{ dnsName: discoveryName, port: APP_PORT }] }],
      logConfiguration: {
        logDriver: "awslogs",
        options: {
          "awslogs-group": logGroup.name,
          "awslogs-region": context.region,
          "awslogs-stream-prefix": "mesh",
          mode: "non-blocking",
        },
      },
    };
  }
}

function strategies({ base, fargate, spot }: Capacity): aws.types.input.ecs.ServiceCapacityProviderStrategy[] {
  return [
    ...(base + fargate === 0 ? [] : [{ capacityProvider: "FARGATE", base, weight: fargate }]),
    ...(spot === 0 ? [] : [{ capacityProvider: "FARGATE_SPOT", weight: spot }]),
  ];
}

/** The log group of one role's tasks: `/PROJECT/STACK/ROLE`. */
export function taskLogGroup(
  name: string,
  args: { readonly context: AwsContext; readonly role: string; readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> } },
  opts?: pulumi.CustomResourceOptions,
): aws.cloudwatch.LogGroup {
  const { context, role, logs } = args;
  return logGroup(name, { context, logs, groupName: logGroupName(context, role) }, opts);
}

/** One revision of a task. Old ones stay registered, so that ECS, or somebody in a hurry, can go back to them. */
export function taskDefinition(
  name: string,
  args: TaskArgs & {
    readonly logGroup: aws.cloudwatch.LogGroup;
    readonly command?: readonly string[];
    readonly serves?: boolean;
    readonly transform?: { readonly taskDefinition?: Transform<aws.ecs.TaskDefinitionArgs> } | undefined;
  },
  parent: pulumi.Resource,
): aws.ecs.TaskDefinition {
  const { context, image, environment, command, serves = true } = args;
  const { name: logGroup } = args.logGroup;
  return new aws.ecs.TaskDefinition(
    ...transformed(
      args.transform?.taskDefinition,
      name,
      {
        family: physicalName(context, name),
        cpu: String(args.cpu),
        memory: String(args.memoryMb),
        networkMode: "awsvpc",
        requiresCompatibilities: ["FARGATE"],
        runtimePlatform: { operatingSystemFamily: "LINUX", cpuArchitecture: args.architecture },
        executionRoleArn: args.executionRoleArn,
        taskRoleArn: args.taskRoleArn,
        containerDefinitions: containerDefinitions({
          image,
          environment,
          command,
          serves,
          logGroupName: logGroup,
          region: context.region,
        }),
        volumes: [{ name: DATA_VOLUME }],
        skipDestroy: true,
        tags: tagsOf(context, name),
      },
      { parent },
    ),
  );
}
