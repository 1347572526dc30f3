import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { type AwsContext, tagsOf } from "../context";
import { serviceRole, type ServiceRole, type ServiceRoleArgs } from "../iam";

/** A role that pods work as, by EKS Pod Identity: its agent on the node hands them credentials that last hours. */
export function podRole(
  name: string,
  args: Omit<ServiceRoleArgs, "service" | "assumedBy" | "onlyOwnAccount">,
  parent: pulumi.Resource,
): ServiceRole {
  // Tags say which cluster, namespace and account it is for.
  return serviceRole(name, { ...args, service: "pods.eks.amazonaws.com", assumedBy: ["sts:AssumeRole", "sts:TagSession"] }, parent);
}

export interface PodIdentityArgs {
  readonly context: AwsContext;
  readonly clusterName: pulumi.Input<string>;
  readonly namespace: pulumi.Input<string>;
  /** Name of the pods' service account; it need not exist yet. */
  readonly serviceAccount: string;
  readonly roleArn: pulumi.Input<string>;
}

/** Ties a role to a service account. Pods made before are not given it, so who makes pods waits for this. */
export function podIdentity(name: string, args: PodIdentityArgs, opts: pulumi.CustomResourceOptions): aws.eks.PodIdentityAssociation {
  const { context, ...association } = args;
  return new aws.eks.PodIdentityAssociation(name, { ...association, tags: tagsOf(context, name) }, opts);
}
