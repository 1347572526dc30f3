import { readFileSync } from "node:fs";
import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, labels, transformed, type Transform } from "../common";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import {
  PROMETHEUS_DATA_DIRECTORY,
  PROMETHEUS_PORT,
  renderExpectedRules,
  renderPrometheusConfig,
  ruleFiles,
  type ScrapeTargets,
} from "./config";

export {
  PROMETHEUS_PORT,
  renderExpectedRules,
  renderPrometheusConfig,
  ruleFiles,
  RULES_DIRECTORY,
  SCRAPE_INTERVAL_SECONDS,
  type ScrapeTargets,
  type Target,
} from "./config";

const defaults = {
  alias: "prometheus",
  memoryMb: 384,
  /** It writes what it has in memory to its log on the way; a restart reads that back. */
  stopSeconds: 30,
  /** Reading back two hours of a hundred targets takes seconds. */
  bootTimeoutSeconds: 180,
  tmpMb: 4,
  /** Share of the container's memory from which on Go collects garbage more often instead of taking more. */
  goMemoryShare: 0.9,
  /** Its pages have no login. */
  publishAddress: "127.0.0.1",
} as const;

export interface PrometheusArgs {
  /** What it looks at, and how many containers of the app it misses. A change makes a new image, and the container is replaced. */
  readonly targets: ScrapeTargets;
  /** Days after which figures are deleted. */
  readonly retentionDays: number;
  /** Disk space from which on the oldest figures are deleted, MiB; what was measured in the last three hours comes on top. */
  readonly retentionMb: number;
  /** Port on 127.0.0.1 of the Docker host: its pages have no login. */
  readonly port: number;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Memory limit in MiB; swap is off. @default 384 */
  readonly memoryMb?: number | undefined;
  /** CPU limit in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    /** A change of `name` or `driver` replaces the volume: what was measured is lost. */
    readonly volume?: Transform<docker.VolumeArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * Prometheus: looks at every server of the stack each 15 s, keeps what it saw in a volume, and evaluates the alert rules in `rules/`.
 *
 * Rules and configuration are part of the image, so that the build checks them (`promtool check config`) before the running one is touched.
 */
export class Prometheus extends pulumi.ComponentResource {
  /** Name under which it answers in the network. */
  readonly host: string = defaults.alias;
  readonly port: number = PROMETHEUS_PORT;
  /** Address of its pages, on the Docker host only. */
  readonly url: pulumi.Output<string>;
  private readonly image: Image;
  private readonly volume: docker.Volume;
  private readonly container: docker.Container;

  constructor(name: string, args: PrometheusArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Prometheus", name, {}, opts);
    this.image = this.createImage(name, args);
    this.volume = this.createVolume(name, args);
    this.container = this.createContainer(name, args);
    // Known only once the container is: whoever waits for the address may use it.
    this.url = this.container.id.apply(() => addressOf(args));
    this.registerOutputs({ host: this.host, port: this.port, url: this.url });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly image: Image; readonly volume: docker.Volume; readonly container: docker.Container } {
    return { image: this.image, volume: this.volume, container: this.container };
  }

  private createImage(name: string, args: PrometheusArgs): Image {
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "prometheus", files: prometheusContext(args.targets), contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createVolume(name: string, args: PrometheusArgs): docker.Volume {
    return new docker.Volume(
      ...transformed(
        args.transform?.volume,
        `${name}-data`,
        { labels: labels(defaults.alias) },
        // A new label must never cost the data: Docker cannot relabel a volume, the provider would replace it.
        { parent: this, ignoreChanges: ["labels"] },
      ),
    );
  }

  private createContainer(name: string, args: PrometheusArgs): docker.Container {
    const { memoryMb = defaults.memoryMb, cpus, retentionDays, retentionMb } = args;
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-container`,
        {
          ...hardened({ service: defaults.alias, ...defaults, memoryMb, cpus }),
          image: this.image.reference,
          command: [
            `--storage.tsdb.retention.time=${retentionDays}d`,
            `--storage.tsdb.retention.size=${retentionMb}MB`,
            `--web.external-url=${addressOf(args)}`,
          ],
          envs: [`GOMEMLIMIT=${Math.floor(memoryMb * defaults.goMemoryShare)}MiB`],
          networksAdvanced: [{ name: args.networkName, aliases: [defaults.alias] }],
          ports: [{ internal: PROMETHEUS_PORT, external: args.port, ip: defaults.publishAddress }],
          volumes: [{ volumeName: this.volume.name, containerPath: PROMETHEUS_DATA_DIRECTORY }],
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        // It owns a port and a volume.
        { parent: this, deleteBeforeReplace: true },
      ),
    );
  }
}

function addressOf({ port }: Pick<PrometheusArgs, "port">): string {
  return `http://${defaults.publishAddress}:${port}`;
}

/** The build context of Prometheus' image: its configuration, and the rules that go with its targets. */
export function prometheusContext(targets: ScrapeTargets): ContextFile[] {
  const file = (name: string, content: Uint8Array): ContextFile => ({ path: name, content, executable: false });
  return [
    file("Dockerfile", readFileSync(path.join(__dirname, "Dockerfile"))),
    pacedCheck(),
    file("prometheus.yml", Buffer.from(renderPrometheusConfig(targets))),
    file("rules/expected.yml", Buffer.from(renderExpectedRules(targets))),
    ...ruleFiles(targets).map((name) => file(`rules/${name}`, readFileSync(path.join(__dirname, "rules", name)))),
  ];
}
