import type Docker from "dockerode";
import { absences } from "./absences";
import {
  FINISHED_SERVICES,
  SERVICES,
  appReport,
  balancedServers,
  containerName,
  stackContainers,
  type AppReport,
  type BalancedServer,
} from "./docker-app";
import { dataPlaneStatus, type DataPlaneStatus } from "./data-plane";
import { isGone, LABELS } from "./docker";
import { messageOf } from "./errors";
import { findings, type Finding } from "./findings";
import { type RunningMove, runningMoves } from "./moves";
import { type ExportedStack, stackOnDocker } from "./update-recovery";

/** One container of a stack. */
export interface ContainerStatus {
  readonly service: string;
  readonly name: string;
  /** Docker's state: `running`, `exited`, `restarting`, … */
  readonly state: string;
  /** `healthy`, `unhealthy`, `starting`; `none` without a health check. */
  readonly health: string;
  readonly image: string;
  /** 0 when it does not run. */
  readonly uptimeSeconds: number;
  /** Share of one core, 1 = a whole core; `null` when it does not run. */
  readonly cpu: number | null;
  /** Without the page cache, which the kernel takes back when needed; `null` when it does not run. */
  readonly memoryBytes: number | null;
  readonly memoryLimitBytes: number | null;
  /** Starts after the first one by Docker's restart policy. */
  readonly restarts: number;
}

/** One app instance's own report, or why there is none. An image of the user's own has no reports. */
export interface InstanceStatus {
  /** `app`, `jobs` or `consumer`. */
  readonly service: string;
  readonly name: string;
  readonly report: AppReport | null;
  readonly problem: string | null;
}

export interface StackStatus {
  readonly stack: string;
  /** `up`: nothing critical was found; `degraded`: something was; `down`: nothing runs. */
  readonly state: "up" | "degraded" | "down";
  readonly phase: string | null;
  readonly url: string | null;
  readonly containers: readonly ContainerStatus[];
  readonly instances: readonly InstanceStatus[];
  /** `null` when the load balancer could not be asked. */
  readonly balancer: readonly BalancedServer[] | null;
  /** Postgres, PgBouncer, Redis and queues; `null` in a phase without them. */
  readonly data: DataPlaneStatus | null;
  /** What is not well, the gravest first, each with the page that helps. */
  readonly findings: readonly Finding[];
  /** Rows on their way to another phase. */
  readonly moves: readonly RunningMove[];
  /** Whether an outside service is called, and so notices when all of this is gone; `null` without monitoring. */
  readonly heartbeat: boolean | null;
}

/** Services that run the app's image. */
const APP_SERVICES: readonly string[] = [SERVICES.app, SERVICES.jobs, SERVICES.consumer];

/** Containers that tell how their app is. What runs in an image of the user's own nobody knows: a program called in it could be anything, so its health has to do. */
export function isAsked({ Labels: labels }: { readonly Labels: Readonly<Record<string, string>> }): boolean {
  return APP_SERVICES.includes(labels[LABELS.service] ?? "") && labels[LABELS.ownImage] === undefined;
}

/** Containers that exist but are not meant to run carry files only. */
export function isMeantToRun(info: { readonly Labels: Readonly<Record<string, string>> }): boolean {
  return info.Labels[LABELS.service] !== "secrets-writer";
}

/** Containers that serve: neither carriers of files, nor those that did their one thing and stay as its record, in whatever state. */
export function isServing(info: { readonly Labels: Readonly<Record<string, string>> }): boolean {
  return isMeantToRun(info) && !FINISHED_SERVICES.includes(info.Labels[LABELS.service] ?? "");
}

/** Containers `status` shows: all that serve, also where they do not run, and those that are at their one thing now. */
export function isListed(info: { readonly Labels: Readonly<Record<string, string>>; readonly State: string }): boolean {
  return isServing(info) || (isMeantToRun(info) && info.State === "running");
}

/**
 * Looks at every container of a stack, and at what its state has beyond them. Takes about two seconds: Docker's CPU figure is the difference of two
 * samples. What is removed meanwhile is left to the next look.
 * @param stack its name and its state
 */
export async function stackStatus(
  docker: Docker,
  { name, exported }: { readonly name: string; readonly exported: ExportedStack },
  outputs: { readonly phase: string | null; readonly url: string | null },
): Promise<StackStatus> {
  const all = await stackContainers(docker, stackOnDocker(name, exported));
  const away = absences(exported, all, isServing);
  // One after the other: asking an instance starts a process in it, which would show up in its CPU figure.
  const looked = await Promise.all(all.filter(isListed).map(async (info) => ({ info, container: await containerStatus(docker, info) })));
  const there = looked.flatMap(({ info, container }) => (container === undefined ? [] : [{ info, container }]));
  const [infos, containers] = [there.map(({ info }) => info), there.map(({ container }) => container)];
  const running = infos.filter((info) => info.State === "running");
  const apps = running.filter(isAsked);
  const balancerInfo = running.find((info) => info.Labels[LABELS.service] === SERVICES.loadBalancer);
  const asked = Promise.all(apps.map((info) => instanceStatus(docker, info))).then((each) => each.filter((one) => one !== undefined));
  const reports = asked.then((instances) => instances.map(({ report }) => report));
  const [moves, instances, balancer, data] = await Promise.all([
    runningMoves(docker, infos),
    asked,
    balancerInfo === undefined ? null : balancerView(docker, balancerInfo),
    running.length === 0 ? null : dataPlaneStatus(docker, infos, away.removed, reports),
  ]);
  const found = findings({ containers, instances, data, balancer, absences: away });
  const state = overallState(containers, found);
  return { stack: name, state, ...outputs, containers, instances, balancer, data, findings: found, moves, heartbeat: heartbeatOf(infos) };
}

