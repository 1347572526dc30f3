import type * as pulumi from "@pulumi/pulumi";
import { Registry, type RegistryArgs } from "../../components/aws/registry";
import { Image } from "../../components/aws/registry/image";
import { ecrRepositoryArn } from "../../components/aws/service";
import type { Region } from "./target";
import type { StackConfig } from "../config";
import { type appSource, contextDirectory } from "../local/parts";

/** What runs in a region, and where it is pulled from. */
interface StoredImage {
  readonly image: Image;
  readonly repositoryArns: readonly pulumi.Input<string>[];
}

/**
 * The app's image in a registry of the region, or the one that is given: what starts in a region must not need another one. The registry is there
 * with an image of one's own, too: what it holds is the way back, and a rollout that fails goes back to it.
 */
export function cloudImage(
  config: StackConfig,
  source: Awaited<ReturnType<typeof appSource>>,
  { context, provider, prefix }: Region,
  registryArgs: Omit<RegistryArgs, "context">,
): StoredImage {
  const name = `${prefix}app-image`;
  const { url: repositoryUrl, arn } = new Registry(`${prefix}registry`, { context, ...registryArgs }, { provider });
  if ("files" in source) {
    const platform = config.cpuArchitecture === "arm64" ? "linux/arm64" : "linux/amd64";
    const { files, imagesOf } = source;
    const build = { files, contextDirectory: contextDirectory("app"), platform, repositoryUrl, imagesOf };
    return { image: new Image(name, { source: build }), repositoryArns: [arn] };
  }
  const reference = (prefix === "" ? config.image : (config.secondImage ?? config.image)) ?? "";
  const given = ecrRepositoryArn(reference);
  return { image: new Image(name, { source: { reference } }), repositoryArns: given === undefined ? [arn] : [arn, given] };
}
