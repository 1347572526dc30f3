import { readFileSync } from "node:fs";
import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { listed } from "../../transform";
import { hardened, labels, transformed, type Transform } from "../common";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import { BACKUP_DIRECTORY, type BackupSettings, renderBackupSchedule, renderPgbackrestConfig } from "./backups";
import { PATRONI_STOP_SIGNAL, patroniEnvironment, type PatroniSettings, renderPatroniConfig } from "./patroni";
import { passwordFiles, type SharedPassword } from "./roles";
import { REPOSITORY_CERTIFICATES_FILE, type S3Repository } from "./s3-repository";
import { backupPassphrase, postgresSecrets, type PostgresSecrets, type RepositoryKeys } from "./secrets";

export { BACKUP_DIRECTORY, type BackupSettings } from "./backups";
export {
  PATRONI_API_USER,
  PATRONI_CONFIG_PATH,
  PATRONI_PORT,
  PATRONI_STOP_SIGNAL,
  patroniConfig,
  patroniEnvironment,
  patroniSharedConfig,
  POSTGRES_PORT,
  renderPatroniConfig,
  type PatroniSettings,
} from "./patroni";
export { PASSWORD_NAMES, PASSWORD_VARIABLES, passwordFiles, type PasswordName } from "./roles";
export { renderRepositoryKeys, REPOSITORY_KEYS_FILE, type S3Repository, type S3RepositoryKeys } from "./s3-repository";
export type { RepositoryKeys } from "./secrets";
export {
  LEAST_CONNECTIONS,
  LEAST_MEMORY_MB,
  postgresMemory,
  postgresSettings,
  type PostgresSettings,
  type PostgresSizing,
} from "./settings";

/** Directory of a node's data: a volume. */
export const POSTGRES_DATA_DIRECTORY = "/var/lib/postgresql/data";

/** Fewest and most nodes: a standby is what makes a failover, and more than four of them only cost. */
export const POSTGRES_NODES = { least: 2, most: 5 } as const;

const defaults = {
  /** Longest planned switchover (20 s, see entrypoint.sh), Postgres' own stop (`primary_stop_timeout`, 10 s), and as much again for a slow disk. */
  stopSeconds: 60,
  /** A first start copies the primary, of which this is 60 GB at 100 MB/s; a rejoin only rewinds. */
  bootTimeoutSeconds: 600,
  tmpMb: 64,
  /** Least shared memory for parallel queries, MiB: Docker's own default. */
  leastShmMb: 64,
} as const;

