import { atMost, p95, unwatched, type Watched } from "../alarms";
import { isReplica } from "../connections";
import { UNKNOWN, type Graph, type Resource } from "../graph";
import { isSet } from "../parts";
import { flag, isGiven, items, number, text } from "../read";
import { STACK, rulesOf, type Part } from "../rule";
import { isTaggable } from "../taggable";
import { AWS, DEPLOYMENT } from "../types";

/** Seconds a replica may be behind (A7, E10). */
const MOST_LAG_SECONDS = 5;
const BUDGET_PERCENTS = [50, 80, 100];
const REGION =
  /\b(?:af|ap|ca|cn|eu|il|me|mx|sa|us)(?:-gov|-iso[a-z]?)?-(?:central|north|south|east|west|northeast|northwest|southeast|southwest)-\d\b/g;
/** Where CloudFront's certificates, firewalls and metrics are, whatever the stack's regions. */
const GLOBAL_REGION = "us-east-1";

const watch =
  (...metrics: readonly (string | Watched)[]): Part =>
  (resource, graph) =>
    unwatched(
      resource,
      graph,
      metrics.map((metric) => (typeof metric === "string" ? { metric } : metric)),
    );

/** Pods of clusters that AWS does not run have no figures in CloudWatch. */
const watchPods: Part = (resource, ...rest) => {
  if (rest[0].ofType(AWS.eksCluster).length === 0) return undefined;
  return watch("pod_cpu_utilization", "pod_memory_utilization_over_pod_limit", "replicas_ready")(resource, ...rest);
};

const isDeadLetterOf = (queue: Resource, graph: Graph): boolean =>
  graph.ofType(AWS.queue).some((other) => {
    const policy = other.inputs["redrivePolicy"];
    if (policy === UNKNOWN) return graph.targets(other, "redrivePolicy", AWS.queue).includes(queue);
    const arn = queue.outputs["arn"];
    return typeof policy === "string" && typeof arn === "string" && policy.includes(`"${arn}"`);
  });

const budget: Part = (_stack, graph) => {
  const notifications = graph.ofType(AWS.budget).flatMap((each) => items(each, "notifications"));
  const actual = notifications.filter((one) => text(one, "notificationType") === "ACTUAL").map((one) => number(one, "threshold"));
  const missing = BUDGET_PERCENTS.filter((percent) => !actual.includes(percent));
  return [
    ...(missing.length === 0 ? [] : [`no budget tells when ${missing.join(" %, ")} % are spent`]),
    ...(notifications.some((one) => text(one, "notificationType") === "FORECASTED") ? [] : ["no budget tells that too much will be spent"]),
  ];
};

/** Regions that a stack's resources name, against those its providers are for. */
const namesOwnRegions: Part = (_stack, graph) => {
  const own = new Set([GLOBAL_REGION]);
  for (const provider of graph.ofType("pulumi:providers:aws")) own.add(text(provider, "region"));
  // Without an explicit provider the region is the environment's, and nothing here knows it.
  if (own.size === 1) return "it has no explicit provider for aws; allowed: one for each region";
  return graph.resources
    .filter(({ type }) => type.startsWith("aws:"))
    .flatMap((resource) => {
      const named = new Set(JSON.stringify(resource.inputs).match(REGION) ?? []);
      return [...named]
        .filter((region) => !own.has(region))
        .map((region) => `${resource.name} names region ${region}; allowed: ${[...own].join(", ")}`);
    });
};

const tagged: Part = (_stack, graph) =>
  graph.resources
    .filter((resource) => isTaggable(resource.type) && !isGiven(resource, "tags") && !isGiven(resource, "tagsAll"))
    .map((resource) => `${resource.type} ${resource.name} has no tags`);

