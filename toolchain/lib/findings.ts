import type { PostgresStatus } from "../../components/local/postgres-operator/src/status-types";
import type { Absences } from "./absences";
import type { DataPlaneStatus } from "./data-plane";
import { type BalancedServer, FINISHED_SERVICES, isUp, MONITORING_SERVICES, SERVICES } from "./docker-app";
import type { ContainerStatus, InstanceStatus } from "./docker-status";
import { candidates } from "./postgres-operator";
import type { RedisStatus } from "./redis-status";
import { formatBytes } from "./table";

/** Pages in docs/runbooks/, without `.md`. */
export const RUNBOOKS = [
  "app-instance-down",
  "backups-failing",
  "disk-full",
  "etcd-down",
  "failed-update",
  "failover-off",
  "heartbeat-missing",
  "host-overloaded",
  "host-rebooted",
  "jobs-waiting",
  "kafka-broker-down",
  "kafka-lagging",
  "load-balancer-down",
  "monitoring-down",
  "no-primary",
  "no-sync-standby",
  "operator-down",
  "pgbouncer-down",
  "pgbouncer-saturated",
  "postgres-node-down",
  "postgres-proxy-down",
  "redis-down",
  "redis-full",
  "replica-lagging",
  "restore",
  "sealed-file",
  "slow-or-failing",
  "split-brain",
  "wal-disk-full",
] as const;
export type Runbook = (typeof RUNBOOKS)[number];

/** Something that somebody should look at. */
export interface Finding {
  /** `critical`: something does not work, or is one failure from it. `warning`: it works, and should be looked at. */
  readonly severity: "critical" | "warning";
  readonly what: string;
  readonly runbook: Runbook;
}

export const FINDING_LIMITS = {
  /** A replica that much behind is not read from by way of the proxy either (postgres-proxy/config.ts). */
  lagBytes: 10 * 1024 * 1024,
  /** PgBouncer gives up after 25 s; the app's requests should be answered within 2. */
  poolWaitMs: 2000,
  /** Share of a Redis that never drops anything by itself. */
  redisFull: 0.9,
  /** Share of the disk that is free. */
  diskWarning: 0.15,
  diskCritical: 0.05,
  /** Jobs that may start but wait; the app itself warns from there on. */
  jobsWaiting: 1000,
  /** Events that wait to be read: minutes of work for a consumer. */
  eventsWaiting: 10_000,
} as const;

const RUNBOOK_OF_SERVICE: Readonly<Record<string, Runbook>> = {
  [SERVICES.app]: "app-instance-down",
  [SERVICES.jobs]: "jobs-waiting",
  [SERVICES.consumer]: "kafka-lagging",
  [SERVICES.kafka]: "kafka-broker-down",
  [SERVICES.loadBalancer]: "load-balancer-down",
  [SERVICES.postgres]: "postgres-node-down",
  [SERVICES.postgresProxy]: "postgres-proxy-down",
  [SERVICES.operator]: "operator-down",
  [SERVICES.pgbouncer]: "pgbouncer-down",
  [SERVICES.etcd]: "etcd-down",
  [SERVICES.redisCache]: "redis-down",
  [SERVICES.redisLimits]: "redis-down",
  ...Object.fromEntries(MONITORING_SERVICES.map((service) => [service, "monitoring-down" as const])),
};

const critical = (runbook: Runbook, what: string): Finding => ({ severity: "critical", what, runbook });
const warning = (runbook: Runbook, what: string): Finding => ({ severity: "warning", what, runbook });

/** What was seen of a stack. */
interface Seen {
  readonly containers: readonly ContainerStatus[];
  readonly instances: readonly InstanceStatus[];
  readonly data: DataPlaneStatus | null;
  /** `null` when the load balancer could not be asked. @default it is not judged */
  readonly balancer?: readonly BalancedServer[] | null;
  /** @default none */
  readonly absences?: Absences;
}

/** What is not well, the gravest first; empty when all is. */
export function findings(status: Seen): Finding[] {
  const sealed = new Set(status.instances.filter(({ report }) => report?.movedFrom !== undefined).map(({ name }) => name));
  const found = [
    ...(status.data === null ? [] : dataFindings(status.data)),
    // That one is unhealthy is how it leaves the load balancer; why is found with the instance.
    ...status.containers.filter(({ name, state }) => !(sealed.has(name) && state === "running")).flatMap(containerFinding),
    ...status.instances.flatMap(instanceFinding),
    ...absenceFindings(status.absences ?? NO_ABSENCES),
    ...balancerFindings(status),
  ];
  return [...found.filter(({ severity }) => severity === "critical"), ...found.filter(({ severity }) => severity === "warning")];
}

const NO_ABSENCES: Absences = { removed: [], cutOff: [], leaving: [] };

function runbookOf(service: string): Runbook {
  return RUNBOOK_OF_SERVICE[service] ?? "host-rebooted";
}

function isWell({ state, health }: ContainerStatus): boolean {
  return state === "running" && ["healthy", "none"].includes(health);
}

