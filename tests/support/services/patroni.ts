import { randomBytes } from "node:crypto";
import { ETCD_DATA_DIRECTORY, ETCD_PORT, etcdArguments, etcdContext } from "../../../components/local/etcd";
import {
  type BackupSettings,
  PASSWORD_NAMES,
  type PasswordName,
  type PatroniSettings,
  postgresContext,
  type S3Repository,
  type S3RepositoryKeys,
} from "../../../components/local/postgres";
import { dockerCommand, eventually, type ServiceContainer, serviceImage, serviceName, startService } from "./container";
import { type Passwords, type PatroniNode, startNode } from "./patroni-node";

export type { PatroniNode } from "./patroni-node";

/** One etcd and the nodes, on a private network. */
export interface PatroniGroup {
  /** In the order of their names; {@link replace} puts another one in the place of one. */
  readonly nodes: readonly PatroniNode[];
  /** Name of the network. */
  readonly network: string;
  readonly password: (name: PasswordName) => string;
  /** What all nodes were given. */
  readonly settings: PatroniSettings;
  /** Nodes that say of themselves that they are primary: never two. */
  readonly primaries: () => Promise<PatroniNode[]>;
  /**
   * What `pulumi up` does to a node: stops its container, removes it, and makes another one on the same volume; done once that is healthy.
   * @param settings of the new one's image; by default the group's.
   */
  replace(node: PatroniNode, settings?: PatroniSettings): Promise<PatroniNode>;
  remove(): Promise<void>;
}

/** An object storage, and what opens it. */
export interface BackupPlace {
  readonly repository: S3Repository;
  readonly keys: S3RepositoryKeys;
}

export const PATRONI_MEMORY_MB = 448;
export const PATRONI_MAX_CONNECTIONS = 60;

/** Above the longest switchover and the longest stop of a server, seconds; as in the stack. */
const STOP_SECONDS = 60;

/**
 * Starts a cluster from the project's own images, configured as the stack does it; ready when every node has its role.
 * @param backups when they are made. @default none are
 * @param place where they are. @default a volume
 */
export async function startPatroni(count = 2, backups?: BackupSettings, place?: BackupPlace): Promise<PatroniGroup> {
  const { repository, keys: repositoryKeys } = place ?? {};
  const settings = { etcdHosts: ["etcd-1"], memoryMb: PATRONI_MEMORY_MB, maxConnections: PATRONI_MAX_CONNECTIONS, backups, repository };
  // Built once, before several nodes want it at the same time.
  const [etcdImage] = [await serviceImage("etcd", etcdContext()), await serviceImage("postgres", postgresContext(settings))];
  const network = serviceName("patroni-network");
  await dockerCommand(["network", "create", "--label", `phased-stack.stack=${network}`, network]);
  // Odd on purpose: passwords go through a shell, SQL, a connection string and a password file.
  const passwords = Object.fromEntries(PASSWORD_NAMES.map((name) => [name, `'"\\$:${randomBytes(12).toString("hex")} #`])) as Passwords;
  const nodes: PatroniNode[] = [];
  const volumes = new Map<string, string>();
  let etcd: ServiceContainer | undefined;
  const remove = async (): Promise<void> => {
    await Promise.all([...nodes, ...(etcd === undefined ? [] : [etcd])].map((service) => service.remove()));
    await Promise.all([...volumes.values()].map((volume) => dockerCommand(["volume", "rm", volume])));
    await dockerCommand(["network", "rm", network]);
  };
  /** Made when it is asked for the first time. */
  const volumeOf = async (what: string): Promise<string> => {
    const known = volumes.get(what);
    if (known !== undefined) return known;
    const volume = serviceName(`patroni-${what}`);
    await dockerCommand(["volume", "create", "--label", `phased-stack.stack=${volume}`, volume]);
    volumes.set(what, volume);
    return volume;
  };
  const backupVolume = await volumeOf("backups");
  const start = async (name: string, changed: PatroniSettings = settings): Promise<PatroniNode> => {
    const [volume, secretsVolume] = [await volumeOf(`${name}-data`), await volumeOf(`${name}-secrets`)];
    return startNode({ settings: changed, network, name, volume, backupVolume, secretsVolume, passwords, repositoryKeys });
  };
  try {
    etcd = await startEtcd(etcdImage, network);
    const names = Array.from({ length: count }, (_, index) => `pg-${index + 1}`);
    const outcomes = await Promise.allSettled(names.map((name) => start(name)));
    nodes.push(...outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : [])));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    nodes,
    network,
    settings,
    password: (name) => passwords[name],
    async primaries() {
      const answers = await Promise.all(nodes.map(async (node) => ({ node, status: (await node.api("GET", "/primary")).status })));
      return answers.filter(({ status }) => status === 200).map(({ node }) => node);
    },
    async replace(node, changed) {
      await dockerCommand(["stop", "--time", String(STOP_SECONDS), node.container]);
      await node.remove();
      const replacement = await start(node.name, changed);
      nodes[nodes.indexOf(node)] = replacement;
      return replacement;
    },
    remove,
  };
}

function startEtcd(image: string, network: string): Promise<ServiceContainer> {
  return startService({
    kind: "etcd",
    image,
    internalPort: ETCD_PORT,
    create: [
      ...["--network", network, "--network-alias", "etcd-1", "--memory", "96m", "--read-only"],
      ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    ],
    volumes: [ETCD_DATA_DIRECTORY],
    command: etcdArguments({ member: 1, hosts: ["etcd-1"] }),
    ready: async ({ container }) =>
      (await dockerCommand(["inspect", "--format", "{{.State.Health.Status}}", container])).trim() === "healthy",
  });
}

/** Waits until there is one primary and every other node streams from it, confirming what it writes. */
export async function streaming({ nodes, primaries }: PatroniGroup): Promise<PatroniNode> {
  let primary: PatroniNode | undefined;
  await eventually("one primary, and every other node a synchronous standby", async () => {
    [primary] = await primaries();
    const standbys = await primary?.sql<{ state: string; sync_state: string }>("SELECT state, sync_state FROM pg_stat_replication");
    if (standbys?.length !== nodes.length - 1) return false;
    if (!standbys.every(({ state, sync_state: sync }) => state === "streaming" && sync === "quorum")) return false;
    // Patroni has to know as well: it hands over to nobody else.
    const others = await Promise.all(nodes.filter((node) => node !== primary).map((node) => node.api("GET", "/quorum")));
    return others.every(({ status }) => status === 200);
  });
  return primary!;
}
