import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, physicalName, tagsOf } from "../context";
import { type AlarmSpec, alarms, type Figure, type Watched } from "./alarms";
import { dashboardBody } from "./dashboard";

export { type AlarmSpec, alarms, type Watched } from "./alarms";
export { dashboardBody } from "./dashboard";
export type { WatchedPods } from "./pods";
export { THRESHOLDS } from "./thresholds";

/** Seconds a value stands for. */
const PERIOD_SECONDS = 60;

export interface ObservabilityArgs extends AwsArgs {
  readonly watched: Watched;
  /** Topic that alarms go to, when they begin and when they end. */
  readonly topicArn: pulumi.Input<string>;
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly alarm?: Transform<aws.cloudwatch.MetricAlarmArgs> };
}

/** Alarms for what users would notice and for what they would notice soon, and a dashboard with a graph for each. */
export class Observability extends pulumi.ComponentResource {
  /** Address of the dashboard in AWS' console. */
  readonly dashboardUrl: string;
  private readonly alarms: readonly aws.cloudwatch.MetricAlarm[];
  private readonly dashboard: aws.cloudwatch.Dashboard;

  constructor(name: string, args: ObservabilityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Observability", name, {}, opts);
    const { context, watched } = args;
    const specs = alarms(watched);
    this.alarms = specs.map((spec) => this.createAlarm(`${name}-${spec.name}`, spec, args));
    const dashboardName = physicalName(context, name);
    const title = `${context.project} ${context.stack}`;
    this.dashboard = new aws.cloudwatch.Dashboard(
      `${name}-dashboard`,
      { dashboardName, dashboardBody: dashboardBody(title, context.region, specs) },
      { parent: this },
    );
    this.dashboardUrl = `https://${context.region}.console.aws.amazon.com/cloudwatch/home?region=${context.region}#dashboards/dashboard/${dashboardName}`;
    this.registerOutputs({ dashboardUrl: this.dashboardUrl });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly alarms: readonly aws.cloudwatch.MetricAlarm[]; readonly dashboard: aws.cloudwatch.Dashboard } {
    return { alarms: this.alarms, dashboard: this.dashboard };
  }

  private createAlarm(name: string, spec: AlarmSpec, args: ObservabilityArgs): aws.cloudwatch.MetricAlarm {
    const limit =
      spec.below === undefined
        ? { comparisonOperator: "GreaterThanThreshold", threshold: spec.above ?? 0 }
        : { comparisonOperator: "LessThanThreshold", threshold: spec.below };
    return new aws.cloudwatch.MetricAlarm(
      ...transformed(
        args.transform?.alarm,
        name,
        {
          name: physicalName(args.context, name),
          alarmDescription: spec.description,
          ...measured(spec.figure),
          ...limit,
          evaluationPeriods: spec.minutes,
          datapointsToAlarm: spec.minutes,
          treatMissingData: spec.missing,
          alarmActions: [args.topicArn],
          okActions: [args.topicArn],
          tags: tagsOf(args.context, name),
        },
        { parent: this },
      ),
    );
  }
}

function measured(figure: AlarmSpec["figure"]): Partial<aws.cloudwatch.MetricAlarmArgs> {
  if ("a" in figure) {
    const { a, b, expression } = figure;
    return { metricQueries: [{ id: "value", expression, returnData: true }, query("a", a), query("b", b)] };
  }
  const { namespace, metric, dimensions, statistic } = figure;
  const summed = /^p\d/.test(statistic) ? { extendedStatistic: statistic } : { statistic };
  return { namespace, metricName: metric, dimensions: { ...dimensions }, period: PERIOD_SECONDS, ...summed };
}

function query(id: string, { namespace, metric, dimensions, statistic }: Figure): aws.types.input.cloudwatch.MetricAlarmMetricQuery {
  return { id, metric: { namespace, metricName: metric, dimensions: { ...dimensions }, period: PERIOD_SECONDS, stat: statistic } };
}