export interface PostgresArgs {
  /** Number of nodes, 2 to 5: one primary, the others follow it. Scaling down deletes the volumes of the last ones; with {@link protect} Pulumi refuses it. */
  readonly nodes: number;
  /** Memory limit of each node in MiB, from 192; swap is off. A change replaces the nodes one after the other, the primary last. */
  readonly memoryMb: number;
  /** CPU limit of each node in cores. @default no limit */
  readonly cpus?: number | undefined;
  /**
   * Connections each node accepts, from 25: see `postgresConnections` of PgBouncer. A change replaces the nodes one after the other. A cluster
   * that is there keeps a larger number it had: a standby cannot have fewer than its primary, see node.py. Each unused one costs 50 KiB.
   */
  readonly maxConnections: number;
  /** Without a standby to confirm writes: `strict` refuses them, `available` goes on with one copy. A change replaces the nodes one after the other. */
  readonly durability: "strict" | "available";
  /**
   * When backups are made and how long they are kept; the log is archived all the time. Without them what was made before stays where it is.
   * A change replaces the nodes one after the other. @default none are made
   */
  readonly backups?: BackupSettings | undefined;
  /**
   * Where backups and the log are, instead of the volume, which stays. A change replaces the nodes one after the other; what was made before
   * stays where it is. @default the volume
   */
  readonly repository?: S3Repository | undefined;
  /** With {@link repository}: what opens it. New keys reach the nodes without a restart. Without a passphrase one is generated. */
  readonly repositoryKeys?: RepositoryKeys | undefined;
  /** Refuse to delete the data and its backups: Pulumi's `protect`, and the volumes stay on the host even when the stack is destroyed. */
  readonly protect: boolean;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Host names of the etcd members. */
  readonly etcdHosts: readonly string[];
  /** Node that is primary now, e.g. `pg-2`: it is replaced last, so that every update has one switchover at most. @default none is known */
  readonly primary?: string | undefined;
  /** There is no node yet: once the first is primary, all others copy it at the same time instead of one after the other. @default false */
  readonly firstStart?: boolean | undefined;
  /**
   * Seconds a node may take to be primary, or to stream and confirm writes, before `pulumi up` fails; the nodes after it are then left as they
   * are. Raise it before adding a node to a large database, which it has to copy. @default 600
   */
  readonly bootTimeoutSeconds?: number | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    /** A change of `name` or `driver` replaces the volume: THE DATA OF THAT NODE IS LOST unless it is protected. */
    readonly volume?: Transform<docker.VolumeArgs>;
    /** A change of `name` or `driver` replaces the volume: ALL BACKUPS ARE LOST unless it is protected. */
    readonly backupVolume?: Transform<docker.VolumeArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * Postgres 17 under Patroni: equal nodes, one of which is primary at a time; who that is, the nodes agree on in etcd. Each has a volume of
 * its own, and all share the one with the backups, which whoever is primary makes (pgBackRest). Nodes are created, and replaced, one after the other; the next one is touched only once the one before is primary or streams
 * from it again. A node that is stopped while it is primary hands over first.
 *
 * What others are told of it are plain names, known before a container is: an output of a container would make everybody who uses it be
 * replaced together with the node.
 */
export class Postgres extends pulumi.ComponentResource {
  /** Names of the nodes in the cluster and on the network: `pg-1` … */
  readonly nodeNames: readonly string[];
  /** Passwords by role, marked secret; `patroni` is that of Patroni's REST API. */
  readonly passwords: Readonly<Record<SharedPassword, pulumi.Output<string>>>;
  /** With `repository`: what its content is encrypted with, marked secret. */
  readonly backupPassphrase: pulumi.Output<string> | undefined;
  private readonly image: Image;
  private readonly secrets: PostgresSecrets;
  private readonly volumes: readonly docker.Volume[];
  private readonly backupVolume: docker.Volume;
  private readonly containers: readonly docker.Container[];

  constructor(name: string, args: PostgresArgs, opts?: pulumi.ComponentResourceOptions) {
    // The containers wait for others, this does not: the volumes are its children, and whatever it depended on would be kept with them
    // when everything but what is protected is destroyed.
    super("phased-stack:local:Postgres", name, {}, { ...opts, dependsOn: [] });
    const { least, most } = POSTGRES_NODES;
    if (!Number.isInteger(args.nodes) || args.nodes < least || args.nodes > most) {
      throw new Error(`${name}: nodes is ${args.nodes}; allowed: an integer from ${least} to ${most}`);
    }
    this.nodeNames = Array.from({ length: args.nodes }, (_, index) => `pg-${index + 1}`);
    this.image = this.createImage(name, args);
    const { repository, repositoryKeys: keys, protect } = args;
    if ((repository === undefined) !== (keys === undefined))
      throw new Error(`${name}: give both of repository and repositoryKeys, or neither`);
    this.secrets = postgresSecrets(`${name}-secrets`, { keys, image: this.image.reference, protect, parent: this });
    const { superuser, owner, app, readonly, monitor, patroni } = this.secrets.values;
    this.backupPassphrase = backupPassphrase(this.secrets, keys);
    this.passwords = { superuser, owner, app, readonly, monitor, patroni };
    const volumes = new Map(this.nodeNames.map((node) => [node, this.createVolume(`${name}-${node}-data`, args, args.transform?.volume)]));
    this.backupVolume = this.createVolume(`${name}-backups`, args, args.transform?.backupVolume);
    const containers = this.createContainers(name, args, volumes, [this.secrets.nodes.writer, ...listed(opts?.dependsOn)]);
    this.volumes = [...volumes.values()];
    this.containers = this.nodeNames.flatMap((node) => containers.get(node) ?? []);
    this.registerOutputs({ nodeNames: this.nodeNames });
  }

  /** The resources this component is made of; volumes and containers in the order of {@link nodeNames}. */
  get nodes(): {
    readonly image: Image;
    readonly secrets: PostgresSecrets;
    readonly volumes: readonly docker.Volume[];
    readonly backupVolume: docker.Volume;
    readonly containers: readonly docker.Container[];
  } {
    const { image, secrets, volumes, backupVolume, containers } = this;
    return { image, secrets, volumes, backupVolume, containers };
  }