/** Whether Alertmanager calls an outside service, as it was made; `null` when there is none. */
export function heartbeatOf(infos: readonly { readonly Labels: Readonly<Record<string, string>> }[]): boolean | null {
  const alertmanager = infos.find(({ Labels }) => Labels[LABELS.service] === SERVICES.alertmanager);
  return alertmanager === undefined ? null : alertmanager.Labels[LABELS.heartbeat] !== undefined;
}

/** `down` when nothing runs, `up` when nothing critical was found. */
export function overallState(containers: readonly ContainerStatus[], found: readonly Finding[]): StackStatus["state"] {
  if (!containers.some((container) => container.state === "running")) return "down";
  return found.some(({ severity }) => severity === "critical") ? "degraded" : "up";
}

/** `undefined` when it was removed since it was listed. */
async function containerStatus(docker: Docker, info: Docker.ContainerInfo): Promise<ContainerStatus | undefined> {
  const container = docker.getContainer(info.Id);
  const runs = info.State === "running";
  const looked = await Promise.all([container.inspect(), runs ? container.stats({ stream: false }) : null]).catch((error: unknown) => {
    if (isGone(error)) return undefined;
    throw error;
  });
  if (looked === undefined) return undefined;
  const [inspected, answer] = looked;
  // Docker ends its answer without a word when the container goes away between the two samples.
  const stats = (answer as Partial<DockerStats> | null)?.cpu_stats === undefined ? null : answer;
  const started = Date.parse(inspected.State.StartedAt);
  return {
    service: info.Labels[LABELS.service] ?? "",
    name: containerName(info),
    state: info.State,
    health: inspected.State.Health?.Status ?? "none",
    image: inspected.Config.Image,
    uptimeSeconds: runs && started > 0 ? Math.max(0, (Date.now() - started) / 1000) : 0,
    cpu: stats === null ? null : cpuShare(stats),
    memoryBytes: stats === null ? null : usedMemory(stats),
    memoryLimitBytes: inspected.HostConfig.Memory === undefined || inspected.HostConfig.Memory === 0 ? null : inspected.HostConfig.Memory,
    restarts: inspected.RestartCount,
  };
}

/** The parts of Docker's statistics that are used; two samples about a second apart. */
export interface DockerStats {
  readonly cpu_stats: {
    readonly cpu_usage: { readonly total_usage: number };
    readonly system_cpu_usage?: number;
    readonly online_cpus?: number;
  };
  readonly precpu_stats: { readonly cpu_usage: { readonly total_usage: number }; readonly system_cpu_usage?: number };
  readonly memory_stats: { readonly usage?: number; readonly stats?: object };
}

/** Cores in use between the two samples, as `docker stats` computes it (its percentage ÷ 100). */
export function cpuShare(stats: DockerStats): number {
  const used = stats.cpu_stats.cpu_usage.total_usage - stats.precpu_stats.cpu_usage.total_usage;
  const system = (stats.cpu_stats.system_cpu_usage ?? 0) - (stats.precpu_stats.system_cpu_usage ?? 0);
  return system > 0 && used > 0 ? (used / system) * (stats.cpu_stats.online_cpus ?? 1) : 0;
}

/** Memory without inactive page cache; the key differs between cgroup v1 and v2. */
export function usedMemory(stats: DockerStats): number {
  const details = (stats.memory_stats.stats ?? {}) as Record<string, number>;
  const cache = details["total_inactive_file"] ?? details["inactive_file"] ?? 0;
  const usage = stats.memory_stats.usage ?? 0;
  return cache < usage ? usage - cache : usage;
}

/** `undefined` when it was removed since it was listed. */
async function instanceStatus(docker: Docker, info: Docker.ContainerInfo): Promise<InstanceStatus | undefined> {
  const [service, name] = [info.Labels[LABELS.service] ?? "", containerName(info)];
  try {
    return { service, name, report: await appReport(docker.getContainer(info.Id)), problem: null };
  } catch (error) {
    if (isGone(error)) return undefined;
    // An instance that does not answer is a finding of this command, not its failure.
    return { service, name, report: null, problem: messageOf(error) };
  }
}

async function balancerView(docker: Docker, info: Docker.ContainerInfo): Promise<readonly BalancedServer[] | null> {
  try {
    return await balancedServers(docker.getContainer(info.Id));
  } catch {
    // Shown as unknown; the container's own health says the rest.
    return null;
  }
}
