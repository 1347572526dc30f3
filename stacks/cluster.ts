import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { App } from "../components/local/app";
import { Image, type ImageArgs } from "../components/local/image";
import { LoadBalancer } from "../components/local/load-balancer";
import { Network } from "../components/local/network";
import { SecretFiles } from "../components/local/secret-files";
import { Sqlite } from "../components/local/sqlite";
import type { StackConfig } from "./config";
import { CLUSTER_APP_MEMORY_MB } from "./config-keys";
import { BUILD_DIRECTORY, bundledApp } from "./early";
import { checkCapacity, publicHost } from "./host";
import type { PhaseOutputs } from "./outputs";
import { dockerHost } from "./preflight";
import { loadBalancerTls } from "./tls";

/**
 * Phase `cluster`: one Docker host, the clustered app on an embedded database, behind a load balancer.
 * @throws RunError when Docker is unreachable or the host too small, before anything is registered.
 */
export async function cluster(config: StackConfig): Promise<PhaseOutputs> {
  // In parallel, and both before the first resource: a mistake must not leave half a stack.
  const [host, appSource] = await Promise.all([dockerHost(), appImage(config)]);
  checkCapacity(config, host);
  const { platform } = host;

  const network = new Network("network");
  const image = new Image("app-image", { source: "files" in appSource ? { ...appSource, platform } : appSource });
  const database = new Sqlite("database", { protect: config.protect });
  const secrets = new SecretFiles("secrets", { generate: ["session_secret", "admin_token"], image: image.reference });

  const app = new App("app", {
    image: image.reference,
    instances: config.appInstances,
    memoryMb: config.appMemoryMb ?? CLUSTER_APP_MEMORY_MB,
    cpus: config.appCpus,
    networkName: network.networkName,
    services: {
      database: database.connection,
      sessionSecret: secrets.files.session_secret,
      adminToken: secrets.files.admin_token,
    },
    mounts: [database.mount, secrets.mount],
    secretsRevision: secrets.revision,
    settings: {
      appName: pulumi.getProject(),
      version: image.version,
      workers: config.workers,
      workerHeapMb: config.workerHeapMb,
      uvThreadpoolSize: config.uvThreadpoolSize,
      logLevel: config.logLevel,
      trustedProxies: 1,
      extra: config.appEnvironment,
    },
  });

  const loadBalancer = new LoadBalancer("load-balancer", {
    port: config.port,
    publishAddress: config.publishAddress,
    publicHost: publicHost(config.publishAddress, host.address),
    networkName: network.networkName,
    upstream: app.alias,
    apiLimit: { requestsPerSecond: config.apiRequestsPerSecond, burst: config.apiBurst },
    chatLimit: { requestsPerSecond: config.chatRequestsPerSecond, burst: config.chatBurst },
    maxBodyMb: config.maxBodyMb,
    ...loadBalancerTls(config),
    platform,
    contextDirectory: contextDirectory("load-balancer"),
  });

  return { appUrl: loadBalancer.url, adminToken: secrets.values.admin_token };
}

/**
 * The user's own image, or the bundled app's build context.
 * @throws RunError with the compiler's messages when the app does not compile.
 */
async function appImage({ image }: StackConfig): Promise<{ reference: string } | Omit<BuiltImage, "platform">> {
  if (image !== undefined) return { reference: image };
  const files = await bundledApp().catch((error: unknown) => {
    throw new pulumi.RunError(`the app in app/ cannot be bundled: ${error instanceof Error ? error.message : String(error)}`);
  });
  return { repository: "app", files, contextDirectory: contextDirectory("app") };
}

/** By stack: two stacks of one checkout may be brought up at the same time, from different sources. */
function contextDirectory(image: string): string {
  return path.join(BUILD_DIRECTORY, image, pulumi.getStack());
}

type BuiltImage = Exclude<ImageArgs["source"], { readonly reference: string }>;
