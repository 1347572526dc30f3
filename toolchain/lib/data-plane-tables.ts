import type { MemberStatus, PostgresStatus } from "../../components/local/postgres-operator/src/status-types";
import type { Asked, DataPlaneStatus, DiskStatus } from "./data-plane";
import type { QueueCounts } from "./docker-app";
import { FINDING_LIMITS } from "./findings";
import type { KafkaStatus } from "./kafka-status";
import { candidates } from "./postgres-operator";
import type { RedisStatus } from "./redis-status";
import { colours, formatBytes, renderTable } from "./table";

/** Everything behind the app, a table for each kind. */
export function renderDataPlane(data: DataPlaneStatus): string {
  const { postgres, queues } = data;
  return [
    postgres.value === null ? unknown("postgres", postgres.problem) : membersTable(postgres.value, data.disk),
    ...(postgres.value === null ? [] : [backupsLine(postgres.value, Date.now()), poolsTable(postgres.value)]),
    redisTable(data.redis),
    ...(queues.value !== null ? [queuesTable(queues.value)] : queues.problem !== null ? [unknown("queues", queues.problem)] : []),
    ...(data.kafka === null ? [] : [data.kafka.value === null ? unknown("kafka", data.kafka.problem) : kafkaTable(data.kafka.value)]),
  ].join("\n\n");
}

function unknown(what: string, problem: string | null): string {
  return `${colours.bold(what)}  ${colours.red("unknown")}  ${problem ?? ""}`;
}

const good = (text: string): string => colours.green(text);
const bad = (text: string): string => colours.red(text);
const doubtful = (text: string): string => colours.yellow(text);

function membersTable(status: PostgresStatus, disk: Asked<DiskStatus>): string {
  const rows = status.members.map((member) => [
    member.name,
    role(member, status.leader),
    state(member, status.leader),
    member.timeline === null ? "–" : String(member.timeline),
    lag(member),
    confirms(member),
    member.pendingRestart ? doubtful("a setting waits for a restart") : "",
  ]);
  const table = renderTable(["postgres", "role", "state", "timeline", "behind", "commits wait for it", ""], rows);
  return [table, postgresLine(status, disk)].join("\n");
}

function role({ name, role: own }: MemberStatus, leader: string | null): string {
  if (own === "unknown") return bad("unknown");
  if (own === "primary") return name === leader ? good("primary") : bad("primary, not leader");
  return name === leader ? doubtful("becomes primary") : "standby";
}

function state({ role: own, state: text }: MemberStatus, leader: string | null): string {
  const expected = own === "primary" ? "running" : "streaming";
  return text === expected ? good(text) : leader === null ? doubtful(text) : bad(text);
}

function lag({ role: own, lagBytes }: MemberStatus): string {
  if (own === "primary") return "–";
  if (lagBytes === null) return doubtful("unknown");
  return lagBytes > FINDING_LIMITS.lagBytes ? doubtful(formatBytes(lagBytes)) : formatBytes(lagBytes);
}

function confirms({ role: own, sync }: MemberStatus): string {
  if (own === "primary") return "–";
  return { quorum: "yes (any of them)", sync: "yes", potential: "stands by to", async: "no", none: doubtful("no") }[sync ?? "none"];
}

/** What is no node's: who leads, who watches, what the last switchover took. */
function postgresLine(status: PostgresStatus, disk: Asked<DiskStatus>): string {
  const { leader, reaper, switchoverRunning, lastSwitchover: last, automaticFailover } = status;
  const ready = candidates(status);
  const parts = [
    leader === null ? bad("no leader") : `leader ${leader}`,
    ready.length === 0 ? bad("nobody can take over") : `${ready.join(", ")} can take over`,
    automaticFailover === false
      ? bad("automatic failover off")
      : reaper.healthy
        ? `failover watched${reaper.reaped > 0 ? `, ${reaper.reaped} dead primaries replaced` : ""}`
        : bad("failover not watched"),
    ...(switchoverRunning ? [doubtful("a switchover is under way")] : []),
    ...(last === null
      ? []
      : [`last switchover ${last.ok ? `${last.from ?? "?"} → ${last.to ?? "?"}, ${heldText(last.heldMs)}` : bad("failed")}`]),
    ...(disk.value === null ? [] : [`disk ${formatBytes(disk.value.freeBytes)} of ${formatBytes(disk.value.sizeBytes)} free`]),
  ];
  return parts.join(" · ");
}