/** Rules of what people need to run the stack. */
export const operations = rulesOf("operations", {
  "alarms-load-balancer": {
    title: "Errors of the load balancer and of the app are noticed",
    remediation: "Add alarms on the metrics named, with the dimension LoadBalancer; TargetResponseTime by p95.",
    types: [AWS.loadBalancer],
    scope: "graph",
    parts: [watch("HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count", { metric: "TargetResponseTime", also: p95 })],
  },
  "alarms-targets": {
    title: "Targets that are not healthy are noticed",
    remediation: "Add an alarm on UnHealthyHostCount with the dimension TargetGroup.",
    types: [AWS.targetGroup],
    scope: "graph",
    parts: [watch("UnHealthyHostCount")],
  },
  "alarms-ecs": {
    title: "A service that is short of CPU, memory or tasks is noticed",
    remediation:
      "Add alarms on the metrics named, with the dimensions ClusterName and ServiceName; RunningTaskCount against DesiredTaskCount.",
    types: [AWS.ecsService],
    scope: "graph",
    parts: [watch("CPUUtilization", "MemoryUtilization", "RunningTaskCount")],
  },
  "alarms-eks": {
    title: "Pods that are short of CPU, of memory, or of each other are noticed, in each cluster",
    remediation:
      "Add alarms on the metrics named of Container Insights, with the dimensions ClusterName, Namespace and PodName; replicas_ready against replicas_desired.",
    types: [AWS.eksCluster, DEPLOYMENT],
    scope: "graph",
    parts: [watchPods],
  },
  "alarms-rds": {
    title: "A database that is short of CPU, storage or connections is noticed, and a replica that falls behind",
    remediation: "Add alarms on the metrics named, with the dimension DBInstanceIdentifier; ReplicaLag at 5 s.",
    types: [AWS.dbInstance],
    scope: "graph",
    parts: [
      watch("CPUUtilization", "FreeStorageSpace", "DatabaseConnections"),
      (instance, ...rest) =>
        isReplica(instance) ? watch({ metric: "ReplicaLag", also: atMost(MOST_LAG_SECONDS) })(instance, ...rest) : undefined,
    ],
  },
  "alarms-elasticache": {
    title: "A cache that is short of memory or of its engine's thread is noticed",
    remediation: "Add alarms on the metrics named, with the dimension CacheClusterId.",
    types: [AWS.cacheReplication],
    scope: "graph",
    parts: [watch("Evictions", "DatabaseMemoryUsagePercentage", "EngineCPUUtilization")],
  },
  "alarms-queues": {
    title: "Messages that wait too long, or that nobody could handle, are noticed",
    remediation:
      "Add alarms with the dimension QueueName: ApproximateAgeOfOldestMessage; for dead letters ApproximateNumberOfMessagesVisible above 0.",
    types: [AWS.queue],
    scope: "graph",
    parts: [
      (queue, ...rest) =>
        isDeadLetterOf(queue, rest[0])
          ? watch({ metric: "ApproximateNumberOfMessagesVisible", also: atMost(0) })(queue, ...rest)
          : watch("ApproximateAgeOfOldestMessage")(queue, ...rest),
    ],
  },
  "alarms-actions": {
    title: "Alarms reach somebody",
    cites: ["CKV_AWS_319", "CloudWatch.15"],
    remediation: "Set alarmActions to an SNS topic.",
    types: [AWS.alarm],
    parts: [
      isSet("alarmActions"),
      (alarm) =>
        isGiven(alarm, "actionsEnabled") && !flag(alarm, "actionsEnabled") ? "actionsEnabled is false; allowed: true" : undefined,
    ],
  },
  budget: {
    title: "A budget tells at 50, 80 and 100 % of what may be spent, and when more is to be expected",
    remediation: "Add an aws.budgets.Budget with notifications ACTUAL at 50, 80 and 100 %, and FORECASTED.",
    types: [STACK],
    scope: "graph",
    parts: [budget],
  },
  tags: {
    title: "Every resource that can have tags has some",
    cites: ["Tag.1"],
    remediation: "Hand the context's tags to the resource.",
    types: [STACK],
    scope: "graph",
    parts: [tagged],
  },
  regions: {
    title: "Resources name no region but those of the stack's providers",
    remediation: "Take the region from the context instead of writing it down.",
    types: [STACK],
    scope: "graph",
    parts: [namesOwnRegions],
  },
});
