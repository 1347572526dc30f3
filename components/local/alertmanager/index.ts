import { readFileSync } from "node:fs";
import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, labels, transformed, type Transform } from "../common";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import { SecretFiles } from "../secret-files";
import {
  ALERTMANAGER_DATA_DIRECTORY,
  ALERTMANAGER_PORT,
  type AlertmanagerSettings,
  HEARTBEAT_URL_PATH,
  renderAlertmanagerConfig,
  WEBHOOK_URL_PATH,
} from "./config";

export {
  ALERTMANAGER_PORT,
  type AlertmanagerSettings,
  HEARTBEAT_RECEIVER,
  HEARTBEAT_SECONDS,
  HEARTBEAT_URL_PATH,
  renderAlertmanagerConfig,
  WATCHDOG_ALERT,
  WEBHOOK_URL_PATH,
} from "./config";

const defaults = {
  alias: "alertmanager",
  /** It has 20 MiB with no alert, and a few KiB for each. */
  memoryMb: 64,
  stopSeconds: 10,
  bootTimeoutSeconds: 60,
  tmpMb: 1,
  /** Its pages have no login. */
  publishAddress: "127.0.0.1",
} as const;

/** On a container of Alertmanager that calls an outside service: `npm run status` tells of the others. */
const HEARTBEAT_LABEL = { label: "phased-stack.heartbeat", value: "true" } as const;

/** Failures by receiver, so that a heartbeat that is not taken is not told as alerts that are lost (`rules/host.yml` of Prometheus). */
const RECEIVERS_IN_METRICS = "--enable-feature=receiver-name-in-metrics";

export interface AlertmanagerArgs {
  /** Address that alerts are sent to, as JSON by POST, with whatever token is in it. @default none: alerts are shown, nobody is told */
  readonly webhookUrl?: pulumi.Input<string> | undefined;
  /**
   * Address of an outside service that is called every {@link HEARTBEAT_SECONDS} seconds, by POST, and tells somebody when it is not.
   * @default none: nobody notices when the host, Prometheus or Alertmanager is gone
   */
  readonly heartbeatUrl?: pulumi.Input<string> | undefined;
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
  /** Memory limit in MiB; swap is off. @default 64 */
  readonly memoryMb?: number | undefined;
  /** CPU limit in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    /** A change of `name` or `driver` replaces the volume: silences are forgotten. */
    readonly volume?: Transform<docker.VolumeArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * Alertmanager: takes alerts from Prometheus, puts together what belongs together, and tells a webhook; of the one that always fires it tells an outside
 * service instead. Silences are kept in a volume.
 */
export class Alertmanager extends pulumi.ComponentResource {
  /** Name under which it answers in the network. */
  readonly host: string = defaults.alias;
  readonly port: number = ALERTMANAGER_PORT;
  /** Address of its pages, on the Docker host only. */
  readonly url: string;
  private readonly image: Image;
  private readonly secrets: SecretFiles<never, string> | undefined;
  private readonly volume: docker.Volume;
  private readonly container: docker.Container;

  constructor(name: string, args: AlertmanagerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Alertmanager", name, {}, opts);
    this.url = `http://${defaults.publishAddress}:${args.port}`;
    this.image = this.createImage(name, args);
    this.secrets = this.createSecrets(name, args);
    this.volume = new docker.Volume(
      ...transformed(
        args.transform?.volume,
        `${name}-data`,
        { labels: labels(defaults.alias) },
        // A new label must never cost the data: Docker cannot relabel a volume, the provider would replace it.
        { parent: this, ignoreChanges: ["labels"] },
      ),
    );
    this.container = this.createContainer(name, args);
    this.registerOutputs({ host: this.host, port: this.port, url: this.url });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly image: Image;
    readonly secrets: pulumi.ComponentResource | undefined;
    readonly volume: docker.Volume;
    readonly container: docker.Container;
  } {
    return { image: this.image, secrets: this.secrets, volume: this.volume, container: this.container };
  }

  private createImage(name: string, args: AlertmanagerArgs): Image {
    const { contextDirectory, platform, imagesOf } = args;
    const files = alertmanagerContext({ webhook: args.webhookUrl !== undefined, heartbeat: args.heartbeatUrl !== undefined });
    const source = { repository: "alertmanager", files, contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createSecrets(name: string, { webhookUrl, heartbeatUrl }: AlertmanagerArgs): Alertmanager["secrets"] {
    const addresses = {
      ...(webhookUrl === undefined ? {} : { [path.posix.basename(WEBHOOK_URL_PATH)]: webhookUrl }),
      ...(heartbeatUrl === undefined ? {} : { [path.posix.basename(HEARTBEAT_URL_PATH)]: heartbeatUrl }),
    };
    if (Object.keys(addresses).length === 0) return undefined;
    return new SecretFiles(`${name}-secrets`, { generate: [], render: () => addresses, image: this.image.reference }, { parent: this });
  }

  private createContainer(name: string, args: AlertmanagerArgs): docker.Container {
    const { memoryMb = defaults.memoryMb, cpus } = args;
    const { secrets } = this;
    const heartbeat = args.heartbeatUrl !== undefined;
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-container`,
        {
          ...hardened({ service: defaults.alias, ...defaults, memoryMb, cpus }),
          labels: [
            ...labels(defaults.alias),
            ...(secrets === undefined ? [] : [{ label: "phased-stack.secrets", value: secrets.revision }]),
            ...(heartbeat ? [{ ...HEARTBEAT_LABEL }] : []),
          ],
          image: this.image.reference,
          command: [`--web.external-url=${this.url}`, ...(heartbeat ? [RECEIVERS_IN_METRICS] : [])],
          networksAdvanced: [{ name: args.networkName, aliases: [defaults.alias] }],
          ports: [{ internal: ALERTMANAGER_PORT, external: args.port, ip: defaults.publishAddress }],
          volumes: [
            { volumeName: this.volume.name, containerPath: ALERTMANAGER_DATA_DIRECTORY },
            ...(secrets === undefined ? [] : [{ ...secrets.mount }]),
          ],
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        // It owns a port and a volume.
        { parent: this, deleteBeforeReplace: true },
      ),
    );
  }
}

/** The build context of Alertmanager's image. */
export function alertmanagerContext(settings: AlertmanagerSettings): ContextFile[] {
  return [
    { path: "Dockerfile", content: readFileSync(path.join(__dirname, "Dockerfile")), executable: false },
    { path: "alertmanager.yml", content: Buffer.from(renderAlertmanagerConfig(settings)), executable: false },
    pacedCheck(),
  ];
}
