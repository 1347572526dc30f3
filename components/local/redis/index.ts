import { readFileSync } from "node:fs";
import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, labels, transformed, type Transform } from "../common";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import { SecretFiles } from "../secret-files";
import { REDIS_APP_USER, renderRedisAcl } from "./acl";
import {
  REDIS_ACL_PATH,
  REDIS_DATA_DIRECTORY,
  REDIS_PORT,
  redisContainerMb,
  type RedisRole,
  type RedisSettings,
  renderRedisConfig,
} from "./redis-config";

export { REDIS_APP_USER, renderRedisAcl } from "./acl";
export {
  REDIS_ACL_PATH,
  REDIS_DATA_DIRECTORY,
  REDIS_PORT,
  redisContainerMb,
  renderRedisConfig,
  type RedisRole,
  type RedisSettings,
} from "./redis-config";

const defaults = {
  /** On SIGTERM Redis writes and syncs its append-only file; 4 GB of it take no time, what is pending of a second does. */
  stopSeconds: 20,
  /** A server that reads back a full append-only file answers only after that: some 100 MB a second. */
  bootTimeoutSeconds: 120,
  tmpMb: 4,
} as const;

export interface RedisArgs {
  /** Which of the two servers this is; says what it is called in the network (`redis-cache`, `redis-limits`) and what it may forget. */
  readonly role: RedisRole;
  /** Most memory for data in MiB; the container's limit follows from it. A change restarts the server with its data. */
  readonly maxMemoryMb: number;
  /** CPU limit in cores. @default no limit */
  readonly cpus?: number | undefined;
  /** Refuse to delete the data: Pulumi's `protect`, and the volume stays on the host even when the stack is destroyed. */
  readonly protect: boolean;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project; one for each server, because they differ. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    /** A change of `name` or `driver` replaces the volume: THE DATA IS LOST unless it is protected. */
    readonly volume?: Transform<docker.VolumeArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * One Redis server with its append-only file in a volume. A change replaces its container: the old one ends first, because no two may
 * write one file, and the new one goes on with what it left. The app bridges those seconds by itself.
 */
export class Redis extends pulumi.ComponentResource {
  /** Name under which it answers in the network. */
  readonly host: string;
  readonly port: number = REDIS_PORT;
  /**
   * What the app connects to, with user and password; secret. It does not wait for the server: who needs that says so (`dependsOn`).
   * Depending on the container through this value, the app would be replaced, and deleted first, whenever the server is.
   */
  readonly url: pulumi.Output<string>;
  private readonly image: Image;
  private readonly secrets: SecretFiles<"password", "redis.acl", "password">;
  private readonly volume: docker.Volume;
  private readonly container: docker.Container;

  constructor(name: string, args: RedisArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:Redis", name, {}, opts);
    this.host = `redis-${args.role}`;
    this.image = this.createImage(name, args);
    this.secrets = this.createSecrets(name);
    this.volume = this.createVolume(name, args);
    this.container = this.createContainer(name, args);
    this.url = this.secrets.values.password.apply(
      (password) => `redis://${REDIS_APP_USER}:${encodeURIComponent(password)}@${this.host}:${REDIS_PORT}`,
    );
    this.registerOutputs({ host: this.host, port: this.port, url: this.url });
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

  private createImage(name: string, args: RedisArgs): Image {
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "redis", files: redisContext(args), contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createSecrets(name: string): Redis["secrets"] {
    return new SecretFiles(
      `${name}-secrets`,
      {
        generate: ["password"],
        // The server needs no more than its hash.
        withoutFile: ["password"],
        render: ({ password }) => ({ [path.posix.basename(REDIS_ACL_PATH) as "redis.acl"]: password.apply(renderRedisAcl) }),
        image: this.image.reference,
      },
      { parent: this },
    );
  }

  private createVolume(name: string, args: RedisArgs): docker.Volume {
    return new docker.Volume(
      ...transformed(
        args.transform?.volume,
        `${name}-data`,
        { labels: labels(this.host) },
        // A new label must never cost the data: Docker cannot relabel a volume, the provider would replace it.
        { parent: this, protect: args.protect, retainOnDelete: args.protect, ignoreChanges: ["labels"] },
      ),
    );
  }

  private createContainer(name: string, args: RedisArgs): docker.Container {
    const memoryMb = redisContainerMb(args.maxMemoryMb);
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-container`,
        {
          ...hardened({ service: this.host, ...defaults, memoryMb, cpus: args.cpus }),
          labels: [...labels(this.host), { label: "phased-stack.secrets", value: this.secrets.revision }],
          image: this.image.reference,
          networksAdvanced: [{ name: args.networkName, aliases: [this.host] }],
          volumes: [{ volumeName: this.volume.name, containerPath: REDIS_DATA_DIRECTORY }, { ...this.secrets.mount }],
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        // One volume, one server: the provider's default, said here because the data depend on it.
        { parent: this, deleteBeforeReplace: true },
      ),
    );
  }
}

/** The build context of one Redis server's image. */
export function redisContext(settings: RedisSettings): ContextFile[] {
  return [
    { path: "Dockerfile", content: readFileSync(path.join(__dirname, "Dockerfile")), executable: false },
    { path: "redis.conf", content: Buffer.from(renderRedisConfig(settings)), executable: false },
    pacedCheck(),
  ];
}
