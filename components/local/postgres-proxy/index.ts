import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, labels, transformed, type Transform, type VolumeMount } from "../common";
import { Image } from "../image";
import { type ContextFile, readContext } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import {
  type PostgresProxySettings,
  PRIMARY_PORT,
  PROXY_DRAIN_SECONDS,
  PROXY_STATUS_PORT,
  PROXY_SOCKETS,
  proxyMemoryMb,
  renderPostgresProxyConfig,
  REPLICA_PORT,
} from "./config";

export {
  MOST_CONNECTIONS,
  nodePort,
  PRIMARY_PORT,
  PROXY_DRAIN_SECONDS,
  PROXY_SOCKETS,
  PROXY_STATUS_PORT,
  proxyMemoryMb,
  REPLICA_PORT,
  type PostgresProxySettings,
  renderPostgresProxyConfig,
} from "./config";

/** Name under which it answers in the network. */
export const POSTGRES_PROXY_ALIAS = "postgres-proxy";

const defaults = {
  stopSeconds: PROXY_DRAIN_SECONDS + 5,
  bootTimeoutSeconds: 60,
  tmpMb: 1,
} as const;

export interface PostgresProxyArgs {
  /** Host names of the Patroni nodes. A change replaces the proxy, without a gap. */
  readonly nodes: readonly string[];
  /** Connections to the primary, and to the replicas, at once: at least those of all PgBouncer pools. @default 500 */
  readonly maxConnections?: number | undefined;
  /** A replica further behind than this is not read from; MiB. @default 10 */
  readonly maxLagMb?: number | undefined;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Memory limit in MiB; swap is off. @default what the connections need, see `proxyMemoryMb` */
  readonly memoryMb?: number | undefined;
  /** CPU limit in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    readonly volume?: Transform<docker.VolumeArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * HAProxy between PgBouncer and the Postgres nodes: one port that leads to the primary, one to the replicas, and for PgBouncer sockets in a volume, one
 * that leads to the primary and one for each node.
 *
 * It keeps nothing, so a replacement is created beside it, has to become healthy, and only then the old one is told to stop: it takes no
 * new connection and keeps those it has for {@link PROXY_DRAIN_SECONDS} seconds, in which the operator has PgBouncer move over.
 */
export class PostgresProxy extends pulumi.ComponentResource {
  /** Name under which it answers in the network. Who needs it to be there has to say so (`dependsOn`): a name alone changes with nothing. */
  readonly host: string = POSTGRES_PROXY_ALIAS;
  /** Port that leads to the primary. */
  readonly primaryPort: number = PRIMARY_PORT;
  /** Port that leads to replicas, and to the primary while there are none. */
  readonly replicaPort: number = REPLICA_PORT;
  /** Port of health and metrics. */
  readonly statusPort: number = PROXY_STATUS_PORT;
  /** How a container on the same host mounts its sockets. */
  readonly sockets: VolumeMount;
  private readonly image: Image;
  private readonly volume: docker.Volume;
  private readonly container: docker.Container;

  constructor(name: string, args: PostgresProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:PostgresProxy", name, {}, opts);
    this.image = this.createImage(name, args);
    this.volume = this.createVolume(name, args);
    this.sockets = { volumeName: this.volume.name, containerPath: PROXY_SOCKETS, readOnly: true };
    this.container = this.createContainer(name, args);
    this.registerOutputs({ host: this.host, primaryPort: this.primaryPort, replicaPort: this.replicaPort, statusPort: this.statusPort });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly image: Image; readonly volume: docker.Volume; readonly container: docker.Container } {
    return { image: this.image, volume: this.volume, container: this.container };
  }

  private createImage(name: string, args: PostgresProxyArgs): Image {
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "postgres-proxy", files: postgresProxyContext(args), contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createVolume(name: string, { transform }: PostgresProxyArgs): docker.Volume {
    return new docker.Volume(
      // Docker cannot relabel a volume: for a new label the provider would replace it, and both containers with it.
      ...transformed(
        transform?.volume,
        `${name}-sockets`,
        { labels: labels("postgres-proxy") },
        { parent: this, ignoreChanges: ["labels"] },
      ),
    );
  }

  private createContainer(name: string, args: PostgresProxyArgs): docker.Container {
    const { maxConnections, memoryMb = proxyMemoryMb(maxConnections), cpus } = args;
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-container`,
        {
          ...hardened({ service: "postgres-proxy", ...defaults, memoryMb, cpus }),
          image: this.image.reference,
          networksAdvanced: [{ name: args.networkName, aliases: [POSTGRES_PROXY_ALIAS] }],
          volumes: [{ ...this.sockets, readOnly: false }],
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        // Deleted first, as is the provider's default, nobody would reach the primary until the new one is there.
        { parent: this, deleteBeforeReplace: false },
      ),
    );
  }
}

/**
 * The build context of the proxy's image: its configuration is part of it, and checked when it is built.
 * @throws RangeError for what {@link renderPostgresProxyConfig} refuses.
 */
export function postgresProxyContext(settings: PostgresProxySettings): ContextFile[] {
  const dockerfile = readContext(__dirname, (name) => name === "Dockerfile");
  return [
    ...dockerfile,
    pacedCheck(),
    { path: "haproxy.cfg", content: Buffer.from(renderPostgresProxyConfig(settings)), executable: false },
  ];
}
