import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, labels, transformed, type Transform } from "../common";
import { Image } from "../image";
import { type ContextFile, readContext } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import { ETCD_DATA_DIRECTORY, etcdArguments } from "./settings";

export { ETCD_DATA_DIRECTORY, ETCD_PEER_PORT, ETCD_PORT, etcdArguments, type EtcdSettings } from "./settings";

const defaults = {
  /** Resident are 25 MiB with the few keys Patroni keeps; its file is mapped, and grows to 256 MiB at most before the kernel takes pages back. */
  memoryMb: 128,
  /** It ends in well under a second; a leader hands its role over first. */
  stopSeconds: 15,
  /** A first start writes its files and elects a leader. */
  bootTimeoutSeconds: 120,
  tmpMb: 8,
} as const;

export interface EtcdArgs {
  /**
   * Number of members: 1, or 3 to survive the loss of one. A LATER CHANGE IS NOT POSSIBLE, it makes a second cluster or one without a leader:
   * members know each other from their first start. The stack refuses it.
   */
  readonly members: 1 | 3;
  /** Memory limit of each member in MiB; swap is off. @default 128 */
  readonly memoryMb?: number | undefined;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Refuse to delete the data: Pulumi's `protect`, and the volumes stay on the host even when the stack is destroyed. */
  readonly protect: boolean;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    /** A change of `name` or `driver` replaces the volume: who is primary is forgotten, and with it the cluster Postgres is part of. */
    readonly volume?: Transform<docker.VolumeArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * etcd, where Patroni's nodes agree on who of them is primary. One container and one volume for each member; members are replaced one after
 * the other, the next one only once the one before takes part again.
 */
export class Etcd extends pulumi.ComponentResource {
  /** Host names of the members on the network: `etcd-1` … */
  readonly hosts: readonly string[];
  private readonly image: Image;
  private readonly volumes: readonly docker.Volume[];
  private readonly containers: readonly docker.Container[];

  constructor(name: string, args: EtcdArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Etcd", name, {}, opts);
    // A preview may hand in what the configuration says; a mistake there must not become two halves of a cluster.
    if (![1, 3].includes(args.members)) throw new Error(`${name}: members is ${String(args.members)}; allowed: 1 or 3`);
    this.hosts = Array.from({ length: args.members }, (_, index) => `etcd-${index + 1}`);
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "etcd", files: etcdContext(), contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    this.image = new Image(`${name}-image`, { source, ...transform }, { parent: this });
    let before: docker.Container | undefined;
    const members = this.hosts.map((host, index) => {
      const memberName = `${name}-${index + 1}`;
      const volume = this.createVolume(`${memberName}-data`, args);
      before = this.createContainer(memberName, { host, member: index + 1, volume, before }, args);
      return { volume, container: before };
    });
    this.volumes = members.map(({ volume }) => volume);
    this.containers = members.map(({ container }) => container);
    this.registerOutputs({ hosts: this.hosts });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly image: Image; readonly volumes: readonly docker.Volume[]; readonly containers: readonly docker.Container[] } {
    return { image: this.image, volumes: this.volumes, containers: this.containers };
  }

  private createVolume(name: string, args: EtcdArgs): docker.Volume {
    return new docker.Volume(
      ...transformed(
        args.transform?.volume,
        name,
        { labels: labels("etcd") },
        // A new label must never cost the data: Docker cannot relabel a volume, the provider would replace it.
        { parent: this, protect: args.protect, retainOnDelete: args.protect, ignoreChanges: ["labels"] },
      ),
    );
  }

  private createContainer(name: string, { host, member, volume, before }: Member, args: EtcdArgs): docker.Container {
    const common = hardened({ service: "etcd", ...defaults, memoryMb: args.memoryMb ?? defaults.memoryMb });
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        name,
        {
          ...common,
          image: this.image.reference,
          command: etcdArguments({ member, hosts: this.hosts, token: pulumi.getStack() }),
          labels: [...labels("etcd"), { label: "phased-stack.node", value: host }],
          networksAdvanced: [{ name: args.networkName, aliases: [host] }],
          volumes: [{ volumeName: volume.name, containerPath: ETCD_DATA_DIRECTORY }],
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        // Two containers cannot own one volume: the provider's default, said here because the data depends on it.
        { parent: this, deleteBeforeReplace: true, ...(before !== undefined && { dependsOn: [before] }) },
      ),
    );
  }
}

/** One member, and the one that is started before it. */
interface Member {
  readonly host: string;
  readonly member: number;
  readonly volume: docker.Volume;
  readonly before: docker.Container | undefined;
}

/** The build context of the image all etcd members run. */
export function etcdContext(): ContextFile[] {
  return [...readContext(__dirname, (name) => name === "Dockerfile" || name === "healthcheck.sh"), pacedCheck()];
}
