import { HOURS, line, listOf, numberOf, objectOf, type Pricer, type PricingContext, scaled, textOf } from "./pricer";
import type { CostLine, PricedResource } from "./types";

type Role = "web" | "jobs" | "consumer";
const ROLES: readonly Role[] = ["web", "jobs", "consumer"];

/** Which of the app's roles a resource belongs to, by the words of its name. */
function roleOf(name: string): Role | undefined {
  const words = name.split(/[^a-z0-9]+/i);
  return ROLES.find((role) => words.includes(role));
}

/** A service's task definition: the one of the same role, or the only one whose name begins with the service's. */
function taskDefinition(service: PricedResource, { resources }: PricingContext): PricedResource | undefined {
  const all = resources.filter(({ type }) => type === "aws:ecs/taskDefinition:TaskDefinition");
  const role = roleOf(service.name);
  return all.find(({ name }) => role !== undefined && roleOf(name) === role) ?? all.find(({ name }) => name.startsWith(service.name));
}

/** Tasks of Fargate at their full price, spot or not: what spot costs changes by the hour. */
const service: Pricer = (resource, context) => {
  if (textOf(resource.inputs, "launchType") === "EC2") return "its tasks run on instances";
  const definition = taskDefinition(resource, context);
  const cpu = definition && numberOf(definition.inputs, "cpu");
  const memoryMb = definition && numberOf(definition.inputs, "memory");
  if (cpu === undefined || memoryMb === undefined) return "CPU and memory of its tasks are not known";
  const role = roleOf(resource.name);
  const tasks = role === undefined ? numberOf(resource.inputs, "desiredCount") : context.usage.averageTasks[role];
  if (tasks === undefined) return "the number of its tasks is not known";
  const arm = textOf(objectOf(definition?.inputs ?? {}, "runtimePlatform"), "cpuArchitecture") === "ARM64";
  const { price } = context.table;
  const hours = tasks * HOURS;
  return [
    line(
      `${role ?? resource.name}: virtual CPUs`,
      (hours * cpu) / 1024,
      "vCPU hours",
      price(arm ? "fargate.arm.vcpuHour" : "fargate.x86.vcpuHour"),
    ),
    line(
      `${role ?? resource.name}: memory`,
      (hours * memoryMb) / 1024,
      "GB hours",
      price(arm ? "fargate.arm.gbHour" : "fargate.x86.gbHour"),
    ),
  ];
};

/** Metrics of Container Insights, for a cluster and for each of its services [e]. */
const CLUSTER_METRICS = 8;
const SERVICE_METRICS = 10;

const cluster: Pricer = ({ inputs }, { resources, table }) => {
  const insights = listOf(inputs, "settings").some(
    (setting) => JSON.stringify(setting).includes("containerInsights") && !JSON.stringify(setting).includes("disabled"),
  );
  if (!insights) return [];
  const services = resources.filter(({ type }) => type === "aws:ecs/service:Service").length;
  return [line("Container Insights", CLUSTER_METRICS + services * SERVICE_METRICS, "metrics", table.price("cloudwatch.metricMonth"))];
};

/**
 * Figures that Container Insights of EKS takes each minute, each one an observation [e]: of a cluster with its control plane, of a node, and of a pod with
 * its one container (aws/amazon-cloudwatch-agent, translator/translate/otel/exporter/awsemf/kubernetes.go); and pods that each node has beside the app's.
 */
const OBSERVED = { cluster: 200, node: 27, pod: 44, podsOfNode: 5 } as const;
const MINUTES = HOURS * 60;

const addon: Pricer = ({ inputs }, { table, usage: { averageNodes: nodes, averageTasks } }) => {
  if (textOf(inputs, "addonName") !== "amazon-cloudwatch-observability") return [];
  const pods = averageTasks.web + averageTasks.jobs + averageTasks.consumer + nodes * OBSERVED.podsOfNode;
  const observations = (OBSERVED.cluster + nodes * OBSERVED.node + pods * OBSERVED.pod) * MINUTES;
  return [line("Container Insights", observations / 1e6, "million observations", table.price("cloudwatch.millionObservations"))];
};

const eksCluster: Pricer = ({ inputs }, { table, usage, resources }) => {
  const lines: CostLine[] = [line("control plane", HOURS, "hours", table.price("eks.clusterHour"))];
  const auto = objectOf(inputs, "computeConfig")["enabled"] === true;
  if (!auto || resources.some(({ type }) => type === "aws:eks/nodeGroup:NodeGroup")) return lines;
  const hourly = usage.nodeType === undefined ? undefined : table.classHour(usage.nodeType);
  if (hourly === undefined) return `the price of its nodes (${usage.nodeType ?? "of a type not known"}) is not in the table`;
  const nodeHours = usage.averageNodes * HOURS;
  lines.push(line(`nodes, ${usage.nodeType ?? ""}`, nodeHours, "instance hours", hourly));
  lines.push(line("Auto Mode", nodeHours, "instance hours", scaled(hourly, table.price("eks.autoModeShare").usd)));
  return lines;
};

/** GB of a node's root volume when nothing else is asked for (EKS user guide, "Managed node groups"). */
const NODE_DISK_GB = 20;

const nodeGroup: Pricer = ({ inputs }, { table, usage, resources }) => {
  const types = listOf(inputs, "instanceTypes").filter((type) => typeof type === "string");
  const name = types[0] ?? usage.nodeType;
  const hourly = name === undefined ? undefined : table.classHour(name);
  if (name === undefined || hourly === undefined) return `the price of ${name ?? "its instance type"} is not in the table`;
  const groups = resources.filter(({ type }) => type === "aws:eks/nodeGroup:NodeGroup").length;
  const desired = numberOf(objectOf(inputs, "scalingConfig"), "desiredSize") ?? 0;
  const nodes = usage.averageNodes > 0 ? usage.averageNodes / groups : desired;
  const disk = numberOf(inputs, "diskSize") ?? NODE_DISK_GB;
  return [
    line(`nodes, ${name}`, nodes * HOURS, "instance hours", hourly),
    line("root volumes", nodes * disk, "GB", table.price("ebs.gp3.gbMonth")),
  ];
};

/** Functions start migrations and rotate secrets: so many runs a month, of so many seconds [e]. */
const RUNS = { count: 30, seconds: 60 } as const;

const lambda: Pricer = ({ inputs }, { table }) => {
  const gb = (numberOf(inputs, "memorySize") ?? 128) / 1024;
  return [line(`${RUNS.count} runs of ${RUNS.seconds} s`, RUNS.count * RUNS.seconds * gb, "GB seconds", table.price("lambda.gbSecond"))];
};

/** What runs the app. */
export const COMPUTE: Readonly<Record<string, Pricer>> = {
  "aws:ecs/service:Service": service,
  "aws:ecs/cluster:Cluster": cluster,
  "aws:eks/addon:Addon": addon,
  "aws:eks/cluster:Cluster": eksCluster,
  "aws:eks/nodeGroup:NodeGroup": nodeGroup,
  "aws:lambda/function:Function": lambda,
};
