import type { BackupWatch } from "./backups";
import { type ClusterState, readClusterState } from "./cluster-state";
import type { Etcd } from "./etcd";
import type { NodeState, Patroni } from "./patroni";
import type { Pgbouncer } from "./pgbouncer";
import { lagOf } from "./plan";
import type { Reaper } from "./reaper";
import type { Settings } from "./settings";
import type { MemberStatus, PoolStatus, PostgresStatus } from "./status-types";
import type { Switchover } from "./switchover";

/** Longest wait of a client, ms, from which on it is worth a sentence. */
const LONG_WAIT_MS = 5000;

/** What is looked at. */
export interface StatusParts {
  readonly etcd: Etcd;
  readonly backups: BackupWatch;
  readonly patroni: Patroni;
  readonly pgbouncer: Pgbouncer;
  readonly reaper: Reaper;
  readonly switchover: Switchover;
  readonly settings: Pick<Settings, "nodes" | "scope">;
}

/** Looks at everything at the same time; takes as long as the slowest answer, at most about 3 s. Never rejects. */
export async function readStatus({
  etcd,
  backups,
  patroni,
  pgbouncer,
  reaper,
  switchover,
  settings,
}: StatusParts): Promise<PostgresStatus> {
  const [cluster, known, pools, states] = await Promise.all([
    readClusterState(etcd, settings.scope).catch(() => undefined),
    backups.read(),
    pgbouncer.pools(),
    Promise.all(settings.nodes.map((node) => patroni.state(node))),
  ]);
  const members = describeMembers(settings.nodes, states);
  const answering = states.find((state) => state !== undefined);
  const automaticFailover = answering === undefined ? null : answering.pause !== true;
  const switchoverRunning = switchover.running !== undefined;
  const problems = findProblems({ members, cluster, pools, automaticFailover, switchoverRunning });
  return {
    at: new Date().toISOString(),
    healthy: problems.length === 0,
    problems,
    leader: cluster?.leader?.name ?? null,
    automaticFailover,
    members,
    pools: pools ?? null,
    reaper: reaper.status,
    switchoverRunning,
    lastSwitchover: switchover.last ?? null,
    ...known,
  };
}

/** What the nodes say of themselves and each other. @param states in the order of the nodes; `undefined` for those that do not answer */
export function describeMembers(nodes: readonly string[], states: readonly (NodeState | undefined)[]): MemberStatus[] {
  const primary = states.find((state) => state?.role === "primary" && state.state === "running");
  return nodes.map((name, index) => {
    const state = states[index];
    if (state === undefined) {
      return { name, role: "unknown", state: "unreachable", timeline: null, lagBytes: null, sync: null, pendingRestart: false };
    }
    const isPrimary = state.role === "primary";
    const seen = primary?.replication?.find((standby) => standby.application_name === name && standby.state === "streaming");
    return {
      name,
      role: isPrimary ? "primary" : "standby",
      state: state.replication_state ?? state.state,
      timeline: state.timeline ?? null,
      lagBytes: isPrimary ? 0 : (lagOf(state, primary) ?? null),
      sync: isPrimary ? null : syncState(seen?.sync_state),
      pendingRestart: state.pending_restart === true,
    };
  });
}

const SYNC_STATES = ["quorum", "sync", "potential", "async"] as const;

function syncState(text: string | undefined): MemberStatus["sync"] {
  return SYNC_STATES.find((known) => known === text) ?? null;
}

/** What {@link findProblems} looks at. */
export interface Seen {
  readonly members: readonly MemberStatus[];
  /** `undefined` when etcd does not answer. */
  readonly cluster: ClusterState | undefined;
  readonly pools: readonly PoolStatus[] | undefined;
  readonly automaticFailover: boolean | null;
  readonly switchoverRunning: boolean;
}

/** One sentence for everything that is not as it should be, the gravest first. */
export function findProblems({ members, cluster, pools, automaticFailover, switchoverRunning }: Seen): string[] {
  const primaries = members.filter(({ role }) => role === "primary").map(({ name }) => name);
  const standbys = members.filter(({ role }) => role !== "primary");
  const confirming = standbys.filter(({ sync }) => sync === "quorum" || sync === "sync");
  const [primary] = primaries;
  const lone = members.length > 1 && confirming.length === 0;
  const checks: (string | false)[] = [
    primaries.length > 1 && `${primaries.join(" and ")} both say they are primary.`,
    primaries.length === 0 && "No node is primary: writes wait or fail.",
    cluster === undefined && "etcd does not answer: without it no other node can become primary.",
    cluster !== undefined && cluster.leader === undefined && "Nobody holds the lease of the primary.",
    cluster?.leader !== undefined &&
      primary !== undefined &&
      !primaries.includes(cluster.leader.name) &&
      `${cluster.leader.name} holds the lease, but ${primary} is primary.`,
    primary !== undefined && lone && "No standby confirms writes: if the primary is lost now, nobody takes over, or writes are lost.",
    ...standbys.map(({ name, state }) => state === "unreachable" && `${name} does not answer.`),
    ...standbys.map(
      ({ name, state, sync }) =>
        state !== "unreachable" && sync === null && primary !== undefined && `${name} does not stream from ${primary} (${state}).`,
    ),
    automaticFailover === false &&
      "Patroni was told to leave everything as it is (patronictl pause): nobody takes over from a primary that dies.",
    ...members.map(({ name, pendingRestart }) => pendingRestart && `${name} has settings that wait for a restart.`),
    pools === undefined && "PgBouncer does not answer: the app cannot reach the database.",
    !switchoverRunning &&
      (pools ?? []).some(({ paused }) => paused) &&
      "PgBouncer holds statements back (PAUSE), and no switchover is under way.",
    ...(pools ?? []).map(
      ({ database, user, longestWaitMs }) =>
        longestWaitMs > LONG_WAIT_MS &&
        `A client of ${user} has waited ${Math.round(longestWaitMs / 1000)} s for a connection to ${database}.`,
    ),
  ];
  return checks.filter((problem) => problem !== false);
}