/** The last backup, its age, and how the archive of the log is. @param now in ms */
export function backupsLine({ backups, backupsUnknown }: Pick<PostgresStatus, "backups" | "backupsUnknown">, now: number): string {
  const title = colours.bold("backups");
  if (backups === null) return `${title}  ${backupsUnknown === null ? doubtful("none are made") : bad("nobody tells of any")}`;
  const { archive, running, verified, problems } = backups;
  const last = backups.backups.at(-1);
  const stored = backups.backups.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const parts = [
    last === undefined ? doubtful("none yet") : `last ${last.type} ${ageText(last.stoppedAt, now)} ago`,
    ...(last?.damaged === true ? [bad("with damaged pages")] : []),
    ...(last === undefined ? [] : [`${backups.backups.length} kept, ${formatBytes(stored)}, since ${backups.backups[0]?.stoppedAt ?? ""}`]),
    archive.failing
      ? bad(`log not archived, ${archive.waiting} segments wait`)
      : `log archived${archive.archivedAt === null ? "" : ` ${ageText(archive.archivedAt, now)} ago`}`,
    verified === null ? "not verified yet" : verified.ok ? `verified ${ageText(verified.at, now)} ago` : bad("damaged"),
    ...(running === null ? [] : [`${running} under way`]),
  ];
  return `${title}  ${problems.length === 0 ? good("well") : bad("look above")}  ${parts.join(" · ")}`;
}

/** From a moment to now, in the largest unit that tells something. */
export function ageText(since: string, now: number): string {
  const seconds = Math.max(0, Math.round((now - Date.parse(since)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} days`;
}

/** For how long writes were held. */
export function heldText(ms: number): string {
  return ms < 1000 ? `writes held for ${ms.toFixed(0)} ms` : `writes held for ${(ms / 1000).toFixed(1)} s`;
}

function poolsTable({ pools }: PostgresStatus): string {
  if (pools === null) return unknown("pgbouncer", "does not answer");
  const rows = pools.map((pool) => [
    pool.database,
    pool.user,
    pool.paused ? doubtful("paused") : good("active"),
    String(pool.clientsActive),
    pool.clientsWaiting === 0 ? "0" : doubtful(`${pool.clientsWaiting}, ${(pool.longestWaitMs / 1000).toFixed(1)} s`),
    `${pool.serversActive} + ${pool.serversIdle}`,
  ]);
  if (rows.length === 0) return `${colours.bold("pgbouncer")}  no client has connected yet`;
  return renderTable(["pgbouncer", "user", "state", "clients", "waiting", "server connections used + idle"], rows);
}

function redisTable(servers: Readonly<Record<string, Asked<RedisStatus>>>): string {
  const rows = Object.entries(servers).map(([service, { value, problem }]) => {
    if (value === null) return [service, bad("no answer"), "–", "–", "–", "–", "–", problem ?? ""];
    return [
      service,
      value.loading ? doubtful("loading") : value.role === "master" ? good("primary") : value.role,
      `${formatBytes(value.usedBytes)}${value.maxBytes > 0 ? ` of ${formatBytes(value.maxBytes)}` : ""}`,
      value.policy,
      `${value.clients} of ${value.maxClients}`,
      value.appendOnly === "on" ? good("on") : bad(value.appendOnly),
      String(value.operationsPerSecond),
      value.evicted > 0 ? `${value.evicted} evicted` : "",
    ];
  });
  return renderTable(["redis", "role", "memory", "when full", "clients", "append-only file", "ops/s", ""], rows);
}

function queuesTable({ queues, driver }: QueueCounts): string {
  const rows = Object.entries(queues).map(([name, { waiting, active, delayed, failed, paused }]) => [
    name,
    paused ? doubtful("paused") : good("active"),
    waiting >= FINDING_LIMITS.jobsWaiting ? doubtful(String(waiting)) : String(waiting),
    String(active),
    String(delayed),
    failed > 0 ? doubtful(String(failed)) : "0",
  ]);
  return renderTable([`queue (${driver})`, "state", "waiting", "running", "later", "failed for good"], rows);
}

function kafkaTable({ brokers, partitions, underReplicated, readOnly, offline, lag }: KafkaStatus): string {
  const rows = brokers.map(({ name, present, leads, copies, behind }) => [
    name,
    present ? good("there") : bad("away"),
    String(leads),
    String(copies),
    behind > 0 ? doubtful(String(behind)) : "0",
  ]);
  const parts = [
    `${partitions} partitions`,
    ...(offline > 0 ? [bad(`${offline} without a leader`)] : []),
    ...(readOnly > 0 ? [bad(`${readOnly} acknowledge nothing`)] : []),
    underReplicated > 0 ? doubtful(`${underReplicated} lack a copy in sync`) : "all copies in sync",
    lag === null ? doubtful("lag unknown") : `${lag >= FINDING_LIMITS.eventsWaiting ? doubtful(String(lag)) : lag} events wait to be read`,
  ];
  return [renderTable(["kafka", "state", "leads", "copies", "of these behind"], rows), parts.join(" · ")].join("\n");
}
