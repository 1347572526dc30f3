import { existsSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { type DockerEndpoint, dockerEndpoint, type EndpointSettings, otherHosts, programSettings } from "./docker-endpoint";
import { dockerCommand, dockerRequest, isSsh } from "./docker-request";

/** What the stack wants to know about the Docker host before it registers anything. */
export interface DockerHost {
  /** Address the provider uses. */
  readonly address: string;
  /** Platform images are built for, e.g. `linux/amd64`. */
  readonly platform: string;
  /** CPUs of the host. */
  readonly cpus: number;
  /** Memory of the host in MiB. */
  readonly memoryMb: number;
}

interface Info {
  readonly OSType: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
}

/**
 * Asks the Docker Engine for its properties, so that an unreachable one ends the program with one sentence before any resource is
 * registered, instead of failing late in the provider.
 * @throws RunError naming the address tried, the reason and what to type.
 */
export async function dockerHost(settings: EndpointSettings = programSettings()): Promise<DockerHost> {
  const endpoint = dockerEndpoint(settings);
  try {
    const info = await dockerInfo(endpoint);
    const platform = `${info.OSType}/${ARCHITECTURES[info.Architecture] ?? info.Architecture}`;
    return { address: endpoint.host, platform, cpus: info.NCPU, memoryMb: Math.floor(info.MemTotal / 1024 / 1024) };
  } catch (error) {
    throw new pulumi.RunError(await unreachable(endpoint, settings, error instanceof Error ? error.message : String(error)));
  }
}

/** The kernel's names of architectures and the ones of images. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm/v7" };

async function unreachable(endpoint: DockerEndpoint, settings: EndpointSettings, reason: string): Promise<string> {
  const tried = `Docker is not reachable at ${endpoint.host} (from ${endpoint.source}): ${reason}.`;
  for (const host of otherHosts(settings).filter((candidate) => candidate !== endpoint.host)) {
    if (!existsSync(host.replace(/^(unix|npipe):\/\//, ""))) continue;
    const answers = await dockerInfo({ host, source: "", tls: undefined, sshOptions: [] }).then(
      () => true,
      () => false,
    );
    if (answers) return `${tried} Another Docker answers; use it with: pulumi config set docker:host ${host}`;
  }
  const start = endpoint.source.startsWith("the default") ? "Start Docker (npm run doctor tells how)" : "Start it or correct the address";
  return `${tried} ${start}, or name another one: pulumi config set docker:host unix:///var/run/docker.sock (or tcp://HOST:2376, ssh://USER@HOST)`;
}

/**
 * `GET /info` of a Docker Engine.
 * @throws Error with the reason, in a few words.
 */
export async function dockerInfo(endpoint: DockerEndpoint): Promise<Info> {
  const text = isSsh(endpoint)
    ? await dockerCommand(endpoint, "docker info --format '{{json .}}'")
    : await dockerRequest(endpoint, "/info");
  const info = parseInfo(text);
  if (info.OSType !== "linux") throw new Error(`it runs ${info.OSType} containers; the stack needs a Docker host with Linux containers`);
  return info;
}

function parseInfo(text: string): Info {
  const refuse = (): never => {
    throw new Error("what answers there is not a Docker Engine");
  };
  let value: Partial<Record<keyof Info, unknown>> | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return refuse();
  }
  const { OSType, Architecture, NCPU, MemTotal } = value ?? {};
  if (typeof OSType !== "string" || typeof Architecture !== "string" || typeof NCPU !== "number" || typeof MemTotal !== "number") {
    return refuse();
  }
  return { OSType, Architecture, NCPU, MemTotal };
}
