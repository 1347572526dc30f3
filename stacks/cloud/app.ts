import type * as pulumi from "@pulumi/pulumi";
import { Autoscaling, type AutoscalingArgs } from "../../components/aws/autoscaling";
import type { WatchedPods } from "../../components/aws/observability";
import { RolloutChecks } from "../../components/aws/rollout";
import { type Capacity, Cluster, Service, taskEnvironment, taskLogGroup, TaskRoles } from "../../components/aws/service";
import type { AppRole } from "../../components/local/app";
import { appSecrets, appSettings, type AppParts, backlogs, rolesOf, servicesOf, usesOf } from "./app-parts";
import { migrate } from "./migrations";
import type { ServicePlan } from "./sizing/types";
import type { CloudTarget } from "./target";
import type { StackConfig } from "../config";

/** What runs the app, as far as alarms go by it. */
export interface CloudApp {
  readonly cluster: Pick<Cluster, "clusterName">;
  /** On ECS; none on EKS. */
  readonly services: Readonly<Partial<Record<AppRole, Service>>>;
  /** On EKS. @default none */
  readonly pods?: WatchedPods;
  /** What the services of another region wait for. */
  readonly migrated: pulumi.Resource | undefined;
}

/** The app on ECS: migrations first, then web behind the load balancer, and jobs and consumer beside it, each with its autoscaling. */
export function cloudApp(config: StackConfig, target: CloudTarget, parts: AppParts): CloudApp {
  const { context, provider, prefix } = target.home;
  const { plan, profile } = target;
  const cluster = new Cluster(`${prefix}cluster`, { context }, { provider });
  const logGroups = new Map(
    rolesOf(parts).map((role) => [role, taskLogGroup(`${prefix}${role}-logs`, { context, role, logs: parts.logs }, { provider })]),
  );
  const services = servicesOf(context, config, parts);
  const identity = new TaskRoles(
    `${prefix}app-roles`,
    {
      context,
      repositoryArns: parts.repositoryArns,
      logGroupArns: [...logGroups.values()].map(({ arn }) => arn),
      secretArns: appSecrets(parts),
      dataKeyArn: parts.keys.arns.data,
      uses: usesOf(parts),
    },
    { provider },
  );
  const { network, groups, image, edge } = parts;
  const architecture = config.cpuArchitecture === "arm64" ? "ARM64" : "X86_64";
  const runtime = { context, cluster, image: image.reference, architecture, subnetIds: network.subnetIds.private } as const;
  const placed = { ...runtime, securityGroupId: groups.id("app") };
  const migrated = parts.migrated ?? migrate(config, target, parts, placed);
  // A task that starts needs its way out, its rights and the schema; ECS refuses a target group without a listener.
  const after = [
    migrated,
    network,
    ...(parts.ways ?? []),
    ...(parts.pageFiles ?? []),
    ...identity.policies,
    ...edge.loadBalancer.nodes.listeners,
  ];

  const service = (role: AppRole, size: ServicePlan, capacity: Capacity): Service | undefined => {
    const logGroup = logGroups.get(role);
    if (logGroup === undefined) return undefined;
    const settings = {
      ...appSettings(config, image),
      role,
      workers: size.workers,
      trustedProxies: edge.proxies,
      pools: { max: size.poolMax, replicaMax: size.replicaPoolMax },
    };
    const { cpu, memoryMb, minTasks: desiredTasks } = size;
    const { takeover } = parts;
    return new Service(
      `${prefix}${role}`,
      {
        ...placed,
        ...{ role, logGroup, capacity, cpu, memoryMb, desiredTasks },
        environment: taskEnvironment(services, settings),
        takeover: takeover && taskEnvironment(servicesOf(context, config, { ...parts, database: takeover, redisSite: "active" }), settings),
        executionRoleArn: identity.execution.arn,
        taskRoleArn: identity.task.arn,
        targetGroupArn: role === "web" ? edge.loadBalancer.targetGroupArn : undefined,
      },
      { provider, dependsOn: after },
    );
  };
  const web = service("web", plan.web, profile.webCapacity);
  const jobs = service("jobs", plan.jobs, profile.workerCapacity);
  const consumer = service("consumer", plan.consumer, profile.workerCapacity);

  const scale = (role: AppRole, of: Service | undefined, size: ServicePlan, more: Pick<AutoscalingArgs, "requests" | "backlog">): void => {
    if (of === undefined) return;
    const { minTasks, maxTasks } = size;
    const args = { context, clusterName: cluster.clusterName, serviceName: of.serviceName, minTasks, maxTasks, ...more };
    new Autoscaling(`${prefix}${role}-scaling`, args, { provider });
  };
  const { loadBalancer: loadBalancerSuffix, targetGroup: targetGroupSuffix } = edge.loadBalancer.arnSuffixes;
  scale("web", web, plan.web, { requests: { perTarget: plan.web.requestsPerTarget, loadBalancerSuffix, targetGroupSuffix } });
  const { jobs: jobsWaiting, consumer: eventsWaiting } = backlogs(context, parts.events);
  scale("jobs", jobs, plan.jobs, { backlog: { perTask: plan.jobs.backlogPerTask, waiting: jobsWaiting } });
  scale("consumer", consumer, plan.consumer, {
    backlog: eventsWaiting === undefined ? undefined : { perTask: plan.consumer.backlogPerTask, waiting: eventsWaiting },
  });
  const made = { ...(web && { web }), ...(jobs && { jobs }), ...(consumer && { consumer }) };
  new RolloutChecks(`${prefix}rollout`, { context, cluster, services: made, logs: parts.logs }, { provider });
  return { cluster, services: made, migrated };
}
