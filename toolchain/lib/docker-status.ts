import type Docker from "dockerode";
import {
  SERVICES,
  appReport,
  balancedServers,
  containerName,
  stackContainers,
  type AppReport,
  type BalancedServer,
  type StackOnDocker,
} from "./docker-app";
import { LABELS } from "./docker";
import { messageOf } from "./errors";
import { colours, formatBytes, formatDuration, renderTable } from "./table";

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

/** One app instance's own report, or why there is none. */
export interface InstanceStatus {
  readonly name: string;
  readonly report: AppReport | null;
  readonly problem: string | null;
}

export interface StackStatus {
  readonly stack: string;
  /** `up`: everything runs and is healthy; `degraded`: something does not; `down`: nothing runs. */
  readonly state: "up" | "degraded" | "down";
  readonly phase: string | null;
  readonly url: string | null;
  readonly containers: readonly ContainerStatus[];
  readonly instances: readonly InstanceStatus[];
  /** `null` when the load balancer could not be asked. */
  readonly balancer: readonly BalancedServer[] | null;
}

/** Containers that exist but are not meant to run carry files only. */
export function isMeantToRun(info: { readonly Labels: Readonly<Record<string, string>> }): boolean {
  return info.Labels[LABELS.service] !== "secrets-writer";
}

/** Looks at every container of a stack. Takes about two seconds: Docker's CPU figure is the difference of two samples. */
export async function stackStatus(
  docker: Docker,
  stack: StackOnDocker,
  outputs: { readonly phase: string | null; readonly url: string | null },
): Promise<StackStatus> {
  const infos = (await stackContainers(docker, stack)).filter(isMeantToRun);
  const running = infos.filter((info) => info.State === "running");
  const apps = running.filter((info) => info.Labels[LABELS.service] === SERVICES.app);
  const balancerInfo = running.find((info) => info.Labels[LABELS.service] === SERVICES.loadBalancer);
  // One after the other: asking an instance starts a process in it, which would show up in its CPU figure.
  const containers = await Promise.all(infos.map((info) => containerStatus(docker, info)));
  const [instances, balancer] = await Promise.all([
    Promise.all(apps.map((info) => instanceStatus(docker, info))),
    balancerInfo === undefined ? null : balancerView(docker, balancerInfo),
  ]);
  return { stack: stack.name, state: overallState(containers, instances), ...outputs, containers, instances, balancer };
}

/** `down` when nothing runs, `up` when all containers are healthy and every instance has all its workers. */
export function overallState(containers: readonly ContainerStatus[], instances: readonly InstanceStatus[]): StackStatus["state"] {
  if (!containers.some((container) => container.state === "running")) return "down";
  const well = containers.every((container) => container.state === "running" && ["healthy", "none"].includes(container.health));
  const complete = instances.every(({ report }) => {
    if (report === null) return false;
    return report.cluster.workers.filter((worker) => worker.state === "ready").length >= report.cluster.workersWanted;
  });
  return well && complete ? "up" : "degraded";
}

async function containerStatus(docker: Docker, info: Docker.ContainerInfo): Promise<ContainerStatus> {
  const container = docker.getContainer(info.Id);
  const runs = info.State === "running";
  const [inspected, stats] = await Promise.all([container.inspect(), runs ? container.stats({ stream: false }) : null]);
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

async function instanceStatus(docker: Docker, info: Docker.ContainerInfo): Promise<InstanceStatus> {
  const name = containerName(info);
  try {
    return { name, report: await appReport(docker.getContainer(info.Id)), problem: null };
  } catch (error) {
    // An instance that does not answer is a finding of this command, not its failure.
    return { name, report: null, problem: messageOf(error) };
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

/** The whole status as text. */
export function renderStatus(status: StackStatus): string {
  const state = { up: colours.green("up"), degraded: colours.yellow("degraded"), down: colours.red("down") }[status.state];
  const head = [`stack ${colours.bold(status.stack)}`, state, `phase ${status.phase ?? "unknown"}`, status.url ?? ""]
    .filter(Boolean)
    .join("  ");
  const parts = [head, containersTable(status.containers)];
  if (status.instances.length > 0) parts.push(workersTable(status.instances));
  if (status.balancer !== null) parts.push(balancerTable(status.balancer));
  return parts.join("\n\n");
}

function containersTable(containers: readonly ContainerStatus[]): string {
  const rows = containers.map((one) => [
    one.service,
    one.name,
    paint(one.state, one.state === "running"),
    one.health === "none" ? "–" : paint(one.health, one.health === "healthy"),
    one.cpu === null ? "–" : `${(one.cpu * 100).toFixed(1)} %`,
    one.memoryBytes === null
      ? "–"
      : `${formatBytes(one.memoryBytes)}${one.memoryLimitBytes === null ? "" : ` of ${formatBytes(one.memoryLimitBytes)}`}`,
    one.state === "running" ? formatDuration(one.uptimeSeconds) : "–",
    String(one.restarts),
    one.image,
  ]);
  return renderTable(["service", "container", "state", "health", "cpu", "memory", "up", "restarts", "image"], rows);
}

function workersTable(instances: readonly InstanceStatus[]): string {
  const rows = instances.flatMap(({ name, report, problem }) => {
    if (report === null) return [[name, "–", "–", colours.red("no answer"), "–", "–", "–", problem ?? ""]];
    return report.cluster.workers.map((worker) => [
      name,
      `${worker.slot} of ${report.cluster.workersWanted}`,
      String(worker.pid),
      paint(worker.state, worker.state === "ready"),
      worker.memory === null ? "–" : formatBytes(worker.memory.rssBytes),
      worker.memory === null ? "–" : `${(worker.memory.pressure * 100).toFixed(0)} %`,
      formatDuration(worker.uptimeSeconds),
      String(worker.restarts),
    ]);
  });
  const advice = instances.flatMap(({ name, report }) => {
    if (report === null) return [];
    const { utilization, delayP99Ms } = report.eventLoop;
    const loop = `event loop busy ${(utilization * 100).toFixed(0)} %, p99 ${delayP99Ms.toFixed(0)} ms late`;
    const hint = report.recommendation.action === "none" ? "" : `; ${colours.yellow(report.recommendation.reason)}`;
    return [`${name}: ${loop}${hint}`];
  });
  const table = renderTable(["instance", "worker", "pid", "state", "memory", "of its limit", "up", "restarts"], rows);
  return [table, ...advice].join("\n");
}

function balancerTable(servers: readonly BalancedServer[]): string {
  const rows = servers.map((server) => [server.name, paint(server.state, server.state.startsWith("UP")), String(server.sessions)]);
  return rows.length === 0
    ? colours.yellow("The load balancer sees no instance.")
    : renderTable(["load balancer sees", "state", "requests now"], rows);
}

function paint(text: string, good: boolean): string {
  return good ? colours.green(text) : colours.yellow(text);
}
