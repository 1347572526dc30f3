import { type AwsContext, physicalName } from "../context";

/**
 * Name of one of a stack's EKS clusters, known before it is there: others carry it in their tags.
 * @param component logical name of the cluster's component
 */
export function clusterName(context: AwsContext, component: string): string {
  return physicalName(context, component);
}

/**
 * Tags without which EKS Auto Mode may not register targets in a target group that it has not made itself: the policy
 * AmazonEKSLoadBalancingPolicy allows it for these only.
 */
export function clusterTags(context: AwsContext, component: string): Record<string, string> {
  return { "eks:eks-cluster-name": clusterName(context, component) };
}