function containerFinding(container: ContainerStatus): Finding[] {
  const { service, name, state, health } = container;
  if (isWell(container) || FINISHED_SERVICES.includes(service)) return [];
  return [critical(runbookOf(service), `${name} is ${state === "running" ? health : state}`)];
}

function absenceFindings({ removed, cutOff }: Absences): Finding[] {
  return [
    ...removed.map(({ name, service }) => critical(runbookOf(service), `${name} was removed`)),
    ...cutOff.map(({ name, service, networks }) => critical(runbookOf(service), `${name} is not in its network ${networks.join(", ")}`)),
  ];
}

/**
 * The load balancer's view, where nothing else that was found explains it. Its servers are numbered places, and which instance has which it does
 * not tell: their count is compared. One out of the network, or that was removed, is in no place at all.
 */
function balancerFindings({ containers, instances, balancer, absences = NO_ABSENCES }: Seen): Finding[] {
  if (balancer === undefined || !containers.some(({ state }) => state === "running")) return [];
  const own = containers.find(({ service }) => service === SERVICES.loadBalancer);
  if (own === undefined) {
    const isRemoved = absences.removed.some(({ service }) => service === SERVICES.loadBalancer);
    return isRemoved ? [] : [critical("failed-update", "there is no load balancer: the last update did not get as far as that")];
  }
  const excused = new Set([
    ...absences.cutOff.map(({ name }) => name),
    ...absences.leaving,
    ...instances.filter((instance) => !canServe(instance)).map(({ name }) => name),
  ]);
  // One that has just started has not looked yet.
  if (balancer === null || own.health === "starting" || excused.has(own.name)) return [];
  const ready = containers.filter((one) => one.service === SERVICES.app && isWell(one) && !excused.has(one.name)).length;
  const up = balancer.filter(isUp).length;
  return up >= ready ? [] : [critical("app-instance-down", `the load balancer leads to ${up} of ${ready} instances that are healthy`)];
}

/** Whether the load balancer has reason to lead to an instance; if not, that is a finding of its own. */
function canServe({ report }: InstanceStatus): boolean {
  return report !== null && report.movedFrom === undefined && report.cluster.workers.some(({ state }) => state === "ready");
}

function instanceFinding({ name, report, problem }: InstanceStatus): Finding[] {
  if (report === null) return [critical("app-instance-down", `${name} does not answer: ${problem ?? "no reason known"}`)];
  if (report.movedFrom !== undefined) {
    const [target, runbook] =
      report.movedFrom === "sqlite" ? (["Postgres", "sealed-file"] as const) : (["SQLite", "failed-update"] as const);
    return [critical(runbook, `${name} only reads: its rows were moved to ${target}, and the switch of phase did not end`)];
  }
  const { workers, workersWanted } = report.cluster;
  const ready = workers.filter(({ state }) => state === "ready").length;
  return ready >= workersWanted ? [] : [critical("app-instance-down", `${name} has ${ready} of ${workersWanted} workers`)];
}

function dataFindings({ postgres, proxy, disk, redis, queues, kafka }: DataPlaneStatus): Finding[] {
  return [
    ...(postgres.value === null
      ? [critical("operator-down", `the operator of Postgres does not answer: ${postgres.problem ?? ""}`)]
      : postgresFindings(postgres.value)),
    ...(proxy.value === null ? [critical("postgres-proxy-down", `postgres-proxy does not answer: ${proxy.problem ?? ""}`)] : []),
    ...(proxy.value !== null && proxy.value.primaries.length > 1
      ? [critical("split-brain", `postgres-proxy sees two primaries: ${proxy.value.primaries.join(", ")}`)]
      : []),
    ...(disk.value === null ? [] : diskFinding(disk.value.freeBytes, disk.value.sizeBytes)),
    ...Object.entries(redis).flatMap(([service, { value, problem }]) =>
      value === null ? [critical("redis-down", `${service} does not answer: ${problem ?? ""}`)] : redisFindings(value),
    ),
    ...(queues.value === null ? [] : queueFindings(queues.value)),
    ...(kafka === null ? [] : kafkaFindings(kafka)),
  ];
}

