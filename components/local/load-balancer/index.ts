import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import path from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { hardened, labels, transformed, type Transform, type VolumeMount } from "../common";
import { BOOT_SECONDS, MAX_INSTANCES } from "../app";
import { Image } from "../image";
import type { ContextFile } from "../image/context-hash";
import { pacedCheck } from "../image/paced-check";
import { SecretFiles } from "../secret-files";
import { LOAD_BALANCER_MB, LOAD_BALANCER_PORT, MOST_CONNECTIONS, type RateLimit, renderHaproxyConfig } from "./haproxy-config";
import { GENERATED_PEM, TLS_PORT } from "./tls";

/** Name under which it answers in the network. */
export const LOAD_BALANCER_ALIAS = "load-balancer";

const defaults = {
  memoryMb: LOAD_BALANCER_MB,
  /** Above the ten seconds after which HAProxy ends a soft stop by itself. */
  stopSeconds: 15,
  /** It starts beside the app and is healthy once an instance is ready: so much later than an instance may be. */
  bootMarginSeconds: 15,
  tmpMb: 16,
  /** Where {@link SecretFiles} puts the user's own certificate. */
  ownPem: "/run/secrets/tls.pem",
  /** Name of the file with the operator's token, as haproxy-config.ts expects it. */
  operatorTokenName: "operator_token",
} as const;

/**
 * Room for every instance, its replacement during a rollout and a failed one of an earlier rollout. Fixed, so that scaling changes
 * nothing about the load balancer: it has to own the port, and is therefore down for a moment whenever it is replaced.
 */
const SLOTS = 3 * MAX_INSTANCES;

/** Where the certificate of the public port comes from. */
export type LoadBalancerTls =
  /** Made in the container, self-signed for {@link LoadBalancerArgs.publicHost} and this machine's names, kept in a volume, renewed there. */
  | { readonly kind: "generated" }
  /** The user's own: certificate, chain and key as one text without empty lines. A change is taken over within two seconds, without a restart. */
  | { readonly kind: "own"; readonly pem: pulumi.Input<string> };

export interface LoadBalancerArgs {
  /** Port to publish on the Docker host. A change replaces the load balancer: it is down for about two seconds. */
  readonly port: number;
  /** IP address of the Docker host to publish on, e.g. `127.0.0.1`. A change replaces the load balancer. */
  readonly publishAddress: string;
  /** Name clients outside use for that address in {@link LoadBalancer.url}. */
  readonly publicHost: string;
  /** Name of the network to be on. */
  readonly networkName: pulumi.Input<string>;
  /** Network alias of the app's containers, which have its `spareAlias`, too. */
  readonly upstream: string;
  /** Limit per client on everything but chat (feature B1). A change replaces the load balancer. */
  readonly apiLimit: RateLimit;
  /** Limit per client on `/api/chat` (feature B1). A change replaces the load balancer. */
  readonly chatLimit: RateLimit;
  /** Largest request body in MiB. A change replaces the load balancer. */
  readonly maxBodyMb: number;
  /** Requests with this token in `X-Rate-Limit-Bypass` are not held against a client's limits: load that the operator sends. */
  readonly operatorToken: pulumi.Input<string>;
  /** Seconds an instance of the app may take, which is waited for. @default 90 */
  readonly appBootSeconds?: number;
  /** TLS 1.2 and newer on {@link port}, HTTP/2 included. Switching it on or off replaces the load balancer. @default plain HTTP */
  readonly tls?: LoadBalancerTls | undefined;
  /** With TLS: port of plain HTTP, which redirects to {@link port}. A change replaces the load balancer. @default none */
  readonly redirectPort?: number | undefined;
  /** Platform of the Docker host, e.g. `linux/amd64`. */
  readonly platform: string;
  /** Directory for the image's build context, relative to the project. */
  readonly contextDirectory: string;
  /** Word from the configuration that, changed, has the image built anew with the packages of that day; see `builtAnew`. @default none */
  readonly imagesOf?: string | undefined;
  /** Changes to the child resources before they are created. */
  readonly transform?: {
    readonly image?: Transform<docker.ImageArgs>;
    readonly container?: Transform<docker.ContainerArgs>;
    /** Of the generated certificate. */
    readonly volume?: Transform<docker.VolumeArgs>;
  };
}

/** The operator's token, and with a certificate of the user's own that. */
type Secrets = SecretFiles<never, string>;
type Contents = Readonly<Record<string, pulumi.Output<string>>>;

/**
 * HAProxy in front of the app: the only container with a published port.
 *
 * Its configuration is part of its image. So the build checks it (`haproxy -c`) before the running load balancer is touched, the
 * image's tag covers it. It holds no secret: the operator's token and, with TLS, the key are in volumes.
 */
