import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, logGroupName, type LogSettings, tagsOf } from "../context";
import { serviceRole } from "../iam";
import { logGroup } from "../log-group";

export interface FlowLogsArgs extends AwsArgs {
  readonly vpcId: pulumi.Input<string>;
  /** How long records are kept, and the key they are encrypted with. */
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
}

/** Who talked to whom in a network, and what was refused: records in CloudWatch, one a minute for each pair (CKV2_AWS_11). */
export class FlowLogs extends pulumi.ComponentResource {
  private readonly logGroup: aws.cloudwatch.LogGroup;
  private readonly flowLog: aws.ec2.FlowLog;

  constructor(name: string, args: FlowLogsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:FlowLogs", name, {}, opts);
    const { context, logs, vpcId } = args;
    this.logGroup = logGroup(`${name}-logs`, { context, logs, groupName: logGroupName(context, "network") }, { parent: this });
    const { role, policy } = serviceRole(
      `${name}-role`,
      {
        context,
        service: "vpc-flow-logs.amazonaws.com",
        description: "Writes the network's flow logs",
        statements: [
          {
            Sid: "WriteFlowLogs",
            Effect: "Allow",
            Action: ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            Resource: pulumi.interpolate`${this.logGroup.arn}:*`,
          },
        ],
      },
      this,
    );
    this.flowLog = new aws.ec2.FlowLog(
      `${name}-log`,
      {
        vpcId,
        trafficType: "ALL",
        logDestinationType: "cloud-watch-logs",
        logDestination: this.logGroup.arn,
        iamRoleArn: role.arn,
        maxAggregationInterval: 60,
        tags: tagsOf(context, `${name}-log`),
      },
      { parent: this, dependsOn: policy === undefined ? [] : [policy] },
    );
    this.registerOutputs({ logGroupName: this.logGroup.name });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly logGroup: aws.cloudwatch.LogGroup; readonly flowLog: aws.ec2.FlowLog } {
    return { logGroup: this.logGroup, flowLog: this.flowLog };
  }
}
