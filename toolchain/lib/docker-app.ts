import type Docker from "dockerode";
import { z } from "zod";
import { DEFAULT_STACK, npmCommand } from "../../stacks/lib/npm-command";
import { LABELS, execIn } from "./docker";
import { UserError } from "./errors";
import { stopIfInterrupted } from "./interrupt";

/** Values of the label `phased-stack.service` that commands address. */
export const SERVICES = {
  app: "app",
  jobs: "jobs",
  consumer: "consumer",
  loadBalancer: "load-balancer",
  postgres: "postgres",
  postgresProxy: "postgres-proxy",
  operator: "postgres-operator",
  pgbouncer: "pgbouncer",
  migrate: "migrate",
  etcd: "etcd",
  redisCache: "redis-cache",
  redisLimits: "redis-limits",
  kafka: "kafka",
  prometheus: "prometheus",
  alertmanager: "alertmanager",
  grafana: "grafana",
  nodeExporter: "node-exporter",
  postgresExporter: "postgres-exporter",
  pgbouncerExporter: "pgbouncer-exporter",
  redisExporter: "redis-exporter",
} as const;

/** Those that carry the rows to another phase, or let a database be written again: values of MOVE_SERVICES in components/local/data-move. */
export const MOVE_SERVICES: readonly string[] = ["data-move", "data-move-back", "data-move-open"];

/** Those that do one thing, once, for which the update, or a command, waited: what became of their containers later says nothing. */
export const FINISHED_SERVICES: readonly string[] = [...MOVE_SERVICES, SERVICES.migrate, "postgres-restore"];

/** Those that watch the others: without them the stack works as well. */
export const MONITORING_SERVICES: readonly string[] = [
  SERVICES.prometheus,
  SERVICES.alertmanager,
  SERVICES.grafana,
  SERVICES.nodeExporter,
  SERVICES.postgresExporter,
  SERVICES.pgbouncerExporter,
  SERVICES.redisExporter,
];

/**
 * A stack on a Docker Engine. Its name is not enough: another clone may have a stack of the same name on the same engine, and that
 * one's containers and data are none of this one's business.
 */
export interface StackOnDocker {
  readonly name: string;
  /** Ids and names of Docker objects in the stack's state. */
  readonly known: ReadonlySet<string>;
}

/**
 * Containers of a stack, running or not, ordered by name: those in its state, and those on a network or volume in its state (what an
 * interrupted update made).
 */
export async function stackContainers(docker: Docker, stack: StackOnDocker, service?: string): Promise<Docker.ContainerInfo[]> {
  const label = [`${LABELS.stack}=${stack.name}`, ...(service === undefined ? [] : [`${LABELS.service}=${service}`])];
  const containers = (await docker.listContainers({ all: true, filters: { label } })).filter((info) => belongsTo(info, stack.known));
  return containers.sort((a, b) => containerName(a).localeCompare(containerName(b)));
}

function belongsTo(info: Docker.ContainerInfo, known: ReadonlySet<string>): boolean {
  const mounts = info.Mounts.map((mount) => mount.Name ?? "");
  return [info.Id, containerName(info), ...Object.keys(info.NetworkSettings.Networks), ...mounts].some((name) => known.has(name));
}

