import { readFileSync } from "node:fs";
import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, labels, transformed, type Transform } from "../common";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { SecretFiles } from "../secret-files";
import { type DashboardSettings, dashboards } from "./dashboards";
import { renderDashboardProvider, renderDatasource } from "./provisioning";

export { dashboards, type DashboardSettings, panelQueries } from "./dashboards";
export { GRAFANA_BASE_IMAGE } from "./base-image";

/** Port inside the container. */
export const GRAFANA_PORT = 3000;

const defaults = {
  alias: "grafana",
  /** Twice what Grafana's documentation has for a small installation without rendering of images. */
  memoryMb: 512,
  stopSeconds: 10,
  /** A first start makes its database. */
  bootTimeoutSeconds: 180,
  tmpMb: 32,
  dataDirectory: "/var/lib/grafana",
  /** Whoever logs in by plain HTTP does so on the host itself. */
  publishAddress: "127.0.0.1",
} as const;

export interface GrafanaArgs {
  /** What dashboards have panels for. A change makes a new image, and the container is replaced. */
  readonly dashboards: DashboardSettings;
  /** Prometheus in the network, and the seconds between two of its looks. */
  readonly prometheus: { readonly host: string; readonly port: number; readonly intervalSeconds: number };
  /** Port on 127.0.0.1 of the Docker host. */
  readonly port: number;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Memory limit in MiB; swap is off. @default 512 */
  readonly memoryMb?: number | undefined;
  /** CPU limit in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    /** A change of `name` or `driver` replaces the volume: dashboards made by hand, and users, are lost. */
    readonly volume?: Transform<docker.VolumeArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * Grafana on its official image, with Prometheus as data source and the stack's dashboards, which are code (`dashboards/`) and cannot be changed
 * by hand; what people make beside them is kept in a volume. The password of `admin` is generated and set at the first start.
 */
export class Grafana extends pulumi.ComponentResource {
  /** Address of its pages, on the Docker host only. */
  readonly url: pulumi.Output<string>;
  /** Password of the user `admin`, secret. */
  readonly adminPassword: pulumi.Output<string>;
  private readonly image: Image;
  private readonly secrets: SecretFiles<"admin_password">;
  private readonly volume: docker.Volume;
  private readonly container: docker.Container;

  constructor(name: string, args: GrafanaArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Grafana", name, {}, opts);
    this.image = this.createImage(name, args);
    this.secrets = new SecretFiles(`${name}-secrets`, { generate: ["admin_password"], image: this.image.reference }, { parent: this });
    this.adminPassword = this.secrets.values.admin_password;
    this.volume = new docker.Volume(
      ...transformed(
        args.transform?.volume,
        `${name}-data`,
        { labels: labels(defaults.alias) },
        // A new label must never cost the data: Docker cannot relabel a volume, the provider would replace it. After the image, so that a volume tells
        // of a Grafana that could be built (stacks/local/grafana-image.ts).
        { parent: this, ignoreChanges: ["labels"], dependsOn: [this.image] },
      ),
    );
    this.container = this.createContainer(name, args);
    // Known only once the container is: whoever waits for the address may use it.
    this.url = this.container.id.apply(() => addressOf(args));
    this.registerOutputs({ url: this.url });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly image: Image;
    readonly secrets: pulumi.ComponentResource;
    readonly volume: docker.Volume;
    readonly container: docker.Container;
  } {
    return { image: this.image, secrets: this.secrets, volume: this.volume, container: this.container };
  }

  private createImage(name: string, args: GrafanaArgs): Image {
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "grafana", files: grafanaContext(args), contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createContainer(name: string, args: GrafanaArgs): docker.Container {
    const { memoryMb = defaults.memoryMb, cpus } = args;
    const environment = {
      GF_SECURITY_ADMIN_PASSWORD__FILE: this.secrets.files.admin_password.path,
      GF_SERVER_ROOT_URL: addressOf(args),
      GF_LOG_MODE: "console",
      // Nothing of it asks anybody outside.
      GF_ANALYTICS_REPORTING_ENABLED: "false",
      GF_ANALYTICS_CHECK_FOR_UPDATES: "false",
      GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: "false",
      GF_PLUGINS_PREINSTALL_DISABLED: "true",
      GF_NEWS_NEWS_FEED_ENABLED: "false",
    };
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-container`,
        {
          ...hardened({ service: defaults.alias, ...defaults, memoryMb, cpus }),
          labels: [...labels(defaults.alias), { label: "phased-stack.secrets", value: this.secrets.revision }],
          image: this.image.reference,
          envs: Object.entries(environment).map(([key, value]) => `${key}=${value}`),
          networksAdvanced: [{ name: args.networkName, aliases: [defaults.alias] }],
          ports: [{ internal: GRAFANA_PORT, external: args.port, ip: defaults.publishAddress }],
          volumes: [{ volumeName: this.volume.name, containerPath: defaults.dataDirectory }, { ...this.secrets.mount }],
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        // It owns a port and a volume.
        { parent: this, deleteBeforeReplace: true },
      ),
    );
  }
}

function addressOf({ port }: Pick<GrafanaArgs, "port">): string {
  return `http://${defaults.publishAddress}:${port}`;
}

/** The build context of Grafana's image: data source and dashboards on top of the official one. */
export function grafanaContext({ dashboards: settings, prometheus }: Pick<GrafanaArgs, "dashboards" | "prometheus">): ContextFile[] {
  const file = (name: string, content: string): ContextFile => ({ path: name, content: Buffer.from(content), executable: false });
  const address = `http://${prometheus.host}:${prometheus.port}`;
  return [
    file("Dockerfile", readFileSync(path.join(__dirname, "Dockerfile"), "utf8")),
    file("provisioning/datasources/prometheus.yml", renderDatasource(address, prometheus.intervalSeconds)),
    file("provisioning/dashboards/phased-stack.yml", renderDashboardProvider()),
    ...Object.entries(dashboards(settings)).map(([name, dashboard]) => file(`dashboards/${name}.json`, JSON.stringify(dashboard, null, 1))),
  ];
}
