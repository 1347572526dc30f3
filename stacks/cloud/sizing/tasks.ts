import { FARGATE_SIZES, type InstanceClass, NODE_CLASSES } from "../classes";
import { BOUNDS, CPU_MS, REQUESTS, TASKS, USERS } from "./ratios";
import { defaultZones, refusal } from "./refusals";
import type { CloudLoad, CloudSizingConfig, NodesPlan, QueuePlan, ServicePlan, WebPlan } from "./types";

/** What so many users ask for. */
export function cloudLoad({ users, peakRequestsPerSecond, events }: CloudSizingConfig): CloudLoad {
  const requests = peakRequestsPerSecond ?? users / USERS.thinkSeconds;
  const databaseWrites = requests * REQUESTS.writes;
  return {
    requests,
    burstRequests: requests * USERS.burst,
    averageRequests: requests * USERS.averageShare,
    databaseReads: requests * REQUESTS.reads,
    databaseWrites,
    jobs: requests * REQUESTS.jobs,
    events: events === "none" ? 0 : databaseWrites * REQUESTS.eventsPerWrite,
  };
}

/** A task before its connections are known. */
type Unpooled<Plan extends ServicePlan> = Omit<Plan, "poolMax" | "replicaPoolMax">;

/** CPU units and MiB of a task with so many virtual CPUs, as Fargate has them. */
export function fargateSize(vcpus: number): { readonly cpu: number; readonly memoryMb: number } {
  const size = FARGATE_SIZES.find(({ cpu }) => cpu >= vcpus * 1024);
  if (size === undefined) throw new RangeError(`vcpus: ${vcpus} is not allowed; Fargate has at most 16.`);
  const wanted = Math.max(size.least, vcpus * TASKS.memoryPerVcpuMb);
  const memoryMb = Math.min(size.most, size.least + Math.ceil((wanted - size.least) / size.step) * size.step);
  return { cpu: size.cpu, memoryMb };
}

/** Tasks that keep so many milliseconds of CPU a second below a bound. */
function tasksFor(cpuMsPerSecond: number, cpu: number, bound: number): number {
  return Math.ceil(cpuMsPerSecond / ((cpu / 1024) * 1000 * bound));
}

/** A disposable stack with little to do has small tasks; with much to do it has the same ones as production. */
function isSmall({ profile }: CloudSizingConfig, { requests }: Pick<CloudLoad, "requests">): boolean {
  return profile === "dev" && requests <= TASKS.smallRequests;
}

function leastTasks({ profile, zones }: CloudSizingConfig, needed: number): number {
  const least = profile === "prod" ? Math.max(TASKS.least, zones ?? defaultZones(profile)) : 1;
  return Math.max(least, Math.ceil(needed * TASKS.leastShare));
}

/**
 * The web service: its tasks keep the busiest minute below {@link BOUNDS.web}, and twice that with the most of them.
 * @throws RunError when webMaxTasks tasks have less CPU than the users need.
 */
export function webTasks(config: CloudSizingConfig, load: CloudLoad): Unpooled<WebPlan> {
  const small = isSmall(config, load) && config.workers === undefined;
  const workers = config.workers ?? (small ? 1 : TASKS.webWorkers);
  // A worker is one thread and uses one CPU.
  const { cpu, memoryMb } = fargateSize(small ? TASKS.smallVcpus : workers);
  const used = load.requests * CPU_MS.web;
  const needed = tasksFor(used, cpu, BOUNDS.web);
  const { webMinTasks, webMaxTasks } = config;
  const minTasks = webMinTasks ?? Math.min(leastTasks(config, needed), webMaxTasks ?? Infinity);
  const maxTasks = webMaxTasks ?? Math.max(tasksFor(used * USERS.burst, cpu, BOUNDS.web), USERS.burst * minTasks);
  const possible = Math.max(1, tasksFor(used, cpu, 1));
  if (maxTasks < possible) {
    throw refusal({
      key: "webMaxTasks",
      value: maxTasks,
      because: `but ${Math.ceil(load.requests)} requests a second keep ${possible} tasks busy`,
      allowed: `at least ${possible}, better ${needed}`,
      fix: needed,
    });
  }
  const requestsPerTarget = Math.floor(((cpu / 1024) * 1000 * BOUNDS.web * 60) / CPU_MS.web);
  return { cpu, memoryMb, workers, minTasks, peakTasks: Math.min(maxTasks, Math.max(minTasks, needed)), maxTasks, requestsPerTarget };
}

