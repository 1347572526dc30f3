import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../config";
import { CLUSTER_APP_MEMORY_MB } from "../config/keys";
import type { DockerHost } from "./preflight";

/**
 * Compares limits with what the Docker host has; Docker itself would refuse them late and one by one.
 * @throws RunError listing what does not fit.
 */
export function checkCapacity(
  config: Pick<StackConfig, "appCpus" | "appMemoryMb"> & Partial<Pick<StackConfig, "postgresCpus">>,
  host: Pick<DockerHost, "cpus" | "memoryMb">,
): void {
  const violations: string[] = [];
  for (const key of ["appCpus", "postgresCpus"] as const) {
    const cpus = config[key] ?? 0;
    if (cpus > host.cpus) {
      violations.push(
        `${key} is ${cpus}; allowed: at most ${host.cpus}, the CPUs of the Docker host. Fix: pulumi config set ${key} ${host.cpus}`,
      );
    }
  }
  const { appMemoryMb = CLUSTER_APP_MEMORY_MB } = config;
  if (appMemoryMb > host.memoryMb) {
    violations.push(
      `appMemoryMb is ${appMemoryMb}; allowed: at most ${host.memoryMb}, the memory of the Docker host in MiB. ` +
        `Fix: pulumi config set appMemoryMb ${Math.floor(host.memoryMb / 2)}`,
    );
  }
  if (violations.length > 0)
    throw new pulumi.RunError(`the Docker host is too small:\n${violations.map((text) => `  - ${text}`).join("\n")}`);
}

/**
 * Name under which clients reach a published address: the address itself, or for "all addresses" the Docker host's name, which is
 * this machine unless Docker runs elsewhere.
 */
export function publicHost(publishAddress: string, dockerAddress: string): string {
  if (publishAddress !== "0.0.0.0" && publishAddress !== "::") return publishAddress;
  const [scheme = "", rest = ""] = dockerAddress.split("://", 2);
  const remote =
    ["tcp", "http", "https", "ssh"].includes(scheme) && URL.canParse(`http://${rest}`) ? new URL(`http://${rest}`).hostname : "";
  return remote === "" ? "127.0.0.1" : remote.replace(/^\[|\]$/g, "");
}
