import * as pulumi from "@pulumi/pulumi";
import { arnOf, type AwsContext } from "../context";

/**
 * Whom the app works as where it logs in with tokens of IAM instead of a password. Another user than the one with a password: RDS takes no
 * password any more of whom it takes tokens of, and tasks of the former configuration go on until those of the new one are there.
 */
export const IAM_USER = "app_iam";

/** How the app logs in with tokens of IAM. */
export interface IamLogin {
  readonly user: string;
  /** That user on each server and proxy the app connects to, as IAM names it: what its role may do `rds-db:connect` on. */
  readonly userArns: readonly pulumi.Output<string>[];
}

/** A user of Postgres, as IAM names it. @param resourceId that RDS gave a server (`db-…`) or a proxy (`prx-…`); it never changes */
export function userArn(context: AwsContext, resourceId: pulumi.Input<string>, user: string = IAM_USER): pulumi.Output<string> {
  return pulumi.interpolate`${arnOf(context, "rds-db", "dbuser")}:${resourceId}/${user}`;
}

/** Resource id of a proxy, which is the end of its ARN. */
export function proxyResourceId(arn: pulumi.Input<string>): pulumi.Output<string> {
  return pulumi.output(arn).apply((known) => known.split(":").at(-1) ?? "");
}
