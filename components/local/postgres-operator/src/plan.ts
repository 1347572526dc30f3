import type { ClusterState } from "./cluster-state";
import { isWritable, type NodeState } from "./patroni";

/** What somebody asks for. */
export interface SwitchoverRequest {
  /** Only if this node is primary: a node that is told to stop says so. */
  readonly from?: string | undefined;
  /** Who is to become primary. @default the one that has replayed most of those that confirm writes */
  readonly to?: string | undefined;
}

/** What to do: hand over, nothing, or refuse. */
export type Plan =
  | { readonly kind: "go"; readonly from: string; readonly to: string }
  | { readonly kind: "nothing" | "refused"; readonly from: string | null; readonly message: string };

/** A standby that has more than this still to replay would hold writes back for too long, bytes; it replays about that much in a second. */
export const MOST_LAG_BYTES = 64 * 1024 * 1024;

/** Everything that is looked at before. */
export interface Findings {
  readonly nodes: readonly string[];
  readonly cluster: ClusterState;
  /** By node; those that do not answer are missing. */
  readonly states: ReadonlyMap<string, NodeState>;
}

/** Decides who hands over to whom. Never while the cluster is not well: then nobody could take over without a loss or a long wait. */
export function plan({ nodes, cluster, states }: Findings, { from, to }: SwitchoverRequest): Plan {
  for (const name of [from, to]) {
    if (name !== undefined && !nodes.includes(name)) {
      return {
        kind: "refused",
        from: null,
        message: `${JSON.stringify(name)} is no node of this cluster; use one of ${nodes.join(", ")}.`,
      };
    }
  }
  const leader = cluster.leader?.name;
  if (leader === undefined)
    return { kind: "refused", from: null, message: "There is no primary now that could hand over; nothing was changed." };
  const refused = (message: string): Plan => ({ kind: "refused", from: leader, message: `${message}; nothing was changed.` });
  if (from !== undefined && from !== leader)
    return { kind: "nothing", from: leader, message: `${from} is not primary, ${leader} is; nothing had to be done.` };
  if (to === leader) return { kind: "nothing", from: leader, message: `${leader} is primary already; nothing had to be done.` };
  const primary = states.get(leader);
  if (primary === undefined || !isWritable(primary))
    return refused(`${leader} is primary but takes no writes (${primary?.state ?? "it does not answer"})`);

  const able = candidates(leader, primary, { nodes, cluster, states });
  const names = able.map(({ name }) => name);
  if (able.length === 0) return refused(`No standby streams from ${leader} and confirms its writes`);
  const chosen = to === undefined ? able[0] : able.find(({ name }) => name === to);
  if (chosen === undefined)
    return refused(`${to} does not stream from ${leader} and confirm its writes now; ${names.join(" and ")} could take over`);
  if (chosen.lagBytes > MOST_LAG_BYTES) {
    return refused(
      `${chosen.name} has ${Math.round(chosen.lagBytes / 1024 / 1024)} MiB still to replay, which would hold writes back for too long`,
    );
  }
  return { kind: "go", from: leader, to: chosen.name };
}

/** Standbys that have every acknowledged write, in their own, the primary's and Patroni's view; the least behind first. */
function candidates(leader: string, primary: NodeState, { nodes, cluster, states }: Findings): { name: string; lagBytes: number }[] {
  const confirming = new Set(
    (primary.replication ?? [])
      .filter(({ state, sync_state: sync }) => state === "streaming" && (sync === "quorum" || sync === "sync"))
      .map(({ application_name: name }) => name),
  );
  return nodes
    .filter((name) => name !== leader && cluster.syncStandbys.includes(name) && confirming.has(name))
    .flatMap((name) => {
      const state = states.get(name);
      return state?.state === "running" && state.role !== "primary" ? [{ name, lagBytes: lagOf(state, primary) ?? 0 }] : [];
    })
    .sort((a, b) => a.lagBytes - b.lagBytes);
}

/** Log the primary has written and a standby has not replayed, bytes; `undefined` when either does not say. */
export function lagOf(standby: NodeState, primary: NodeState | undefined): number | undefined {
  const [written, replayed] = [primary?.xlog?.location, standby.xlog?.replayed_location];
  return written === undefined || replayed === undefined ? undefined : Math.max(0, written - replayed);
}
