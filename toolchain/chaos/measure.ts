/** A stretch of time, milliseconds since the epoch. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Longest time without an acknowledged write within a span, in milliseconds. Its edges count as if something had been acknowledged there,
 * so a span in which nothing was is one gap.
 * @param acknowledged moments of acknowledgements in any order; those outside of the span do not matter.
 */
export function longestGap(acknowledged: readonly number[], { from, to }: Span): number {
  const inside = acknowledged.filter((at) => at > from && at < to).sort((a, b) => a - b);
  let longest = 0;
  let last = from;
  for (const at of [...inside, to]) {
    longest = Math.max(longest, at - last);
    last = at;
  }
  return longest;
}

/** What one Postgres node said to `GET /primary`. */
export interface PrimaryAnswer {
  readonly node: string;
  /** HTTP status; 0 for no answer. */
  readonly status: number;
  readonly sentAt: number;
  readonly receivedAt: number;
}

/** All nodes asked at the same time. */
export type PrimaryRound = readonly PrimaryAnswer[];

/** Answers further apart than this may be of two different moments; then the next round decides. */
const SAME_MOMENT_MS = 150;

/** Two nodes that called themselves primary at the same time. */
export interface Conflict {
  readonly at: number;
  readonly nodes: readonly string[];
}

/**
 * Rounds in which two nodes or more answered 200 to `/primary`. Where the answers took so long that the role may have moved between them,
 * the round counts only when the next one (asked at once) says the same.
 */
export function conflicts(rounds: readonly PrimaryRound[]): Conflict[] {
  const primaries = rounds.map((round) => round.filter(({ status }) => status === 200));
  return primaries.flatMap((claims, index) => {
    if (claims.length < 2) return [];
    const at = Math.min(...claims.map(({ sentAt }) => sentAt));
    const isOneMoment = Math.max(...claims.map(({ receivedAt }) => receivedAt)) - at <= SAME_MOMENT_MS;
    const isConfirmed = (primaries[index + 1]?.length ?? 0) >= 2;
    return isOneMoment || isConfirmed ? [{ at, nodes: claims.map(({ node }) => node) }] : [];
  });
}

/**
 * A node that is on the network again has looked into etcd after Patroni's pause between two looks (`loop_wait`, 2 s). One that was just
 * about to step down without it says so only when its walsenders have given their standbys up (`wal_sender_timeout`, 5 s): until then
 * Postgres is shutting down, and refuses everybody.
 */
const NOTICE_MS = 7000;

/**
 * Conflicts that are none of the cluster's: a node that came back at `returnedAt` called itself primary until it had looked into etcd.
 * @returns the others, and for how long it did, in milliseconds.
 */
export function withoutReturned(
  all: readonly Conflict[],
  returnedAt: number,
): { readonly conflicts: Conflict[]; readonly returnedMs: number } {
  const isOfReturn = ({ at }: Conflict): boolean => at >= returnedAt && at <= returnedAt + NOTICE_MS;
  const moments = all.filter(isOfReturn).map(({ at }) => at);
  return {
    conflicts: all.filter((conflict) => !isOfReturn(conflict)),
    returnedMs: moments.length === 0 ? 0 : Math.max(...moments) - Math.min(...moments),
  };
}

/** What was acknowledged and is not in the database. */
export function lostOf(acknowledged: readonly string[], present: ReadonlySet<string>): string[] {
  return acknowledged.filter((id) => !present.has(id));
}

/** One member of the Postgres cluster, as Patroni's `GET /cluster` describes it. */
export interface Member {
  readonly name: string;
  /** `leader`, `replica`, `sync_standby`, `quorum_standby`, … */
  readonly role: string;
  /** `running` for the leader, `streaming` for a standby that follows; `stopped`, `starting`, `crashed`, … */
  readonly state: string;
  readonly timeline: number | undefined;
  /** Bytes a standby is behind; undefined where it is unknown. */
  readonly lag: number | undefined;
}

/** A standby further behind than this cannot be said to have everything, bytes (Patroni's `maximum_lag_on_failover`). */
const MOST_LAG = 1024 * 1024;

/**
 * What keeps the Postgres cluster from full redundancy, in words; undefined when every node is there, one is primary, and all others
 * stream from it and count for acknowledgements.
 */
export function clusterProblem(members: readonly Member[], nodes: readonly string[]): string | undefined {
  const missing = nodes.filter((node) => !members.some(({ name }) => name === node));
  if (missing.length > 0) return `${missing.join(", ")} not in the cluster`;
  const leaders = members.filter(({ role }) => role === "leader");
  if (leaders.length !== 1) return `${leaders.length} leaders`;
  if (leaders[0]?.state !== "running") return `the leader is ${leaders[0]?.state ?? "away"}`;
  for (const { name, role, state, timeline, lag } of members) {
    if (role === "leader") continue;
    if (state !== "streaming") return `${name} is ${state}`;
    if (timeline !== leaders[0].timeline) return `${name} is on timeline ${timeline ?? "?"}`;
    if (role !== "sync_standby" && role !== "quorum_standby") return `${name} does not count for acknowledgements (${role})`;
    if (lag === undefined || lag > MOST_LAG) return `${name} lags by ${lag ?? "?"} bytes`;
  }
  return undefined;
}
