/** Port for clients: Patroni, and the reaper that frees a dead primary's lease. */
export const ETCD_PORT = 2379;

/** Port between members. */
export const ETCD_PEER_PORT = 2380;

/** Directory of its data: a volume. */
export const ETCD_DATA_DIRECTORY = "/var/lib/etcd";

/** One member among those of its cluster. */
export interface EtcdSettings {
  /** Number of this member, from 1. */
  readonly member: number;
  /** Host names of all members in order: the first is number 1. One is enough on one host; 3 survive the loss of one. */
  readonly hosts: readonly string[];
  /** The same for all members, another for every stack: members of two stacks that meet by mistake refuse each other. @default "phased-stack" */
  readonly token?: string;
}

const HOST = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const TOKEN = /^[\w.-]{1,128}$/;

/**
 * Arguments of one member, for etcd 3.5. Patroni renews its lease every few seconds, and etcd keeps every version until told otherwise:
 * without compaction it would stop taking writes once it has 2 GiB of them.
 *
 * @throws RangeError when the member is not among the hosts, for an even number of hosts, and for names that are no host names.
 */
export function etcdArguments({ member, hosts, token = "phased-stack" }: EtcdSettings): string[] {
  for (const host of hosts) {
    if (!HOST.test(host)) throw new RangeError(`hosts: ${JSON.stringify(host)} is not allowed; use letters, digits and dashes.`);
  }
  if (hosts.length % 2 === 0 || new Set(hosts).size !== hosts.length) {
    throw new RangeError(
      `hosts: ${hosts.length} members ([${hosts.join(", ")}]) are not allowed; use 1 or 3 different names, an even number survives no more.`,
    );
  }
  if (!TOKEN.test(token))
    throw new RangeError(`token: ${JSON.stringify(token)} is not allowed; use letters, digits, dots, dashes and underscores.`);
  const host = hosts[member - 1];
  if (host === undefined)
    throw new RangeError(`member: ${member} is not allowed; use a number from 1 to ${hosts.length}, the count of hosts.`);
  const options = {
    name: host,
    "data-dir": `${ETCD_DATA_DIRECTORY}/data`,
    "listen-client-urls": `http://0.0.0.0:${ETCD_PORT}`,
    "advertise-client-urls": `http://${host}:${ETCD_PORT}`,
    "listen-peer-urls": `http://0.0.0.0:${ETCD_PEER_PORT}`,
    "initial-advertise-peer-urls": `http://${host}:${ETCD_PEER_PORT}`,
    "initial-cluster": hosts.map((name) => `${name}=http://${name}:${ETCD_PEER_PORT}`).join(","),
    "initial-cluster-token": token,
    "auto-compaction-mode": "periodic",
    "auto-compaction-retention": "10m",
    // Patroni keeps a few kilobytes. Beyond this something is wrong, and etcd says so instead of filling the disk.
    "quota-backend-bytes": 256 * 1024 * 1024,
    "log-level": "warn",
  };
  return Object.entries(options).map(([name, value]) => `--${name}=${value}`);
}
