import type * as k8s from "@pulumi/kubernetes";

const defaults = {
  /** Feature B12. */
  minPods: 3,
  maxPods: 10,
  /** Percent of what pods ask for. */
  cpuPercent: 70,
  memoryPercent: 80,
  /** Seconds that fewer pods have to be enough before one goes. */
  downSeconds: 300,
  /** Twice as many pods within this at most. */
  upSeconds: 60,
  /** Seconds between two looks of KEDA. */
  pollSeconds: 15,
  /** Seconds a new pod takes at a rollout, one after the other: image, start, the load balancer's first checks. */
  rolloutSecondsPerPod: 60,
  /** Seconds Pulumi waits for a Deployment by itself. */
  pulumiWaits: 600,
} as const;

/** What waits for a role, as a number that somebody else knows. */
export interface Backlog {
  /** Waiting messages for each pod at which another is started. */
  readonly perPod: number;
  readonly source:
    /** A metric that an adapter of the cluster serves (`external.metrics.k8s.io`), e.g. `jobs_waiting`. */
    | { readonly kind: "external"; readonly metricName: string }
    /** A query that KEDA sends to Prometheus. */
    | { readonly kind: "keda"; readonly prometheusUrl: string; readonly query: string };
}

export interface ScalingArgs {
  /** Fewest and most pods. @default 3 and 10 (B12) */
  readonly minPods?: number;
  readonly maxPods?: number;
  /** @default not looked at */
  readonly backlog?: Backlog | undefined;
}

/** The bounds, with their defaults. */
export function podBounds({ minPods = defaults.minPods, maxPods = defaults.maxPods }: ScalingArgs): {
  readonly minPods: number;
  readonly maxPods: number;
} {
  return { minPods, maxPods };
}

/**
 * Seconds an update waits for a rollout of all pods there may be. Pods are replaced one at a time, and Pulumi, which waits ten minutes by
 * itself, would call a rollout of many a failure while it goes on well.
 */
export function rolloutSeconds(args: ScalingArgs): number {
  return Math.max(defaults.pulumiWaits, podBounds(args).maxPods * defaults.rolloutSecondsPerPod);
}

const BEHAVIOR = {
  scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: "Percent", value: 100, periodSeconds: defaults.upSeconds }] },
  scaleDown: {
    stabilizationWindowSeconds: defaults.downSeconds,
    policies: [{ type: "Pods", value: 1, periodSeconds: defaults.upSeconds }],
  },
};

type HpaSpec = k8s.types.input.autoscaling.v2.HorizontalPodAutoscalerSpec;

/** HorizontalPodAutoscaler (B12): as many pods as the hungriest of its figures asks for. */
export function hpaSpec(deployment: string, args: ScalingArgs): HpaSpec {
  const { minPods, maxPods } = podBounds(args);
  const resource = (name: string, averageUtilization: number): k8s.types.input.autoscaling.v2.MetricSpec => ({
    type: "Resource",
    resource: { name, target: { type: "Utilization", averageUtilization } },
  });
  const { backlog } = args;
  return {
    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: deployment },
    minReplicas: minPods,
    maxReplicas: maxPods,
    metrics: [
      resource("cpu", defaults.cpuPercent),
      resource("memory", defaults.memoryPercent),
      ...(backlog?.source.kind === "external"
        ? [
            {
              type: "External",
              external: {
                metric: { name: backlog.source.metricName },
                target: { type: "AverageValue", averageValue: String(backlog.perPod) },
              },
            },
          ]
        : []),
    ],
    behavior: BEHAVIOR,
  };
}

/** KEDA's ScaledObject, which makes an autoscaler of its own with the same figures, and the queue's beside them. */
export function scaledObjectSpec(deployment: string, args: ScalingArgs): Readonly<Record<string, unknown>> {
  const { minPods, maxPods } = podBounds(args);
  const { backlog } = args;
  if (backlog?.source.kind !== "keda") throw new Error(`${deployment}: a ScaledObject needs a backlog that KEDA asks for`);
  const utilization = (type: "cpu" | "memory", percent: number) => ({
    type,
    metricType: "Utilization",
    metadata: { value: String(percent) },
  });
  return {
    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: deployment },
    pollingInterval: defaults.pollSeconds,
    cooldownPeriod: defaults.downSeconds,
    minReplicaCount: minPods,
    maxReplicaCount: maxPods,
    advanced: { horizontalPodAutoscalerConfig: { behavior: BEHAVIOR } },
    triggers: [
      utilization("cpu", defaults.cpuPercent),
      utilization("memory", defaults.memoryPercent),
      {
        type: "prometheus",
        metricType: "AverageValue",
        metadata: { serverAddress: backlog.source.prometheusUrl, query: backlog.source.query, threshold: String(backlog.perPod) },
      },
    ],
  };
}
