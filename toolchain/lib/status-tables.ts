import { type BalancedServer, isUp } from "./docker-app";
import { renderDataPlane } from "./data-plane-tables";
import type { ContainerStatus, InstanceStatus, StackStatus } from "./docker-status";
import type { Finding } from "./findings";
import type { RunningMove } from "./moves";
import { colours, formatBytes, formatDuration, renderTable } from "./table";

/** The whole status as text. */
export function renderStatus(status: StackStatus): string {
  const state = { up: colours.green("up"), degraded: colours.yellow("degraded"), down: colours.red("down") }[status.state];
  const head = [`stack ${colours.bold(status.stack)}`, state, `phase ${status.phase ?? "unknown"}`, status.url ?? ""]
    .filter(Boolean)
    .join("  ");
  const parts = [
    head,
    ...status.moves.map(moveLine),
    ...(status.findings.length > 0 ? [findingsTable(status.findings)] : []),
    containersTable(status.containers),
  ];
  if (status.data === null) {
    if (status.instances.length > 0) parts.push(workersTable(status.instances));
    parts.push(balancerTable(status.balancer));
  } else {
    // One screen: with everything else that there is, an instance is one line.
    parts.push(status.instances.length > 0 ? instancesTable(status.instances, status.balancer) : balancerLine(status.balancer));
    parts.push(renderDataPlane(status.data));
  }
  if (status.heartbeat === false) parts.push(colours.yellow(UNNOTICED));
  return parts.join("\n\n");
}

function moveLine({ name, progress }: RunningMove): string {
  return `${name} moves the rows to another phase${progress === "" ? "" : `: ${progress}`}. Until it is done the app reads and refuses writes.`;
}

/** No finding: nothing is wrong now. */
const UNNOTICED = "Nobody notices when the whole host, Prometheus or Alertmanager is gone: set alertHeartbeatUrl (README, Monitoring).";

/** What is not well, with where to read on. */
function findingsTable(found: readonly Finding[]): string {
  const rows = found.map(({ severity, what, runbook }) => [
    severity === "critical" ? colours.red("✗") : colours.yellow("!"),
    what,
    `docs/runbooks/${runbook}.md`,
  ]);
  return renderTable(["", "not well", "what to do"], rows);
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
    // Where it is kept says nothing: all are built here.
    one.image.replace(/^.*\//, ""),
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

/** One line an instance: its workers together, the busiest and the fullest of them. */
function instancesTable(instances: readonly InstanceStatus[], balancer: readonly BalancedServer[] | null): string {
  const rows = instances.map(({ service, name, report, problem }) => {
    if (report === null) return [name, service, colours.red("no answer"), "–", "–", "–", "–", problem ?? ""];
    const { workers, workersWanted, respawns } = report.cluster;
    const ready = workers.filter(({ state }) => state === "ready").length;
    const memory = workers.flatMap((worker) => (worker.memory === null ? [] : [worker.memory]));
    return [
      name,
      service,
      paint(`${ready} of ${workersWanted}`, ready >= workersWanted),
      memory.length === 0 ? "–" : formatBytes(Math.max(...memory.map(({ rssBytes }) => rssBytes))),
      memory.length === 0 ? "–" : `${(Math.max(...memory.map(({ pressure }) => pressure)) * 100).toFixed(0)} %`,
      `${(report.eventLoop.utilization * 100).toFixed(0)} %, ${report.eventLoop.delayP99Ms.toFixed(0)} ms`,
      String(respawns.total),
      report.recommendation.action === "none" ? "" : colours.yellow(report.recommendation.reason),
    ];
  });
  const head = ["instance", "role", "workers", "largest", "of its limit", "loop busy, late", "replaced", ""];
  return [renderTable(head, rows), balancerLine(balancer)].join("\n");
}

const UNKNOWN_BALANCER = "the load balancer tells nothing";

function balancerLine(balancer: readonly BalancedServer[] | null): string {
  if (balancer === null) return colours.red(UNKNOWN_BALANCER);
  const up = balancer.filter(isUp).length;
  const now = balancer.reduce((sum, { sessions }) => sum + sessions, 0);
  return `load balancer sees ${paint(`${up} of ${balancer.length} instances up`, up > 0 && up === balancer.length)}, ${now} requests now`;
}

function balancerTable(servers: readonly BalancedServer[] | null): string {
  if (servers === null) return colours.red(UNKNOWN_BALANCER);
  const rows = servers.map((server) => [server.name, paint(server.state, isUp(server)), String(server.sessions)]);
  return rows.length === 0
    ? colours.yellow("The load balancer sees no instance.")
    : renderTable(["load balancer sees", "state", "requests now"], rows);
}

function paint(text: string, good: boolean): string {
  return good ? colours.green(text) : colours.yellow(text);
}
