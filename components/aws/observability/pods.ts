import type * as pulumi from "@pulumi/pulumi";
import type { AlarmSpec, Figure } from "./alarms";
import { THRESHOLDS } from "./thresholds";

/** The app's pods on EKS, by the names Container Insights knows them by. */
export interface WatchedPods {
  readonly namespace: pulumi.Input<string>;
  /** Names of the Deployments by role. */
  readonly deployments: Readonly<Record<string, pulumi.Input<string>>>;
}

/**
 * Alarms for pods, under the names that those of ECS have. The figures are of Container Insights with enhanced observability, which the cluster's
 * add-on sends ({@link ClusterAddons}); `PodName` is what made the pods, so it is the Deployment's name (CloudWatch user guide, "Amazon EKS and
 * Kubernetes Container Insights with enhanced observability metrics").
 */
export function podAlarms(clusterName: pulumi.Input<string>, pods?: WatchedPods): readonly AlarmSpec[] {
  if (pods === undefined) return [];
  return Object.entries(pods.deployments).flatMap(([role, deployment]): AlarmSpec[] => {
    const dimensions = { ClusterName: clusterName, Namespace: pods.namespace, PodName: deployment };
    const figure = (metric: string): Figure => ({ namespace: "ContainerInsights", metric, dimensions, statistic: "Average" });
    return [
      {
        name: `${role}-cpu`,
        description: `Pods of ${role}: CPU above ${THRESHOLDS.cpuPercent} % of what they ask for, so autoscaling is at its end or too slow`,
        // Pods have no limit of CPU, so there is no figure for a part of it. Both are parts of a node: used, and asked for.
        figure: { a: figure("pod_cpu_utilization"), b: figure("pod_cpu_reserved_capacity"), expression: "100 * a / b" },
        above: THRESHOLDS.cpuPercent,
        minutes: 5,
        missing: "breaching",
      },
      {
        name: `${role}-memory`,
        description: `Pods of ${role}: memory above ${THRESHOLDS.memoryPercent} % of their limit`,
        figure: figure("pod_memory_utilization_over_pod_limit"),
        above: THRESHOLDS.memoryPercent,
        minutes: 5,
        missing: "breaching",
      },
      {
        name: `${role}-running`,
        description: `Pods of ${role}: fewer are ready than should be; kubectl describe tells of the Deployment, its pods and nodes`,
        figure: { a: figure("replicas_ready"), b: figure("replicas_desired"), expression: "a - b" },
        below: 0,
        minutes: 10,
        missing: "breaching",
      },
    ];
  });
}
