import { readFileSync } from "node:fs";
import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { Connection } from "../../contract";
import { hardened, labels, transformed, type Transform } from "../common";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import { SecretFiles } from "../secret-files";
import {
  type BrokerSettings,
  type ClusterSettings,
  KAFKA_DATA_DIRECTORY,
  KAFKA_PASSWORDS,
  KAFKA_PORT,
  kafkaConfigPath,
  kafkaHeapMb,
  kafkaMemory,
  type KafkaPassword,
  renderServerProperties,
} from "./server-properties";

export {
  KAFKA_APP_USER,
  KAFKA_DATA_DIRECTORY,
  KAFKA_EXTERNAL_PORT,
  KAFKA_PASSWORDS,
  KAFKA_PORT,
  KAFKA_SASL_MECHANISM,
  KAFKA_SECRETS_DIRECTORY,
  kafkaConfigPath,
  kafkaHeapMb,
  kafkaMemory,
  LEAST_KAFKA_MB,
  renderServerProperties,
  type BrokerSettings,
  type ClusterSettings,
} from "./server-properties";

/** The official image the broker's image is built on; the stand-in of restricted networks has the same name. */
export const KAFKA_BASE_IMAGE = "apache/kafka:4.1.0";

/** Brokers of a cluster: one may be lost. Each is a controller as well, and knows the others from its first start. */
export const KAFKA_BROKERS = 3;

const defaults = {
  /** A broker hands its partitions over in about 2 s. The last one of all cannot, and would wait for minutes. */
  stopSeconds: 30,
  /** A start takes 10 s on two cores; one after a kill looks through its newest files, and fetches what it missed. */
  bootTimeoutSeconds: 600,
  tmpMb: 16,
} as const;

export interface KafkaArgs extends Pick<ClusterSettings, "partitions" | "retentionHours" | "retentionMb"> {
  /** Memory limit of each broker in MiB, from 576, of which all but 384 is heap; swap is off. A change replaces the brokers one after the other. */
  readonly memoryMb: number;
  /** CPU limit of each broker in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Refuse to delete the data: Pulumi's `protect`, and the volumes stay on the host even when the stack is destroyed. */
  readonly protect: boolean;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /**
   * Brokers that run now, e.g. `kafka-1`: an update replaces those last that run, and starts all together when no majority does.
   * @default not known: one after the other
   */
  readonly running?: readonly string[] | undefined;
  /** Seconds a broker may take to have all its copies in sync before `pulumi up` fails; those after it are then left as they are. @default 600 */
  readonly bootTimeoutSeconds?: number | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    /** Any change makes ANOTHER CLUSTER: brokers refuse the data of the one before. */
    readonly clusterId?: Transform<random.RandomIdArgs>;
    /** A change of `name` or `driver` replaces the volume: THE COPIES OF THAT BROKER ARE LOST unless it is protected. */
    readonly volume?: Transform<docker.VolumeArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * Kafka 4 as three equal brokers in KRaft mode, each broker and controller, each with a volume of its own. A record is on three brokers, and
 * acknowledged when two have it. Brokers are replaced one after the other; the next one is touched only once the one before has every copy
 * of its own in sync again.
 *
 * What others are told of it are plain names: an output of a container would make everybody who uses it be replaced together with the broker.
 */
export class Kafka extends pulumi.ComponentResource {
  /** Host names of the brokers on the network: `kafka-1` … */
  readonly hosts: readonly string[];
  /** Where clients connect first. */
  readonly brokers: readonly Connection[];
  /** Password of the user {@link KAFKA_APP_USER}, marked secret. */
  readonly appPassword: pulumi.Output<string>;
  private readonly image: Image;
  private readonly secrets: SecretFiles<KafkaPassword>;
  private readonly clusterId: random.RandomId;
  private readonly volumes: readonly docker.Volume[];
  private readonly containers: readonly docker.Container[];

  constructor(name: string, args: KafkaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Kafka", name, {}, opts);
    this.hosts = kafkaHosts();
    this.brokers = this.hosts.map((host) => ({ host, port: KAFKA_PORT }));
    this.image = this.createImage(name, args);
    // Both are in the volumes as well, which outlive the stack where data are protected.
    const secrets = { generate: KAFKA_PASSWORDS, image: this.image.reference, protect: args.protect };
    this.secrets = new SecretFiles(`${name}-secrets`, secrets, { parent: this });
    this.appPassword = this.secrets.values.app_password;
    this.clusterId = this.createClusterId(name, args);
    const volumes = new Map(this.hosts.map((host) => [host, this.createVolume(`${name}-${nodeOf(host)}-data`, args)]));
    const containers = this.createContainers(name, volumes, args);
    this.volumes = [...volumes.values()];
    this.containers = this.hosts.flatMap((host) => containers.get(host) ?? []);
    this.registerOutputs({ hosts: this.hosts });
  }

  /** The resources this component is made of; volumes and containers in the order of {@link hosts}. */
  get nodes(): {
    readonly image: Image;
    readonly secrets: SecretFiles<KafkaPassword>;
    readonly clusterId: random.RandomId;
    readonly volumes: readonly docker.Volume[];
    readonly containers: readonly docker.Container[];
  } {
    const { image, secrets, clusterId, volumes, containers } = this;
    return { image, secrets, clusterId, volumes, containers };
  }

