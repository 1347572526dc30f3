import { isWeb, scaledService, scalingOf } from "../ecs";
import type { Graph, Resource } from "../graph";
import { byProfile, isAtLeast, isBetween } from "../parts";
import { isGiven, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

const TRACKING = "targetTrackingScalingPolicyConfiguration";
const METRIC = `${TRACKING}.predefinedMetricSpecification.predefinedMetricType`;

const isEcs = (scaling: Resource): boolean => text(scaling, "serviceNamespace") === "ecs";

/** A part about policies of ECS services that track the metric. */
const tracks =
  (metric: string, part: Part): Part =>
  (policy, ...rest) =>
    isEcs(policy) && text(policy, METRIC) === metric ? part(policy, ...rest) : undefined;

/** A part about each target of an ECS service, together with what scales it. */
const forService =
  (judge: (policies: readonly Resource[], service: Resource) => string | undefined): Part =>
  (target, graph: Graph) => {
    if (!isEcs(target)) return undefined;
    const service = scaledService(target, graph);
    if (service === undefined) return `resourceId is ${text(target, "resourceId")}; allowed: service/CLUSTER/SERVICE of this stack`;
    return judge(scalingOf(service, graph, AWS.scalingPolicy), service);
  };

const hasMetric = (policies: readonly Resource[], metric: string): boolean => policies.some((policy) => text(policy, METRIC) === metric);

/** Rules of Application Auto Scaling for ECS services (A15). */
export const autoscaling = rulesOf("autoscaling", {
  "autoscaling-cpu": {
    title: "Services are scaled at 60 to 70 % CPU",
    remediation: "Add a target tracking policy on ECSServiceAverageCPUUtilization with targetValue 60 to 70.",
    types: [AWS.scalingTarget, AWS.scalingPolicy],
    scope: "graph",
    parts: [
      (resource, ...rest) =>
        resource.type === AWS.scalingPolicy
          ? tracks("ECSServiceAverageCPUUtilization", isBetween(`${TRACKING}.targetValue`, 60, 70))(resource, ...rest)
          : undefined,
      (resource, ...rest) =>
        resource.type === AWS.scalingTarget
          ? forService((policies) => (hasMetric(policies, "ECSServiceAverageCPUUtilization") ? undefined : "nothing scales it by CPU"))(
              resource,
              ...rest,
            )
          : undefined,
    ],
  },
  "autoscaling-memory": {
    title: "Services are scaled at 75 % memory",
    remediation: "Add a target tracking policy on ECSServiceAverageMemoryUtilization with targetValue 75.",
    types: [AWS.scalingTarget, AWS.scalingPolicy],
    scope: "graph",
    parts: [
      (resource, ...rest) =>
        resource.type === AWS.scalingPolicy
          ? tracks("ECSServiceAverageMemoryUtilization", isBetween(`${TRACKING}.targetValue`, 75, 75))(resource, ...rest)
          : undefined,
      (resource, ...rest) =>
        resource.type === AWS.scalingTarget
          ? forService((policies) =>
              hasMetric(policies, "ECSServiceAverageMemoryUtilization") ? undefined : "nothing scales it by memory",
            )(resource, ...rest)
          : undefined,
    ],
  },
  "autoscaling-requests": {
    title: "The service behind the load balancer is scaled by requests of a task",
    remediation: "Add a target tracking policy on ALBRequestCountPerTarget.",
    types: [AWS.scalingTarget],
    scope: "graph",
    parts: [
      forService((policies, service) =>
        !isWeb(service) || hasMetric(policies, "ALBRequestCountPerTarget") ? undefined : "nothing scales it by requests of a target",
      ),
    ],
  },
  "autoscaling-backlog": {
    title: "Services that work on queues are scaled by what waits for each running task",
    remediation: "Add a target tracking policy with customizedMetricSpecification: visible messages ÷ running tasks.",
    types: [AWS.scalingTarget],
    scope: "graph",
    parts: [
      forService((policies, service) =>
        isWeb(service) || policies.some((policy) => isGiven(policy, `${TRACKING}.customizedMetricSpecification`))
          ? undefined
          : "nothing scales it by its backlog",
      ),
    ],
  },
  "autoscaling-cooldowns": {
    title: "Services grow after 60 seconds and shrink after 300",
    remediation: "Set scaleOutCooldown to 60 and scaleInCooldown to 300.",
    types: [AWS.scalingPolicy],
    parts: [
      (policy, ...rest) => (isEcs(policy) ? isBetween(`${TRACKING}.scaleOutCooldown`, 60, 60)(policy, ...rest) : undefined),
      (policy, ...rest) => (isEcs(policy) ? isBetween(`${TRACKING}.scaleInCooldown`, 300, 300)(policy, ...rest) : undefined),
    ],
  },
  "autoscaling-minimum": {
    title: "A service never shrinks to a single task",
    devRelaxation: "one task",
    remediation: "Set minCapacity to 2 or more.",
    types: [AWS.scalingTarget],
    parts: [
      (target, ...rest) =>
        isEcs(target) ? byProfile(isAtLeast("minCapacity", 2), isAtLeast("minCapacity", 1))(target, ...rest) : undefined,
    ],
  },
});
