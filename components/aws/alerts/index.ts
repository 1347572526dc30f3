import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { transformed, type Transform } from "../../transform";
import { type AwsArgs, tagsOf } from "../context";
import { policyDocument } from "../iam";

export interface AlertsArgs extends AwsArgs {
  readonly kmsKeyArn: pulumi.Input<string>;
  /** Who is told; AWS asks there once whether that is wanted. */
  readonly email: string;
  /** Changes to the child resources before they are created. */
  readonly transform?: { readonly topic?: Transform<aws.sns.TopicArgs> };
}

/** Where alarms and the budget go: a topic of SNS, encrypted, and one address that gets it all. Other receivers subscribe to the topic. */
export class Alerts extends pulumi.ComponentResource {
  /** Known once alarms and the budget may write to it. */
  readonly topicArn: pulumi.Output<string>;
  private readonly topic: aws.sns.Topic;

  constructor(name: string, args: AlertsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:aws:Alerts", name, {}, opts);
    const { context, kmsKeyArn, email } = args;
    this.topic = new aws.sns.Topic(
      ...transformed(
        args.transform?.topic,
        `${name}-topic`,
        { displayName: `${context.project} ${context.stack}`, kmsMasterKeyId: kmsKeyArn, tags: tagsOf(context, `${name}-topic`) },
        { parent: this },
      ),
    );
    const { arn } = this.topic;
    const policy = new aws.sns.TopicPolicy(
      `${name}-policy`,
      {
        arn,
        policy: policyDocument([
          {
            Sid: "WrittenByAlarmsAndBudget",
            Effect: "Allow",
            Principal: { Service: ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] },
            Action: "sns:Publish",
            Resource: arn,
            Condition: { StringEquals: { "aws:SourceAccount": context.accountId } },
          },
          {
            Sid: "TlsOnly",
            Effect: "Deny",
            Principal: "*",
            Action: "sns:Publish",
            Resource: arn,
            Condition: { Bool: { "aws:SecureTransport": "false" } },
          },
        ]),
      },
      { parent: this },
    );
    new aws.sns.TopicSubscription(`${name}-email`, { topic: arn, protocol: "email", endpoint: email }, { parent: this });
    this.topicArn = pulumi.all([arn, policy.id]).apply(([topicArn]) => topicArn);
    this.registerOutputs({ topicArn: this.topicArn });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly topic: aws.sns.Topic } {
    return { topic: this.topic };
  }
}