  private createImage(name: string, args: KafkaArgs): Image {
    const { contextDirectory, platform, imagesOf, partitions, retentionHours, retentionMb } = args;
    const files = kafkaContext({ hosts: this.hosts, partitions, retentionHours, retentionMb });
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(
      `${name}-image`,
      { source: { repository: "kafka", files, contextDirectory, platform, imagesOf }, ...transform },
      { parent: this },
    );
  }

  private createClusterId(name: string, args: KafkaArgs): random.RandomId {
    return new random.RandomId(
      ...transformed(args.transform?.clusterId, `${name}-cluster-id`, { byteLength: 16 }, { parent: this, protect: args.protect }),
    );
  }

  private createVolume(name: string, args: KafkaArgs): docker.Volume {
    return new docker.Volume(
      ...transformed(
        args.transform?.volume,
        name,
        { labels: labels("kafka") },
        // A new label must never cost the data: Docker cannot relabel a volume, the provider would replace it.
        { parent: this, protect: args.protect, retainOnDelete: args.protect, ignoreChanges: ["labels"] },
      ),
    );
  }

  private createContainers(
    name: string,
    volumes: ReadonlyMap<string, docker.Volume>,
    args: KafkaArgs,
  ): ReadonlyMap<string, docker.Container> {
    const { oneByOne, order } = brokerOrder([...volumes.keys()], args.running);
    let before: docker.Container | undefined;
    const ordered = [...volumes].sort(([one], [two]) => order.indexOf(one) - order.indexOf(two));
    return new Map(
      ordered.map(([host, volume]) => {
        const container = this.createContainer(`${name}-${nodeOf(host)}`, { host, volume, before }, args);
        if (oneByOne) before = container;
        return [host, container];
      }),
    );
  }

  private createContainer(name: string, { host, volume, before }: Broker, args: KafkaArgs): docker.Container {
    const { memoryMb, cpus } = args;
    const environment = {
      KAFKA_BROKER: host,
      KAFKA_HEAP_OPTS: kafkaMemory(kafkaHeapMb(memoryMb)).heapOptions,
    };
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        name,
        {
          ...hardened({ service: "kafka", ...defaults, memoryMb, cpus }),
          image: this.image.reference,
          envs: [
            pulumi.interpolate`KAFKA_CLUSTER_ID=${this.clusterId.b64Url}`,
            ...Object.entries(environment).map(([key, value]) => `${key}=${value}`),
          ],
          labels: [...labels("kafka"), { label: "phased-stack.node", value: host }],
          networksAdvanced: [{ name: args.networkName, aliases: [host] }],
          volumes: [{ volumeName: volume.name, containerPath: KAFKA_DATA_DIRECTORY }, { ...this.secrets.mount }],
          wait: true,
          waitTimeout: args.bootTimeoutSeconds ?? defaults.bootTimeoutSeconds,
        },
        // Two containers cannot own one volume: the provider's default, said here because the data depends on it.
        { parent: this, deleteBeforeReplace: true, dependsOn: [this.secrets.nodes.writer, ...(before === undefined ? [] : [before])] },
      ),
    );
  }
}

/** One broker, and the one that has to be well before it is touched. */
interface Broker {
  readonly host: string;
  readonly volume: docker.Volume;
  readonly before: docker.Container | undefined;
}

/** Host names of a cluster's brokers. */
export function kafkaHosts(): string[] {
  return Array.from({ length: KAFKA_BROKERS }, (_, index) => `kafka-${index + 1}`);
}

/** `kafka-2` → `2`: the part of a resource's name that says which broker. */
function nodeOf(host: string): string {
  return host.slice("kafka-".length);
}

/**
 * How an update goes through the brokers. One that does not run comes first: while it is away, taking away another one would leave no
 * majority, and nothing would get healthy. Without a majority there is nothing to spare, and one broker alone would wait for ever for a
 * second: then all start together.
 * @param running those that run now; `undefined` when that is not known
 */
export function brokerOrder(
  hosts: readonly string[],
  running: readonly string[] | undefined,
): { readonly oneByOne: boolean; readonly order: readonly string[] } {
  if (running === undefined) return { oneByOne: true, order: hosts };
  const runs = (host: string): boolean => running.includes(host);
  const order = [...hosts.filter((host) => !runs(host)), ...hosts.filter(runs)];
  return { oneByOne: hosts.filter(runs).length > hosts.length / 2, order };
}

/**
 * The build context of the image all brokers of a cluster run, with the configuration of each.
 * @param cluster without it no configuration is in the image, and has to be put there before a broker starts
 * @throws RangeError for what {@link renderServerProperties} refuses.
 */
export function kafkaContext(cluster?: ClusterSettings): ContextFile[] {
  const own = (name: string, target = name): ContextFile => ({
    path: target,
    content: readFileSync(path.join(__dirname, name)),
    executable: name.endsWith(".sh"),
  });
  const configs = cluster === undefined ? [] : cluster.hosts.map((host, index) => brokerConfig(host, { ...cluster, nodeId: index + 1 }));
  return [
    own("Dockerfile"),
    own("start.sh"),
    pacedCheck(),
    own("broker-state.sh"),
    own("broker-state.awk"),
    own("log4j2.yaml", "config/log4j2.yaml"),
    ...configs,
  ];
}

function brokerConfig(host: string, settings: BrokerSettings): ContextFile {
  const content = Buffer.from(renderServerProperties(settings));
  return { path: `config/${path.posix.basename(kafkaConfigPath(host))}`, content, executable: false };
}
