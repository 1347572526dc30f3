import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { type AwsArgs, type LogSettings, tagsOf } from "./context";

/** What {@link logGroup} needs to know. */
export interface LogGroupArgs extends AwsArgs {
  /** Name in CloudWatch; several services write to groups of a prefix of theirs only. */
  readonly groupName: string;
  readonly logs: LogSettings & { readonly kmsKeyArn: pulumi.Input<string> };
}

/** A log group with an end to what it keeps, encrypted with the key of logs. @param name logical name */
export function logGroup(
  name: string,
  { context, groupName, logs }: LogGroupArgs,
  opts?: pulumi.CustomResourceOptions,
): aws.cloudwatch.LogGroup {
  const { retentionDays: retentionInDays, kmsKeyArn: kmsKeyId } = logs;
  return new aws.cloudwatch.LogGroup(name, { name: groupName, retentionInDays, kmsKeyId, tags: tagsOf(context, name) }, opts);
}
