import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, tagsOf } from "../context";

const defaults = {
  /** Percent of a service's CPU and memory that is aimed at. */
  cpuPercent: 65,
  memoryPercent: 75,
  /** Seconds between two steps: quick to grow, slow to shrink, because a task takes longer to be there than to go. */
  outSeconds: 60,
  inSeconds: 300,
} as const;

type Metric = aws.types.input.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetric;

/** A figure of CloudWatch. */
export interface MetricSource {
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, pulumi.Input<string>>>;
  readonly statistic: "Average" | "Maximum" | "Sum";
}

export interface AutoscalingArgs extends AwsArgs {
  readonly clusterName: pulumi.Input<string>;
  readonly serviceName: pulumi.Input<string>;
  /** Fewest tasks; two or more where nobody should notice the loss of one. */
  readonly minTasks: number;
  readonly maxTasks: number;
  /** Percent. @default 65 */
  readonly cpuPercent?: number;
  /** Percent. @default 75 */
  readonly memoryPercent?: number;
  /** Requests of one task a minute, counted by the load balancer. @default not looked at */
  readonly requests?:
    | {
        readonly perTarget: number;
        readonly loadBalancerSuffix: pulumi.Input<string>;
        readonly targetGroupSuffix: pulumi.Input<string>;
      }
    | undefined;
  /** Waiting messages for each running task. @default not looked at */
  readonly backlog?: { readonly perTask: number; readonly waiting: MetricSource } | undefined;
}

/**
 * How many tasks a service has (feature A15): as many as the hungriest of its figures asks for, and fewer only when all of them agree.
 */
export class Autoscaling extends pulumi.ComponentResource {
  private readonly target: aws.appautoscaling.Target;
  private readonly policies: readonly aws.appautoscaling.Policy[];

  constructor(name: string, args: AutoscalingArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Autoscaling", name, {}, opts);
    if (args.minTasks > args.maxTasks || args.minTasks < 1) {
      throw new Error(`${name}: minTasks is ${args.minTasks}; allowed: 1 to maxTasks, ${args.maxTasks}`);
    }
    this.target = new aws.appautoscaling.Target(
      `${name}-tasks`,
      {
        serviceNamespace: "ecs",
        scalableDimension: "ecs:service:DesiredCount",
        resourceId: pulumi.interpolate`service/${args.clusterName}/${args.serviceName}`,
        minCapacity: args.minTasks,
        maxCapacity: args.maxTasks,
        tags: tagsOf(args.context, `${name}-tasks`),
      },
      { parent: this },
    );
    this.policies = [
      this.follow(`${name}-cpu`, args.cpuPercent ?? defaults.cpuPercent, predefined("ECSServiceAverageCPUUtilization")),
      this.follow(`${name}-memory`, args.memoryPercent ?? defaults.memoryPercent, predefined("ECSServiceAverageMemoryUtilization")),
      ...(args.requests === undefined
        ? []
        : [
            this.follow(
              `${name}-requests`,
              args.requests.perTarget,
              predefined(
                "ALBRequestCountPerTarget",
                pulumi.interpolate`${args.requests.loadBalancerSuffix}/${args.requests.targetGroupSuffix}`,
              ),
            ),
          ]),
      ...(args.backlog === undefined ? [] : [this.follow(`${name}-backlog`, args.backlog.perTask, backlog(args, args.backlog.waiting))]),
    ];
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): { readonly target: aws.appautoscaling.Target; readonly policies: readonly aws.appautoscaling.Policy[] } {
    return { target: this.target, policies: this.policies };
  }

  private follow(name: string, targetValue: number, metric: Partial<Tracking>): aws.appautoscaling.Policy {
    const { serviceNamespace, scalableDimension, resourceId } = this.target;
    const tracking = { targetValue, scaleOutCooldown: defaults.outSeconds, scaleInCooldown: defaults.inSeconds, ...metric };
    return new aws.appautoscaling.Policy(
      name,
      {
        policyType: "TargetTrackingScaling",
        serviceNamespace,
        scalableDimension,
        resourceId,
        targetTrackingScalingPolicyConfiguration: tracking,
      },
      { parent: this },
    );
  }
}

type Tracking = aws.types.input.appautoscaling.PolicyTargetTrackingScalingPolicyConfiguration;

function predefined(predefinedMetricType: string, resourceLabel?: pulumi.Input<string>): Partial<Tracking> {
  return { predefinedMetricSpecification: { predefinedMetricType, ...(resourceLabel === undefined ? {} : { resourceLabel }) } };
}

/** Waiting ÷ running: the number of messages alone would say nothing about how many tasks share them. */
function backlog({ clusterName, serviceName }: AutoscalingArgs, waiting: MetricSource): Partial<Tracking> {
  const of = (id: string, source: MetricSource): Metric => ({
    id,
    returnData: false,
    metricStat: {
      stat: source.statistic,
      metric: {
        namespace: source.namespace,
        metricName: source.metricName,
        dimensions: Object.entries(source.dimensions).map(([name, value]) => ({ name, value })),
      },
    },
  });
  const running: MetricSource = {
    namespace: "ECS/ContainerInsights",
    metricName: "RunningTaskCount",
    dimensions: { ClusterName: clusterName, ServiceName: serviceName },
    statistic: "Average",
  };
  const share = { id: "perTask", expression: "waiting / IF(running > 0, running, 1)", label: "Waiting messages a task", returnData: true };
  return { customizedMetricSpecification: { metrics: [of("waiting", waiting), of("running", running), share] } };
}
