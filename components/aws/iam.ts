import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { type AwsContext, tagsOf } from "./context";

/** One statement of a policy, in IAM's own words. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: "Allow" | "Deny";
  readonly Principal?: "*" | Readonly<Record<string, pulumi.Input<string> | readonly pulumi.Input<string>[]>>;
  readonly Action: string | readonly string[];
  readonly Resource?: pulumi.Input<string> | readonly pulumi.Input<string>[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, pulumi.Input<string> | readonly pulumi.Input<string>[]>>>>;
}

/** A policy document as JSON. */
export function policyDocument(statements: readonly Statement[]): pulumi.Output<string> {
  return pulumi.jsonStringify({ Version: "2012-10-17", Statement: statements as Statement[] });
}

/** What {@link serviceRole} needs to know. */
export interface ServiceRoleArgs {
  readonly context: AwsContext;
  /** Service that works as this role, e.g. `ecs-tasks.amazonaws.com`. */
  readonly service: string;
  readonly description: string;
  /** What it may do. @default nothing beside the managed policies */
  readonly statements?: readonly Statement[];
  /** ARNs of AWS' own policies. @default none */
  readonly managedPolicyArns?: readonly string[];
  /** What the service does to become the role. @default only `sts:AssumeRole` */
  readonly assumedBy?: readonly string[];
  /** Only this account's resources may lead the service here, which keeps others from using it (confused deputy). @default true */
  readonly onlyOwnAccount?: boolean;
}

/** A role and its inline policy, which goes with it. */
export interface ServiceRole {
  readonly role: aws.iam.Role;
  readonly policy: aws.iam.RolePolicy | undefined;
  readonly attachments: readonly aws.iam.RolePolicyAttachment[];
}

/** A role that a service of AWS works as, with a policy of its own. */
export function serviceRole(name: string, args: ServiceRoleArgs, parent: pulumi.Resource): ServiceRole {
  const { context, service, description, statements = [], managedPolicyArns = [] } = args;
  const role = new aws.iam.Role(
    name,
    {
      description,
      assumeRolePolicy: policyDocument([
        {
          Sid: "AssumedByService",
          Effect: "Allow",
          Principal: { Service: service },
          Action: args.assumedBy ?? "sts:AssumeRole",
          ...(args.onlyOwnAccount === false ? {} : { Condition: { StringEquals: { "aws:SourceAccount": context.accountId } } }),
        },
      ]),
      tags: tagsOf(context, name),
    },
    { parent },
  );
  const policy =
    statements.length === 0
      ? undefined
      : new aws.iam.RolePolicy(`${name}-policy`, { role: role.name, policy: policyDocument(statements) }, { parent });
  const attachments = managedPolicyArns.map(
    (policyArn, index) => new aws.iam.RolePolicyAttachment(`${name}-managed-${index + 1}`, { role: role.name, policyArn }, { parent }),
  );
  return { role, policy, attachments };
}
