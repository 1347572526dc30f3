import { type AwsContext, physicalName } from "../context";

/** Name of a stack's EKS cluster, known before it is there: others carry it in their tags. */
export function clusterName(context: AwsContext): string {
  return physicalName(context, "cluster");
}

/**
 * Tags without which EKS Auto Mode may not register targets in a target group that it has not made itself: the policy
 * AmazonEKSLoadBalancingPolicy allows it for these only.
 */
export function clusterTags(context: AwsContext): Record<string, string> {
  return { "eks:eks-cluster-name": clusterName(context) };
}