export class LoadBalancer extends pulumi.ComponentResource {
  /** Address of the app for its users, without a trailing slash. */
  readonly url: pulumi.Output<string>;
  private readonly image: Image;
  private readonly secrets: Secrets;
  private readonly certificate: docker.Volume | undefined;
  private readonly container: docker.Container;

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("phased-stack:local:LoadBalancer", name, {}, opts);
    this.image = this.createImage(name, args);
    this.secrets = this.createSecrets(name, args);
    this.certificate = this.createCertificate(name, args);
    this.container = this.createContainer(name, args);
    const scheme = args.tls === undefined ? "http" : "https";
    const address = `${scheme}://${args.publicHost.includes(":") ? `[${args.publicHost}]` : args.publicHost}:${args.port}`;
    // Known only once the container is: whoever waits for the address may use it.
    this.url = this.container.id.apply(() => address);
    this.registerOutputs({ url: this.url });
  }

  /** The resources this component is made of. */
  get nodes(): {
    readonly image: Image;
    readonly secrets: Secrets;
    readonly certificate: docker.Volume | undefined;
    readonly container: docker.Container;
  } {
    return { image: this.image, secrets: this.secrets, certificate: this.certificate, container: this.container };
  }

  private createImage(name: string, args: LoadBalancerArgs): Image {
    const files = loadBalancerContext(args);
    const { contextDirectory, platform, imagesOf } = args;
    const source = { repository: "load-balancer", files, contextDirectory, platform, imagesOf };
    const transform = args.transform?.image === undefined ? {} : { transform: { image: args.transform.image } };
    return new Image(`${name}-image`, { source, ...transform }, { parent: this });
  }

  private createSecrets(name: string, { tls, operatorToken }: LoadBalancerArgs): Secrets {
    const own = tls?.kind === "own" ? { "tls.pem": pulumi.secret(tls.pem) } : {};
    const render = (): Contents => ({ [defaults.operatorTokenName]: pulumi.secret(operatorToken), ...own });
    return new SecretFiles(`${name}-secrets`, { generate: [], render, image: this.image.reference }, { parent: this });
  }

  private createCertificate(name: string, { tls, transform }: LoadBalancerArgs): docker.Volume | undefined {
    if (tls?.kind !== "generated") return undefined;
    return new docker.Volume(
      ...transformed(transform?.volume, `${name}-certificate`, { labels: labels("load-balancer") }, { parent: this }),
    );
  }

  private createContainer(name: string, args: LoadBalancerArgs): docker.Container {
    const published = [
      // By number inside, as the provider reads them back: any other order would replace the container on every `up`.
      ...(args.redirectPort === undefined ? [] : [{ internal: LOAD_BALANCER_PORT, external: args.redirectPort }]),
      { internal: args.tls === undefined ? LOAD_BALANCER_PORT : TLS_PORT, external: args.port },
    ];
    const { command, mounts } = this.certificateSource(args);
    return new docker.Container(
      ...transformed(
        args.transform?.container,
        `${name}-haproxy`,
        {
          ...hardened({ service: "load-balancer", ...defaults }),
          image: this.image.reference,
          networksAdvanced: [{ name: args.networkName, aliases: [LOAD_BALANCER_ALIAS] }],
          ports: published.map((port) => ({ ...port, ip: args.publishAddress })),
          ...(command === undefined ? {} : { command }),
          volumes: [this.secrets.mount, ...mounts].map((mount) => ({ ...mount })),
          wait: true,
          waitTimeout: (args.appBootSeconds ?? BOOT_SECONDS) + defaults.bootMarginSeconds,
        },
        // Two containers cannot own one port: the provider's default, said here because everything depends on it.
        // Token and certificate have to be there at the start; a later certificate is handed over by start.sh.
        { parent: this, deleteBeforeReplace: true, dependsOn: [this.secrets] },
      ),
    );
  }

  /** What start.sh is told, and volumes the certificate is in beside the secrets. */
  private certificateSource({ publicHost, tls }: LoadBalancerArgs): { readonly command?: string[]; readonly mounts: VolumeMount[] } {
    if (tls?.kind === "own") return { command: ["watch", defaults.ownPem], mounts: [] };
    if (this.certificate === undefined) return { mounts: [] };
    const mount = { volumeName: this.certificate.name, containerPath: path.posix.dirname(GENERATED_PEM) };
    return { command: ["generate", GENERATED_PEM, subjectAltNames(publicHost)], mounts: [mount] };
  }
}

/** Names of a generated certificate, as OpenSSL writes them: the public one, and those of this machine. */
export function subjectAltNames(publicHost: string): string {
  const names = [...new Set([publicHost, "localhost", "127.0.0.1", "::1"])];
  return names.map((name) => `${isIP(name) === 0 ? "DNS" : "IP"}:${name}`).join(",");
}

/** The build context of the load balancer's image. */
export function loadBalancerContext(
  args: Pick<LoadBalancerArgs, "upstream" | "apiLimit" | "chatLimit" | "maxBodyMb" | "tls" | "redirectPort"> & { readonly port?: number },
): ContextFile[] {
  const config = renderHaproxyConfig({
    upstream: args.upstream,
    slots: SLOTS,
    apiLimit: args.apiLimit,
    chatLimit: args.chatLimit,
    maxBodyBytes: args.maxBodyMb * 1024 * 1024,
    maxConnections: MOST_CONNECTIONS,
    tls: args.tls && {
      pemPath: args.tls.kind === "own" ? defaults.ownPem : GENERATED_PEM,
      redirectTo: args.redirectPort === undefined ? undefined : args.port,
    },
  });
  return [
    ...["Dockerfile", "start.sh"].map((name) => ({
      path: name,
      content: readFileSync(path.join(__dirname, name)),
      executable: name === "start.sh",
    })),
    pacedCheck(),
    { path: "haproxy.cfg", content: Buffer.from(config), executable: false },
  ];
}