/** A service that works on a queue: `perSecond` messages of `milliseconds` each. Without messages it has no tasks. */
export function queueTasks(config: CloudSizingConfig, load: CloudLoad, perSecond: number, milliseconds: number): Unpooled<QueuePlan> {
  const { cpu, memoryMb } = fargateSize(isSmall(config, load) ? TASKS.smallVcpus : 1);
  const backlogPerTask = Math.max(1, Math.floor((TASKS.queueSeconds * 1000 * (cpu / 1024)) / milliseconds));
  if (perSecond === 0) return { cpu, memoryMb, workers: 1, minTasks: 0, peakTasks: 0, maxTasks: 0, backlogPerTask };
  const needed = tasksFor(perSecond * milliseconds, cpu, BOUNDS.queues);
  // Two are enough for work that waits: a lost one's is done by the other.
  const least = config.profile === "prod" ? TASKS.least : 1;
  const minTasks = Math.max(least, Math.ceil(needed * TASKS.leastShare));
  const maxTasks = Math.max(tasksFor(perSecond * milliseconds * USERS.burst, cpu, BOUNDS.queues), USERS.burst * minTasks);
  return { cpu, memoryMb, workers: 1, minTasks, peakTasks: Math.max(minTasks, needed), maxTasks, backlogPerTask };
}

/** Size of nodes by the virtual CPUs the busiest minute needs: larger ones from so many on, for fewer nodes to update and DaemonSets to run. */
const NODE_STEPS = { xlarge: 0, "2xlarge": 48, "4xlarge": 384 } as const;

/** A disposable cluster with no more than this fits on one small node. */
const SMALL_NODE_VCPUS = 2;

/**
 * Nodes of EKS that carry the tasks as pods.
 * @throws RunError for a type that is not known or that a pod does not fit on.
 */
export function eksNodes(config: CloudSizingConfig, services: readonly Unpooled<ServicePlan>[]): NodesPlan {
  const type = nodeType(config, vcpusOf(services, "peakTasks"));
  const largest = Math.max(...services.map(({ cpu }) => cpu / 1024));
  if (largest > type.vcpus) {
    const fitting = NODE_CLASSES[config.cpuArchitecture ?? "x86_64"].find((candidate) => candidate.vcpus >= largest);
    throw refusal({
      key: "nodeType",
      value: type.name,
      because: `which has ${type.vcpus} virtual CPUs, and a task has ${largest}`,
      allowed: fitting === undefined ? "a smaller number of workers" : `${fitting.name} or larger`,
      ...(fitting === undefined ? {} : { fix: fitting.name }),
    });
  }
  return {
    instanceType: type.name,
    vcpus: type.vcpus,
    memoryMb: type.memoryMb,
    podCpuShare: BOUNDS.nodes,
    ...nodeCounts(config, services, type.vcpus),
  };
}

/** Nodes with so many virtual CPUs that carry the tasks: when little is asked for, in the busiest minute, and at most. */
export function nodeCounts(
  { profile, zones }: Pick<CloudSizingConfig, "profile" | "zones">,
  services: readonly Unpooled<ServicePlan>[],
  vcpus: number,
): Pick<NodesPlan, "minNodes" | "peakNodes" | "maxNodes"> {
  // Tasks and nodes have powers of two of them, so that full nodes leave no gaps.
  const nodes = (tasks: TaskCount): number => Math.ceil(vcpusOf(services, tasks) / vcpus);
  const minNodes = Math.max(profile === "prod" ? (zones ?? defaultZones(profile)) : 1, nodes("minTasks"));
  const peakNodes = Math.max(minNodes, nodes("peakTasks"));
  return { minNodes, peakNodes, maxNodes: Math.max(peakNodes + 1, nodes("maxTasks")) };
}

type TaskCount = "minTasks" | "peakTasks" | "maxTasks";

/** Virtual CPUs of so many tasks of all services. */
function vcpusOf(services: readonly Unpooled<ServicePlan>[], tasks: TaskCount): number {
  return services.reduce((sum, service) => sum + (service[tasks] * service.cpu) / 1024, 0);
}

function nodeType(config: CloudSizingConfig, vcpus: number): InstanceClass {
  const architecture = config.cpuArchitecture ?? "x86_64";
  const classes = NODE_CLASSES[architecture];
  const steps = Object.entries(NODE_STEPS).filter(([, from]) => vcpus >= from);
  const size = config.profile === "dev" && vcpus <= SMALL_NODE_VCPUS ? "large" : (steps.at(-1)?.[0] ?? "xlarge");
  const planned = classes.find(({ name }) => name.endsWith(`.${size}`));
  if (planned === undefined) throw new RangeError(`NODE_CLASSES: there is no ${size} of ${architecture}.`);
  const { nodeType: given } = config;
  if (given === undefined) return planned;
  const found = classes.find(({ name }) => name === given);
  if (found !== undefined) return found;
  const known = Object.values(NODE_CLASSES).some((others) => others.some(({ name }) => name === given));
  const because = known ? { because: `and the image is for ${architecture} (cpuArchitecture)` } : {};
  throw refusal({ key: "nodeType", value: given, ...because, allowed: classes.map(({ name }) => name).join(", "), fix: planned.name });
}
