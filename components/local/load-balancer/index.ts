import { readFileSync } from "node:fs";
import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, transformed, type Transform } from "../common";
import { BOOT_TIMEOUT_SECONDS, MAX_INSTANCES } from "../app";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { LOAD_BALANCER_PORT, type RateLimit, renderHaproxyConfig } from "./haproxy-config";

const defaults = {
  alias: "load-balancer",
  memoryMb: 256,
  maxConnections: 4096,
  /** Above the ten seconds after which HAProxy ends a soft stop by itself. */
  stopSeconds: 15,
  /** It starts beside the app and is healthy once an instance is ready: longer than an instance may take. */
  bootTimeoutSeconds: BOOT_TIMEOUT_SECONDS + 15,
  tmpMb: 16,
} as const;

/**
 * Room for every instance, its replacement during a rollout and a failed one of an earlier rollout. Fixed, so that scaling changes
 * nothing about the load balancer: it has to own the port, and is therefore down for a moment whenever it is replaced.
 */
const SLOTS = 3 * MAX_INSTANCES;

export interface LoadBalancerArgs {
  /** Port to publish on the Docker host. A change replaces the load balancer: it is down for about two seconds. */
  readonly port: number;
  /** IP address of the Docker host to publish on, e.g. `127.0.0.1`. A change replaces the load balancer. */
  readonly publishAddress: string;
  /** Name clients outside use for that address in {@link LoadBalancer.url}. */
  readonly publicHost: string;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Network alias of the app's containers. */
  readonly upstream: string;
  /** Limit per client on everything but chat (feature B1). A change replaces the load balancer. */
  readonly apiLimit: RateLimit;
  /** Limit per client on `/api/chat` (feature B1). A change replaces the load balancer. */
  readonly chatLimit: RateLimit;
  /** Largest request body in MiB. A change replaces the load balancer. */
  readonly maxBodyMb: number;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
  };
}

/**
 * HAProxy in front of the app: the only container with a published port.
 *
 * Its configuration is part of its image. So the build checks it (`haproxy -c`) before the running load balancer is touched, the
 * image's tag covers it, and nothing has to be mounted. It holds no secret.
 */
export class LoadBalancer extends pulumi.ComponentResource {
  /** Address of the app for its users, without a trailing slash. */
  readonly url: pulumi.Output<string>;
  private readonly image: Image;
  private readonly container: docker.Container;

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:LoadBalancer", name, {}, opts);
    this.image = this.createImage(name, args);
    this.container = this.createContainer(name, args);
    const address = `http://${args.publicHost.includes(":") ? `[${args.publicHost}]` : args.publicHost}:${args.port}`;
    // Known only once the container is: whoever waits for the address may use it.
    this.url = this.container.id.apply(() => address);
    this.registerOutputs({ url: this.url });
  }

  /** The resources this component is made of. */
  get nodes(): { readonly image: Image; readonly container: docker.Container } {
    return { image: this.image, container: this.container };
  }

  private createImage(name: string, args: LoadBalancerArgs): Image {
    const files = loadBalancerContext(args);
    const { contextDirectory, platform } = args;
    const source = { repository: "load-balancer", files, contextDirectory, platform };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createContainer(name: string, args: LoadBalancerArgs): docker.Container {
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-haproxy`,
        {
          ...hardened({ service: "load-balancer", ...defaults }),
          image: this.image.reference,
          networksAdvanced: [{ name: args.networkName, aliases: [defaults.alias] }],
          ports: [{ internal: LOAD_BALANCER_PORT, external: args.port, ip: args.publishAddress }],
          wait: true,
          waitTimeout: defaults.bootTimeoutSeconds,
        },
        // Two containers cannot own one port: the provider's default, said here because everything depends on it.
        { parent: this, deleteBeforeReplace: true },
      ),
    );
  }
}

/** The build context of the load balancer's image. */
export function loadBalancerContext(args: Pick<LoadBalancerArgs, "upstream" | "apiLimit" | "chatLimit" | "maxBodyMb">): ContextFile[] {
  const config = renderHaproxyConfig({
    upstream: args.upstream,
    slots: SLOTS,
    apiLimit: args.apiLimit,
    chatLimit: args.chatLimit,
    maxBodyBytes: args.maxBodyMb * 1024 * 1024,
    maxConnections: defaults.maxConnections,
  });
  return [
    { path: "Dockerfile", content: readFileSync(path.join(__dirname, "Dockerfile")), executable: false },
    { path: "haproxy.cfg", content: Buffer.from(config), executable: false },
  ];
}
