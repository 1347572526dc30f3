import { closeSync, existsSync, openSync, readSync } from "node:fs";
import path from "node:path";
import { executable, pulumiHome } from "../lib/paths";
import { packageVersion } from "../lib/pulumi-cli";

/** Which kind of provider plugin answers for an npm package of Pulumi: figures say it, because both count differently. */
export type PluginKind = "official" | "stand-in" | "unknown";

/** @param provider e.g. `docker`; its version is the one of the pinned npm package. */
export function pluginKind(provider: string): PluginKind {
  const directory = path.join(pulumiHome(), "plugins", `resource-${provider}-v${packageVersion(`@pulumi/${provider}`)}`);
  const file = path.join(directory, executable(`pulumi-resource-${provider}`));
  return existsSync(file) ? kindOf(firstBytes(file)) : "unknown";
}

/** Official plugins are compiled programs; stand-ins are scripts, which begin with `#!`. */
export function kindOf(start: Buffer): PluginKind {
  return start.subarray(0, 2).toString("latin1") === "#!" ? "stand-in" : "official";
}

function firstBytes(file: string): Buffer {
  const bytes = Buffer.alloc(4);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, bytes);
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}
