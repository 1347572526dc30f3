import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { App, AppSettings } from "../../components/local/app";
import type { Image, ImageArgs } from "../../components/local/image";
import { LoadBalancer, type LoadBalancerArgs } from "../../components/local/load-balancer";
import type { Network } from "../../components/local/network";
import type { StackConfig } from "../config";
import { BUILD_DIRECTORY, bundledApp } from "../lib/early";
import { publicHost } from "./host";
import type { DockerHost } from "./preflight";
import { loadBalancerTls } from "./tls";

/** What the two phases on a Docker host have in common, so that it is the same resources in both. */

/**
 * The user's own image, or the bundled app's build context.
 * @throws RunError with the compiler's messages when the app does not compile.
 */
export async function appSource({ image, imagesOf }: StackConfig): Promise<AppSource> {
  if (image !== undefined) return { reference: image };
  const files = await bundledApp().catch((error: unknown) => {
    throw new pulumi.RunError(`the app in app/ cannot be bundled: ${error instanceof Error ? error.message : String(error)}`);
  });
  return { repository: "app", files, contextDirectory: contextDirectory("app"), imagesOf };
}

export type AppSource = { reference: string } | Omit<BuiltImage, "platform">;
type BuiltImage = Exclude<ImageArgs["source"], { readonly reference: string }>;

/** The source with the platform of the Docker host. */
export function imageSource(source: AppSource, { platform }: DockerHost): ImageArgs["source"] {
  return "files" in source ? { ...source, platform } : source;
}

/** Where an image's build context is written. By stack: two stacks of one checkout may be brought up at the same time, from different sources. */
export function contextDirectory(image: string): string {
  return path.join(BUILD_DIRECTORY, image, pulumi.getStack());
}

/** Settings of the app that do not depend on the phase. */
export function appSettings(config: StackConfig, image: Image): AppSettings {
  return {
    appName: pulumi.getProject(),
    version: image.version,
    workers: config.workers,
    workerHeapMb: config.workerHeapMb,
    uvThreadpoolSize: config.uvThreadpoolSize,
    logLevel: config.logLevel,
    trustedProxies: 1,
    extra: config.appEnvironment,
  };
}

/** Address of the operators' page; none with an image of the user's own, of which nobody knows what it has there. */
export function consoleUrl({ image }: StackConfig, appUrl: pulumi.Output<string>): pulumi.Input<string> {
  return image === undefined ? pulumi.interpolate`${appUrl}/console` : "";
}

/** The load balancer in front of the app: the only published port. */
export function loadBalancer(
  config: StackConfig,
  host: DockerHost,
  network: Network,
  app: App,
  adminToken: pulumi.Input<string>,
  opts?: pulumi.ComponentResourceOptions,
): LoadBalancer {
  const args: LoadBalancerArgs = {
    port: config.port,
    publishAddress: config.publishAddress,
    publicHost: publicHost(config.publishAddress, host.address),
    networkName: network.networkName,
    upstream: app.alias,
    apiLimit: { requestsPerSecond: config.apiRequestsPerSecond, burst: config.apiBurst },
    chatLimit: { requestsPerSecond: config.chatRequestsPerSecond, burst: config.chatBurst },
    maxBodyMb: config.maxBodyMb,
    operatorToken: adminToken,
    appBootSeconds: config.appBootSeconds,
    ...loadBalancerTls(config),
    platform: host.platform,
    contextDirectory: contextDirectory("load-balancer"),
    imagesOf: config.imagesOf,
  };
  return new LoadBalancer("load-balancer", args, opts);
}