  private createImage(name: string, args: PostgresArgs): Image {
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "postgres", files: postgresContext(args), contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createVolume(name: string, args: PostgresArgs, transform: Transform<docker.VolumeArgs> | undefined): docker.Volume {
    return new docker.Volume(
      ...transformed(
        transform,
        name,
        { labels: labels("postgres") },
        // A new label must never cost the data: Docker cannot relabel a volume, the provider would replace it.
        { parent: this, protect: args.protect, retainOnDelete: args.protect, ignoreChanges: ["labels"] },
      ),
    );
  }

  /** One after the other. The first waits for the passwords and what the whole component waits for, and goes before that in the end. */
  private createContainers(
    name: string,
    args: PostgresArgs,
    volumes: ReadonlyMap<string, docker.Volume>,
    after: readonly pulumi.Input<pulumi.Resource>[],
  ): ReadonlyMap<string, docker.Container> {
    let before = after;
    const ordered = [...volumes].sort(([one], [two]) => Number(one === args.primary) - Number(two === args.primary));
    return new Map(
      ordered.map(([node, volume]) => {
        const container = this.createContainer(`${name}-${node}`, { node, volume, before }, args);
        if (args.firstStart !== true || before === after) before = [container];
        return [node, container];
      }),
    );
  }

  private createContainer(name: string, { node, volume, before }: Node, args: PostgresArgs): docker.Container {
    const { memoryMb, cpus } = args;
    const common = hardened({ service: "postgres", ...defaults, memoryMb, cpus });
    const environment = { ...patroniEnvironment(node), ...passwordFiles() };
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        name,
        {
          ...common,
          image: this.image.reference,
          command: ["patroni"],
          envs: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
          labels: [...labels("postgres"), { label: "phased-stack.node", value: node }],
          networksAdvanced: [{ name: args.networkName, aliases: [node] }],
          volumes: [
            { volumeName: volume.name, containerPath: POSTGRES_DATA_DIRECTORY },
            { volumeName: this.backupVolume.name, containerPath: BACKUP_DIRECTORY },
            { ...this.secrets.mount },
          ],
          // The socket, and the passwords Patroni writes for libpq; both are the server's own (uid 10002, see the Dockerfile).
          tmpfs: {
            ...(common.tmpfs as Record<string, string>),
            "/var/run/postgresql": "rw,noexec,nosuid,nodev,size=8m,uid=10002,gid=10002,mode=2775",
          },
          shmSize: Math.max(defaults.leastShmMb, Math.floor(memoryMb / 4)),
          stopSignal: PATRONI_STOP_SIGNAL,
          wait: true,
          waitTimeout: args.bootTimeoutSeconds ?? defaults.bootTimeoutSeconds,
        },
        // Two containers cannot own one volume: the provider's default, said here because the data depends on it.
        { parent: this, deleteBeforeReplace: true, dependsOn: [...before] },
      ),
    );
  }
}

/** One node, and what has to be there before it. */
interface Node {
  readonly node: string;
  readonly volume: docker.Volume;
  readonly before: readonly pulumi.Input<pulumi.Resource>[];
}

/**
 * The build context of the image all nodes of a cluster run: Patroni's configuration and that of the backups are part of it, so that a
 * change is a new tag.
 * @throws RangeError for what {@link patroniConfig} and {@link renderBackupSchedule} refuse.
 */
export function postgresContext(settings: PatroniSettings): ContextFile[] {
  const own = (name: string, executable = false): ContextFile => ({
    path: name,
    content: readFileSync(path.join(__dirname, name)),
    executable,
  });
  const made = (name: string, text: string): ContextFile => ({ path: name, content: Buffer.from(text), executable: false });
  return [
    own("Dockerfile"),
    own("entrypoint.sh", true),
    pacedCheck(),
    ...[
      "node.py",
      "backups.py",
      "backup_jobs.py",
      "cluster_state.py",
      "log_archive.py",
      "repository.py",
      "restore.py",
      "privileges.sql",
    ].map((name) => own(name)),
    made("patroni.yml", renderPatroniConfig(settings)),
    made("pgbackrest.conf", renderPgbackrestConfig(settings.backups, settings.repository)),
    // Empty where Debian's own authorities are meant: the Dockerfile is the same for all.
    made(REPOSITORY_CERTIFICATES_FILE, settings.repository?.certificates ?? ""),
    made("schedule.json", renderBackupSchedule(settings.backups)),
  ];
}
