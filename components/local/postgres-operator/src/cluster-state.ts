import type { Etcd } from "./etcd";

/** What Patroni keeps in etcd about who is primary. */
export interface ClusterState {
  readonly leader: { readonly name: string; readonly lease: string } | undefined;
  /** Standbys commits wait for; only as the present leader wrote it. */
  readonly syncStandbys: readonly string[];
  /** Of these, how many beside the one that takes over have to be seen; see `decide`. */
  readonly quorum: number;
}

/** Reads it. @throws Error when etcd does not answer. */
export async function readClusterState(etcd: Pick<Etcd, "get">, scope: string): Promise<ClusterState> {
  const [leader, sync] = await Promise.all([etcd.get(`/service/${scope}/leader`), etcd.get(`/service/${scope}/sync`)]);
  if (leader === undefined || leader.lease === "0") return { leader: undefined, syncStandbys: [], quorum: 0 };
  return { leader: { name: leader.value, lease: leader.lease }, ...parseSync(sync?.value, leader.value) };
}

/** Whether Patroni was told to leave everything as it is. @param text its `/config` key, where `patronictl pause` says so */
export function isPaused(text: string | undefined): boolean {
  return text !== undefined && (JSON.parse(text) as Readonly<Record<string, unknown>>)["pause"] === true;
}

/** Patroni's `/sync` key (`SyncState` of Patroni 4.0), if it was written by this leader. */
export function parseSync(text: string | undefined, leader: string): Pick<ClusterState, "syncStandbys" | "quorum"> {
  const { leader: by, sync_standby: names, quorum } = (text === undefined ? {} : JSON.parse(text)) as Readonly<Record<string, unknown>>;
  if (by !== leader || typeof names !== "string") return { syncStandbys: [], quorum: 0 };
  return { syncStandbys: names.split(",").filter((name) => name !== ""), quorum: typeof quorum === "number" ? quorum : 0 };
}
