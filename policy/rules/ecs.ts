import { isWeb, scalingOf } from "../ecs";
import { byProfile, inProd, isAtLeast, isBetween, isNotTrue, isTrue } from "../parts";
import { isGiven, items, number, text } from "../read";
import { rulesOf, type Part } from "../rule";
import { AWS } from "../types";

const insights: Part = (cluster) => {
  const setting = items(cluster, "settings").find((part) => text(part, "name") === "containerInsights");
  const value = setting === undefined ? "not set" : text(setting, "value");
  return ["enabled", "enhanced"].includes(value) ? undefined : `containerInsights is ${value}; allowed: enabled, enhanced`;
};

/** Capacity of a service: on-demand tasks that stay, and spot tasks for the rest; queues can be worked on by spot tasks alone. */
const capacity: Part = (service) => {
  const strategies = items(service, "capacityProviderStrategies");
  if (strategies.length === 0) return "capacityProviderStrategies is not set; allowed: FARGATE and FARGATE_SPOT";
  const named = (provider: string): (typeof strategies)[number] | undefined =>
    strategies.find((strategy) => text(strategy, "capacityProvider") === provider);
  const clauses = named("FARGATE_SPOT") === undefined ? ["it has no FARGATE_SPOT tasks, which cost a third"] : [];
  const onDemand = named("FARGATE");
  const base = onDemand === undefined ? 0 : (number(onDemand, "base") ?? 0);
  if (isWeb(service) && base < 2) clauses.push(`base of FARGATE is ${base}; allowed: at least 2 for the service behind the load balancer`);
  return clauses;
};

/** Autoscaling changes the count; a program that sets it as well would undo that with every update. */
const leavesCountToScaling: Part = (service, graph) => {
  if (scalingOf(service, graph, AWS.scalingTarget).length === 0 || service.ignoreChanges.includes("desiredCount")) return undefined;
  return "desiredCount is scaled, but not in ignoreChanges";
};

/** Rules of ECS clusters and services; containers have a file of their own. */
export const ecs = rulesOf("ecs", {
  "ecs-insights": {
    title: "Clusters have Container Insights",
    cites: ["CKV_AWS_65", "ECS.12"],
    remediation: "Set the cluster's setting containerInsights to enabled.",
    types: [AWS.ecsCluster],
    parts: [insights],
  },
  "ecs-circuit-breaker": {
    title: "A deployment that does not become healthy is rolled back",
    remediation: "Set deploymentCircuitBreaker.enable and .rollback.",
    types: [AWS.ecsService],
    parts: [isTrue("deploymentCircuitBreaker.enable"), isTrue("deploymentCircuitBreaker.rollback")],
  },
  "ecs-rolling": {
    title: "A deployment starts new tasks before it stops old ones",
    remediation: "Set deploymentMinimumHealthyPercent to 100 and deploymentMaximumPercent to 200.",
    types: [AWS.ecsService],
    parts: [isBetween("deploymentMinimumHealthyPercent", 100, 100, 100), isBetween("deploymentMaximumPercent", 200, 200, 200)],
  },
  "ecs-private": {
    title: "Tasks have no public address",
    cites: ["CKV_AWS_333", "ECS.2"],
    remediation: "Set networkConfiguration.assignPublicIp to false; tasks reach out through NAT and endpoints.",
    types: [AWS.ecsService],
    parts: [isNotTrue("networkConfiguration.assignPublicIp")],
  },
  "ecs-platform": {
    title: "Tasks run on the latest Fargate platform",
    cites: ["CKV_AWS_332", "ECS.10"],
    remediation: "Leave platformVersion out, or set it to LATEST.",
    types: [AWS.ecsService],
    parts: [
      (service) =>
        ["", "LATEST"].includes(text(service, "platformVersion"))
          ? undefined
          : `platformVersion is ${text(service, "platformVersion")}; allowed: LATEST`,
    ],
  },
  "ecs-no-exec": {
    title: "Nobody opens a shell in a running task",
    remediation: "Leave enableExecuteCommand off.",
    types: [AWS.ecsService],
    parts: [isNotTrue("enableExecuteCommand")],
  },
  "ecs-capacity": {
    title: "The web service has two tasks that are not interrupted, and spot tasks beside them",
    devRelaxation: "any capacity",
    remediation: "Give capacityProviderStrategies FARGATE with base 2 and FARGATE_SPOT; services of queues may have FARGATE_SPOT alone.",
    types: [AWS.ecsService],
    parts: [inProd(capacity)],
  },
  "ecs-desired-count": {
    title: "A service has two tasks, and leaves their number to autoscaling",
    devRelaxation: "one task",
    remediation: 'Set desiredCount to 2 or more, and ignoreChanges: ["desiredCount"] where the service is scaled.',
    types: [AWS.ecsService],
    scope: "graph",
    parts: [byProfile(isAtLeast("desiredCount", 2, 0), isAtLeast("desiredCount", 1, 0)), leavesCountToScaling],
  },
  "ecs-grace-period": {
    title: "A task behind a load balancer has 30 to 60 seconds to boot before its health counts",
    remediation: "Set healthCheckGracePeriodSeconds to 30 to 60.",
    types: [AWS.ecsService],
    parts: [
      (service, ...rest) =>
        isGiven(service, "loadBalancers") ? isBetween("healthCheckGracePeriodSeconds", 30, 60)(service, ...rest) : undefined,
    ],
  },
  "ecs-steady-state": {
    title: "An update waits until the new tasks are healthy, so that a failed one is seen",
    remediation: "Set waitForSteadyState to true.",
    types: [AWS.ecsService],
    parts: [isTrue("waitForSteadyState")],
  },
});