export function containerName(info: Docker.ContainerInfo): string {
  return info.Names[0]?.replace(/^\//, "") ?? info.Id.slice(0, 12);
}

/** One worker process, as its instance reports it. */
const workerSchema = z.object({
  id: z.number(),
  slot: z.number(),
  pid: z.number(),
  state: z.string(),
  uptimeSeconds: z.number(),
  restarts: z.number(),
  memory: z.object({ rssBytes: z.number(), pressure: z.number() }).nullable(),
});

const clusterSchema = z.object({
  clustering: z.boolean(),
  primary: z.object({ pid: z.number(), uptimeSeconds: z.number() }),
  workersWanted: z.number(),
  workers: z.array(workerSchema),
  respawns: z.object({ total: z.number() }),
  reloads: z.object({
    completed: z.number(),
    failed: z.number(),
    running: z.boolean(),
    last: z.object({ ok: z.boolean(), reason: z.string().optional() }).nullable(),
  }),
});

/** What one app container says about its processes. */
export type AppCluster = z.infer<typeof clusterSchema>;

const countsSchema = z.object({ waiting: z.number(), active: z.number(), delayed: z.number(), failed: z.number(), paused: z.boolean() });

const queuesSchema = z.object({
  status: z.string(),
  driver: z.string(),
  reason: z.string().optional(),
  queues: z.record(z.string(), countsSchema),
});

/** Background jobs, as an instance sees them: all of the stack's. */
export type QueueCounts = z.infer<typeof queuesSchema>;

const eventsSchema = z.object({
  status: z.string(),
  enabled: z.boolean(),
  consuming: z.boolean(),
  lag: z.number().nullable(),
  reason: z.string().optional(),
});

/** Events, as an instance sees them: whether it publishes and reads them, and how many wait to be read. */
export type EventsReport = z.infer<typeof eventsSchema>;

const databaseSchema = z.object({ kind: z.enum(["sqlite", "postgres"]), moved: z.literal(true) });

const reportSchema = z.object({
  full: z.object({
    status: z.string(),
    components: z.object({
      cluster: z.unknown(),
      database: z.unknown().optional(),
      queue: z.unknown().optional(),
      events: z.unknown().optional(),
    }),
  }),
  scaling: z.object({
    eventLoop: z.object({ utilization: z.number(), delayP99Ms: z.number() }),
    recommendation: z.object({ action: z.string(), reason: z.string() }),
  }),
});

/** One app container's own report: `node main.js status`. */
export interface AppReport {
  readonly cluster: AppCluster;
  /** Of the worker that answered: share of its time it works (0–1), and how late its timers are. */
  readonly eventLoop: { readonly utilization: number; readonly delayP99Ms: number };
  readonly recommendation: { readonly action: string; readonly reason: string };
  /** `ok`, `warning` or `critical`: the worst of the instance's components. */
  readonly status: string;
  /** The database its rows were moved out of: it refuses every write and is left out by the load balancer. `undefined` when they were not moved. */
  readonly movedFrom: "sqlite" | "postgres" | undefined;
  /** `undefined` when the app (a user's own, perhaps) has none. */
  readonly queues: QueueCounts | undefined;
  /** `undefined` when the app has none. */
  readonly events: EventsReport | undefined;
}

/**
 * Asks an app container for its report, from inside: works for remote engines, and for every instance, which requests through the
 * load balancer would not.
 * @throws Error when the container does not answer or answers something else.
 */
export async function appReport(container: Docker.Container): Promise<AppReport> {
  const { exitCode, stdout, stderr } = await execIn(container, ["node", "main.js", "status"], 15_000);
  if (exitCode !== 0) throw new Error(`node main.js status ended with exit code ${exitCode}: ${(stderr || stdout).trim().slice(0, 300)}`);
  return parseReport(stdout);
}

/**
 * @param text one JSON line
 * @throws Error saying what is missing; where the primary process does not answer the report has no processes in it.
 */
export function parseReport(text: string): AppReport {
  const report = reportSchema.safeParse(JSON.parse(text));
  if (!report.success) throw new Error(`node main.js status: ${z.prettifyError(report.error)}`);
  const { full, scaling } = report.data;
  const cluster = clusterSchema.safeParse(full.components.cluster);
  if (!cluster.success) {
    const { reason } = full.components.cluster as { reason?: unknown };
    throw new Error(typeof reason === "string" ? reason : `node main.js status: ${z.prettifyError(cluster.error)}`);
  }
  const { eventLoop, recommendation } = scaling;
  return {
    cluster: cluster.data,
    status: full.status,
    eventLoop,
    recommendation,
    movedFrom: databaseSchema.safeParse(full.components.database).data?.kind,
    queues: queuesSchema.safeParse(full.components.queue).data,
    events: eventsSchema.safeParse(full.components.events).data,
  };
}

/** Between two looks at an instance whose workers are being replaced, in milliseconds. */
const POLL_MS = 250;

/** Longest wait for one instance: each worker may take 30 s to boot and 30 s to drain. */
export function reloadTimeoutMs(workers: number): number {
  return (workers * 60 + 30) * 1000;
}

/**
 * Replaces all workers of one instance, one after the other, and waits until the last one has been (SIGHUP to its main process).
 * @param onProgress called with the number of workers replaced so far.
 * @throws UserError when the instance reports that it stopped half-way, or does not finish in time.
 */
export async function reloadInstance(
  container: Docker.Container,
  name: string,
  onProgress: (replaced: number, total: number) => void = () => undefined,
): Promise<{ readonly workers: number; readonly durationMs: number }> {
  const started = performance.now();
  const { cluster: before } = await appReport(container);
  if (!before.clustering) {
    const { Labels: labels } = (await container.inspect()).Config;
    throw new UserError(
      `${name} runs as a single process, which cannot be replaced without a gap`,
      `Run it with workers: ${npmCommand(labels[LABELS.stack] ?? DEFAULT_STACK, "up", "--config", "workers=2")}`,
    );
  }
  const finishedBefore = before.reloads.completed + before.reloads.failed;
  const old = new Set(before.workers.map((worker) => worker.pid));
  const deadline = started + reloadTimeoutMs(before.workersWanted);
  await container.kill({ signal: "SIGHUP" });
  for (;;) {
    stopIfInterrupted();
    const { cluster } = await appReport(container);
    const fresh = cluster.workers.filter((worker) => worker.state === "ready" && !old.has(worker.pid)).length;
    onProgress(Math.min(fresh, before.workersWanted), before.workersWanted);
    const finished = cluster.reloads.completed + cluster.reloads.failed > finishedBefore && !cluster.reloads.running;
    if (finished) {
      if (cluster.reloads.last?.ok === true) return { workers: fresh, durationMs: performance.now() - started };
      throw new UserError(`${name} kept its old workers: ${cluster.reloads.last?.reason ?? "the reload failed"}`, `docker logs ${name}`);
    }
    if (performance.now() > deadline) {
      throw new UserError(`${name} did not replace its ${before.workersWanted} workers in time, ${fresh} are new`, `docker logs ${name}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** How the load balancer sees one instance. */
export interface BalancedServer {
  readonly name: string;
  /** `UP`, `DOWN`, `MAINT` (no such instance), … */
  readonly state: string;
  readonly sessions: number;
}

/** Whether the load balancer leads to an instance; one that it begins to doubt is `UP 1/2`. */
export function isUp({ state }: BalancedServer): boolean {
  return state.startsWith("UP");
}

/** The app instances as the load balancer of the stack sees them, from its statistics page inside the network. */
export async function balancedServers(loadBalancer: Docker.Container): Promise<BalancedServer[]> {
  // The image has no HTTP client; bash opens the connection itself.
  const request = "GET /stats?;csv HTTP/1.0\\r\\n\\r\\n";
  const script = `exec 3<>/dev/tcp/127.0.0.1/8404 && printf '${request}' >&3 && cat <&3`;
  const { exitCode, stdout, stderr } = await execIn(loadBalancer, ["bash", "-c", script]);
  if (exitCode !== 0) throw new Error(`the load balancer's statistics cannot be read: ${stderr.trim().slice(0, 200)}`);
  return parseStatistics(stdout);
}

/** Servers of backend `app` in HAProxy's CSV; slots without an instance are left out, and the second view of each that only counts while none is ready. */
export function parseStatistics(csv: string): BalancedServer[] {
  const lines = csv.slice(Math.max(0, csv.indexOf("# pxname"))).split(/\r?\n/);
  const columns = (lines[0] ?? "").replace(/^# /, "").split(",");
  const at = (name: string): number => columns.indexOf(name);
  return lines
    .slice(1)
    .map((line) => line.split(","))
    .filter((fields) => fields[at("pxname")] === "app" && !["FRONTEND", "BACKEND"].includes(fields[at("svname")] ?? ""))
    .filter((fields) => fields[at("bck")] !== "1")
    .map((fields) => ({
      name: fields[at("svname")] ?? "",
      state: fields[at("status")] ?? "",
      sessions: Number(fields[at("scur")] ?? 0),
    }))
    .filter((server) => !server.state.startsWith("MAINT"));
}
