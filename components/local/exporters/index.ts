import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { Connection } from "../../contract";
import { hardened, labels, transformed, type Transform } from "../common";
import { Image } from "../image";
import { type ContextFile, readContext } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import { SecretFiles } from "../secret-files";
import { EXPORTER_PORTS, type Exporter } from "./ports";
import { EXPORTER_FILES, exporterCommand, renderPasswordFile, renderPostgresExporterConfig } from "./settings";

export { EXPORTER_PORTS, type Exporter } from "./ports";
export { EXPORTER_FILES, exporterCommand, POSTGRES_AUTH_MODULE, renderPasswordFile, renderPostgresExporterConfig } from "./settings";

const defaults = {
  /** Each has 10 to 25 MiB; the rest is for a scrape of a server with many tables. */
  memoryMb: 64,
  stopSeconds: 10,
  bootTimeoutSeconds: 60,
  tmpMb: 1,
} as const;

/** What exporters of the data plane need. */
export interface MonitoredDatabase {
  /** Password of `monitor` in Postgres and PgBouncer, who sees figures and no data. */
  readonly monitorPassword: pulumi.Input<string>;
  readonly pgbouncer: Connection;
  /** What serves before the exporter of PgBouncer starts: that one ends by itself when it cannot log in. @default nothing */
  readonly pgbouncerAfter?: readonly pulumi.Resource[] | undefined;
}

export interface ExportersArgs {
  /** Phase `database`: exporters of Postgres, PgBouncer and Redis as well. @default only the host's */
  readonly database?: MonitoredDatabase | undefined;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Memory limit of each in MiB; swap is off. @default 64 */
  readonly memoryMb?: number | undefined;
  /** CPU limit of each in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/** Who needs which file with a secret. */
const FILE_OF: Readonly<Partial<Record<Exporter, string>>> = {
  "postgres-exporter": EXPORTER_FILES.postgres,
  "pgbouncer-exporter": EXPORTER_FILES.pgbouncer,
};

/** What turns the state of the host, Postgres, PgBouncer and Redis into figures for Prometheus. They keep nothing, and one container each. */
export class Exporters extends pulumi.ComponentResource {
  private readonly image: Image;
  private readonly secrets: SecretFiles<never, (typeof EXPORTER_FILES)[keyof typeof EXPORTER_FILES]> | undefined;
  private readonly containers: Readonly<Partial<Record<Exporter, docker.Container>>>;

  constructor(name: string, args: ExportersArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Exporters", name, {}, opts);
    this.image = this.createImage(name, args);
    this.secrets = args.database && this.createSecrets(name, args.database);
    const wanted = (Object.keys(EXPORTER_PORTS) as Exporter[]).filter((one) => one === "node-exporter" || args.database !== undefined);
    this.containers = Object.fromEntries(wanted.map((exporter) => [exporter, this.createContainer(name, exporter, args)]));
    this.registerOutputs({});
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly image: Image;
    readonly secrets: pulumi.ComponentResource | undefined;
    readonly containers: Readonly<Partial<Record<Exporter, docker.Container>>>;
  } {
    return { image: this.image, secrets: this.secrets, containers: this.containers };
  }

  private createImage(name: string, args: ExportersArgs): Image {
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "exporters", files: exportersContext(), contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createSecrets(name: string, { monitorPassword }: MonitoredDatabase): NonNullable<Exporters["secrets"]> {
    const password = pulumi.output(monitorPassword);
    return new SecretFiles(
      `${name}-secrets`,
      {
        generate: [],
        render: () => ({
          [EXPORTER_FILES.postgres]: password.apply(renderPostgresExporterConfig),
          [EXPORTER_FILES.pgbouncer]: password.apply(renderPasswordFile),
        }),
        image: this.image.reference,
      },
      { parent: this },
    );
  }

  private createContainer(name: string, exporter: Exporter, args: ExportersArgs): docker.Container {
    const { memoryMb = defaults.memoryMb, cpus, database } = args;
    const secrets = FILE_OF[exporter] === undefined ? undefined : this.secrets;
    const pgbouncer = pulumi.output(database?.pgbouncer).apply((found) => (found === undefined ? "" : `${found.host}:${found.port}`));
    const command = pgbouncer.apply((address) => exporterCommand(exporter, secrets?.mount.containerPath ?? "", address));
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-${exporter.replace("-exporter", "")}`,
        {
          ...hardened({ service: exporter, ...defaults, memoryMb, cpus }),
          labels: [...labels(exporter), ...(secrets === undefined ? [] : [{ label: "phased-stack.secrets", value: secrets.revision }])],
          image: this.image.reference,
          entrypoints: command.apply((made) => [made.entrypoint]),
          command: command.apply((made) => [...made.arguments]),
          envs: [`PORT=${EXPORTER_PORTS[exporter]}`],
          networksAdvanced: [{ name: args.networkName, aliases: [exporter] }],
          ...(secrets === undefined ? {} : { volumes: [{ ...secrets.mount }] }),
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        {
          parent: this,
          deleteBeforeReplace: false,
          dependsOn: exporter === "pgbouncer-exporter" ? [...(database?.pgbouncerAfter ?? [])] : [],
        },
      ),
    );
  }
}

/** The build context of the image that all exporters run. */
export function exportersContext(): ContextFile[] {
  return [...readContext(__dirname, (name) => name === "Dockerfile" || name === "pgbouncer-exporter.sh"), pacedCheck()];
}