function postgresFindings(status: PostgresStatus): Finding[] {
  const { members, leader, pools, reaper, automaticFailover } = status;
  const primaries = members.filter(({ role }) => role === "primary").map(({ name }) => name);
  const timeline = members.find(({ name }) => name === leader)?.timeline ?? null;
  const found: Finding[] = [];
  if (primaries.length > 1) found.push(critical("split-brain", `${primaries.join(" and ")} say that they are primary`));
  if (leader === null || primaries.length === 0) found.push(critical("no-primary", "Postgres has no primary"));
  else if (candidates(status).length === 0)
    found.push(critical("no-sync-standby", "no standby confirms writes: they are on one disk only"));
  for (const { name, role, state, sync, lagBytes, timeline: own } of members) {
    if (role === "unknown") found.push(critical("postgres-node-down", `${name} does not answer (${state})`));
    else if (role === "standby" && (state !== "streaming" || (sync === null && leader !== null)))
      found.push(critical("postgres-node-down", `${name} does not follow the primary (${state})`));
    else if (timeline !== null && own !== null && own < timeline)
      found.push(critical("postgres-node-down", `${name} is on timeline ${own}, the primary on ${timeline}`));
    else if ((lagBytes ?? 0) > FINDING_LIMITS.lagBytes)
      found.push(warning("replica-lagging", `${name} is ${formatBytes(lagBytes ?? 0)} behind the primary`));
  }
  if (!reaper.healthy) found.push(critical("etcd-down", "the operator does not reach etcd: there is no failover"));
  if (automaticFailover === false)
    found.push(critical("failover-off", "automatic failover is switched off (patronictl resume switches it on)"));
  found.push(...poolFindings(status));
  if (pools === null) found.push(critical("pgbouncer-down", "PgBouncer does not answer"));
  // What the operator sees and this list does not know.
  if (found.length === 0) found.push(...status.problems.map((problem) => critical("postgres-node-down", problem)));
  const { backups, backupsUnknown } = status;
  const ofBackups = backupsUnknown === null ? (backups?.problems ?? []) : [backupsUnknown];
  found.push(...ofBackups.map((problem) => critical("backups-failing", problem.replace(/\.$/, ""))));
  return found;
}

function poolFindings({ pools, switchoverRunning }: PostgresStatus): Finding[] {
  return (pools ?? []).flatMap(({ database, user, paused, clientsWaiting, longestWaitMs }) => {
    if (paused && !switchoverRunning) return [critical("pgbouncer-down", `PgBouncer's database ${database} is paused`)];
    if (clientsWaiting === 0 || longestWaitMs < FINDING_LIMITS.poolWaitMs || paused) return [];
    const wait = `${clientsWaiting} clients wait for ${database} (${user}), the first for ${(longestWaitMs / 1000).toFixed(1)} s`;
    return [critical("pgbouncer-saturated", wait)];
  });
}

function diskFinding(free: number, size: number): Finding[] {
  const share = size === 0 ? 1 : free / size;
  if (share >= FINDING_LIMITS.diskWarning) return [];
  const what = `the disk of Postgres has ${formatBytes(free)} of ${formatBytes(size)} left`;
  return [share < FINDING_LIMITS.diskCritical ? critical("wal-disk-full", what) : warning("disk-full", what)];
}

function redisFindings({ service, appendOnly, usedBytes, maxBytes, policy, loading }: RedisStatus): Finding[] {
  const found: Finding[] = [];
  if (loading) found.push(warning("redis-down", `${service} reads its data after a start`));
  if (appendOnly !== "on") found.push(critical("redis-full", `${service} does not write its append-only file (${appendOnly})`));
  if (policy === "noeviction" && maxBytes > 0 && usedBytes / maxBytes >= FINDING_LIMITS.redisFull) {
    found.push(critical("redis-full", `${service} is nearly full: ${formatBytes(usedBytes)} of ${formatBytes(maxBytes)}`));
  }
  return found;
}

function queueFindings({ queues, reason, status }: NonNullable<DataPlaneStatus["queues"]["value"]>): Finding[] {
  const found = Object.entries(queues).flatMap(([name, { waiting, failed, paused }]) => [
    ...(paused ? [warning("jobs-waiting", `the queue ${name} is paused`)] : []),
    ...(waiting >= FINDING_LIMITS.jobsWaiting ? [warning("jobs-waiting", `${waiting} jobs wait in ${name}`)] : []),
    ...(failed > 0 ? [warning("jobs-waiting", `${failed} jobs of ${name} failed for good`)] : []),
  ]);
  return found.length > 0 || status === "ok" ? found : [warning("jobs-waiting", reason ?? `queues: ${status}`)];
}

function kafkaFindings({ value, problem }: NonNullable<DataPlaneStatus["kafka"]>): Finding[] {
  if (value === null) return [critical("kafka-broker-down", `Kafka does not answer: ${problem ?? ""}`)];
  const { brokers, underReplicated, readOnly, offline, lag } = value;
  const away = brokers.filter(({ present }) => !present).map(({ name }) => name);
  const found: Finding[] = [];
  if (away.length > 0) found.push(critical("kafka-broker-down", `${away.join(" and ")} left the cluster of Kafka`));
  if (offline > 0) found.push(critical("kafka-broker-down", `${offline} partitions of Kafka have no leader`));
  else if (readOnly > 0) found.push(critical("kafka-broker-down", `${readOnly} partitions of Kafka acknowledge nothing: too few copies`));
  else if (underReplicated > 0 && away.length === 0)
    found.push(warning("kafka-broker-down", `${underReplicated} partitions of Kafka lack a copy in sync`));
  if ((lag ?? 0) >= FINDING_LIMITS.eventsWaiting) found.push(warning("kafka-lagging", `${lag} events wait to be read`));
  return found;
}
