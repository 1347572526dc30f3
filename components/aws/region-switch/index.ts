import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, physicalName, tagsOf } from "../context";

const defaults = {
  metricName: "TakenOver",
  /** Seconds a value stands for. */
  periodSeconds: 60,
} as const;

export interface RegionSwitchArgs extends AwsArgs {
  /** Namespace of the app's own figures. */
  readonly metricsNamespace: string;
  /** Topic of the second region, which is told when it takes over and when it gives back. */
  readonly topicArn: pulumi.Input<string>;
}

/**
 * The switch that a person sets when the second region takes over, and with which the first one gets no request any more, even when it comes
 * back in the middle of it. It is a figure of CloudWatch in the second region, 1 or 0, and a health check of Route 53 that goes by it: setting it
 * asks nothing of the first region, nor of the part of Route 53 that changes records. Without a figure the last one stands.
 */
export class RegionSwitch extends pulumi.ComponentResource {
  /** Of the records that lead to the first region: unhealthy once the second one has taken over. */
  readonly healthCheckId: pulumi.Output<string>;
  private readonly alarm: aws.cloudwatch.MetricAlarm;
  private readonly healthCheck: aws.route53.HealthCheck;

  constructor(name: string, args: RegionSwitchArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:RegionSwitch", name, {}, opts);
    const { context, metricsNamespace, topicArn } = args;
    this.alarm = new aws.cloudwatch.MetricAlarm(
      `${name}-alarm`,
      {
        name: physicalName(context, `${name}-alarm`),
        alarmDescription: "The second region has taken over: see docs/region-failover.md for what has to follow",
        namespace: metricsNamespace,
        metricName: defaults.metricName,
        statistic: "Maximum",
        period: defaults.periodSeconds,
        comparisonOperator: "GreaterThanThreshold",
        threshold: 0,
        evaluationPeriods: 1,
        treatMissingData: "ignore",
        alarmActions: [topicArn],
        okActions: [topicArn],
        tags: tagsOf(context, `${name}-alarm`),
      },
      { parent: this },
    );
    this.healthCheck = new aws.route53.HealthCheck(
      `${name}-check`,
      {
        type: "CLOUDWATCH_METRIC",
        cloudwatchAlarmName: this.alarm.name,
        cloudwatchAlarmRegion: context.region,
        // Route 53 looks at the figure, not at the alarm's state.
        insufficientDataHealthStatus: "LastKnownStatus",
        tags: tagsOf(context, `${name}-check`),
      },
      { parent: this },
    );
    this.healthCheckId = this.healthCheck.id;
    this.registerOutputs({ healthCheckId: this.healthCheckId });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly alarm: aws.cloudwatch.MetricAlarm; readonly healthCheck: aws.route53.HealthCheck } {
    return { alarm: this.alarm, healthCheck: this.healthCheck };
  }
}
