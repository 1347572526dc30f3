import type Docker from "dockerode";
import { LABELS } from "../../lib/docker";
import { UserError } from "../../lib/errors";
import { type ContainerCpu, cpuGroup } from "./cpu";

/** A container that takes part in the measurement. */
export interface Part {
  readonly service: string;
  /** Name within its service, e.g. `pg-1`; empty for those that have none. */
  readonly node: string;
  readonly name: string;
  readonly container: Docker.Container;
  /** Its own address in the stack's network. */
  readonly address: string;
}

/** What a container is. */
export async function partOf(container: Docker.Container): Promise<Part> {
  const { Name, Config: config, NetworkSettings: settings } = await container.inspect();
  const [network] = Object.values(settings.Networks);
  return {
    service: config.Labels[LABELS.service] ?? "",
    node: config.Labels[LABELS.node] ?? "",
    name: Name.replace(/^\//, ""),
    container,
    address: network?.IPAddress ?? "",
  };
}

/** The first container of a service. @throws UserError when there is none. */
export function one(parts: readonly Part[], service: string): Part {
  const found = parts.find((part) => part.service === service);
  if (found === undefined) throw new UserError(`no container of ${service} runs`);
  return found;
}

/** CPU time of the containers so far, as the engine reads it from their cgroups. */
export async function readCpu(parts: readonly Part[], primary: string): Promise<ContainerCpu[]> {
  const readings = parts.map(async ({ name, service, node, container }): Promise<ContainerCpu[]> => {
    const group = cpuGroup(service, node, primary);
    if (group === undefined) return [];
    const { cpu_stats: cpu } = await container.stats({ stream: false, "one-shot": true });
    return [{ name, group, micros: cpu.cpu_usage.total_usage / 1000 }];
  });
  return (await Promise.all(readings)).flat();
}

export interface SideContainerOptions {
  /** Label, and name in the network. */
  readonly service: string;
  readonly entrypoint: string[];
  /** Archive that is unpacked before it starts. */
  readonly files: Buffer;
  readonly environment?: readonly string[];
}

/**
 * A container of the same image as `like`, on the network and with the labels of its stack, and with the same weight while there is not
 * enough CPU for all: with Docker's own it would be given an eighth of what each of the stack's is.
 */
export async function sideContainer(docker: Docker, like: Part, options: SideContainerOptions): Promise<Part> {
  const { service, entrypoint, files, environment = [] } = options;
  const { Image, Config: config, HostConfig: host, NetworkSettings: settings } = await like.container.inspect();
  const [network = ""] = Object.keys(settings.Networks);
  const labels = Object.entries(config.Labels).filter(([name]) => name !== LABELS.node);
  const container = await docker.createContainer({
    Image,
    Entrypoint: entrypoint,
    Cmd: [],
    Healthcheck: { Test: ["NONE"] },
    Env: [...environment],
    Labels: { ...Object.fromEntries(labels), [LABELS.service]: service },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [service] } } },
    HostConfig: {
      NetworkMode: network,
      Init: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Ulimits: [{ Name: "nofile", Soft: 8192, Hard: 8192 }],
      ...(host.CpuShares !== undefined && { CpuShares: host.CpuShares }),
    },
  });
  try {
    await container.putArchive(files, { path: "/" });
    await container.start();
    return await partOf(container);
  } catch (error) {
    await container.remove({ force: true, v: true });
    throw error;
  }
}
