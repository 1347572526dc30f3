import { readFileSync } from "node:fs";
import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, labels, transformed, type Transform, type VolumeMount } from "../common";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import { SecretFiles } from "../secret-files";
import {
  PGBOUNCER_OPERATOR,
  PGBOUNCER_PORT,
  PGBOUNCER_USERS_PATH,
  type PgbouncerSettings,
  renderPgbouncerConfig,
  renderPgbouncerUsers,
} from "./config";

export {
  PGBOUNCER_MONITOR,
  PGBOUNCER_OPERATOR,
  PGBOUNCER_PORT,
  PGBOUNCER_USERS_PATH,
  nodeDatabase,
  pgbouncerConnections,
  pgbouncerPool,
  postgresConnections,
  renderPgbouncerConfig,
  renderPgbouncerUsers,
  RESERVED_CONNECTIONS,
  type PgbouncerPool,
  type PgbouncerSettings,
} from "./config";

const defaults = {
  alias: "pgbouncer",
  /** 2,000 clients with 200 prepared statements known for each server connection stay below half of it. */
  memoryMb: 128,
  /** SIGINT waits for the transactions under way: longer than the app's longest statement (10 s). */
  stopSeconds: 15,
  bootTimeoutSeconds: 60,
  tmpMb: 4,
} as const;

export interface PgBouncerArgs {
  /** A change of any makes a new image, and the container is replaced without a gap. */
  readonly settings: PgbouncerSettings;
  /** Users of the database with their passwords, by name. `monitor` may look at the figures of PgBouncer, too. A change replaces the container. */
  readonly users: Readonly<Record<string, pulumi.Input<string>>>;
  /** The server behind it, where that is reached by sockets: how they are mounted, and what has to run before PgBouncer does. @default none */
  readonly server?: { readonly sockets: VolumeMount; readonly container: pulumi.Resource } | undefined;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Memory limit in MiB; swap is off. @default 128 */
  readonly memoryMb?: number | undefined;
  /** CPU limit in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * PgBouncer between the app and Postgres: one database that leads to the primary, and one for each node.
 *
 * It keeps nothing, so a replacement is created beside it, has to become healthy, and only then the old one ends: it finishes the
 * transactions under way (SIGINT) and closes its idle clients, who find the new one under the same name.
 */
export class PgBouncer extends pulumi.ComponentResource {
  /** Name under which it answers in the network. Who needs it to be there has to say so (`dependsOn`): a name alone changes with nothing. */
  readonly host: string = defaults.alias;
  readonly port: number = PGBOUNCER_PORT;
  /** Password of {@link PGBOUNCER_OPERATOR}, who may pause and resume; secret. */
  readonly operatorPassword: pulumi.Output<string>;
  private readonly image: Image;
  private readonly secrets: SecretFiles<"operator_password", "pgbouncer-users", "operator_password">;
  private readonly container: docker.Container;

  constructor(name: string, args: PgBouncerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:PgBouncer", name, {}, opts);
    if (Object.hasOwn(args.users, PGBOUNCER_OPERATOR)) {
      throw new Error(`${name}: users has "${PGBOUNCER_OPERATOR}", who is PgBouncer's own; give that user of the database another name`);
    }
    this.image = this.createImage(name, args);
    this.secrets = this.createSecrets(name, args);
    this.operatorPassword = this.secrets.values.operator_password;
    this.container = this.createContainer(name, args);
    this.registerOutputs({ host: this.host, port: this.port });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly image: Image; readonly secrets: pulumi.ComponentResource; readonly container: docker.Container } {
    return { image: this.image, secrets: this.secrets, container: this.container };
  }

  private createImage(name: string, args: PgBouncerArgs): Image {
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "pgbouncer", files: pgbouncerContext(args.settings), contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createSecrets(name: string, args: PgBouncerArgs): PgBouncer["secrets"] {
    return new SecretFiles(
      `${name}-secrets`,
      {
        generate: ["operator_password"],
        withoutFile: ["operator_password"],
        render: (generated) => ({
          [path.posix.basename(PGBOUNCER_USERS_PATH) as "pgbouncer-users"]: pulumi
            .all({ ...args.users, [PGBOUNCER_OPERATOR]: generated.operator_password })
            .apply(renderPgbouncerUsers),
        }),
        image: this.image.reference,
      },
      { parent: this },
    );
  }

  private createContainer(name: string, args: PgBouncerArgs): docker.Container {
    const { memoryMb = defaults.memoryMb, cpus, server } = args;
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-container`,
        {
          ...hardened({ service: "pgbouncer", ...defaults, memoryMb, cpus }),
          labels: [...labels("pgbouncer"), { label: "phased-stack.secrets", value: this.secrets.revision }],
          image: this.image.reference,
          networksAdvanced: [{ name: args.networkName, aliases: [defaults.alias] }],
          volumes: [{ ...this.secrets.mount }, ...(server === undefined ? [] : [{ ...server.sockets }])],
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        // Deleted first, as is the provider's default, every client would be refused until the new one is there.
        { parent: this, deleteBeforeReplace: false, ...(server !== undefined && { dependsOn: [server.container] }) },
      ),
    );
  }
}

/** The build context of one PgBouncer's image. */
export function pgbouncerContext(settings: PgbouncerSettings): ContextFile[] {
  return [
    { path: "Dockerfile", content: readFileSync(path.join(__dirname, "Dockerfile")), executable: false },
    { path: "pgbouncer.ini", content: Buffer.from(renderPgbouncerConfig(settings)), executable: false },
    pacedCheck(),
  ];
}
