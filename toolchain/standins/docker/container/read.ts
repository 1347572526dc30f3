import type Docker from "dockerode";
import { isObject, type Properties } from "../../shared/values";
import { ifFound } from "../client";
import { flagOf, objectsOf, textOf, type State } from "../resource";
import { durationText } from "./durations";

const MIB = 1024 * 1024;

/** The container of exactly this id; undefined when there is none. Names do not count, in the official plugin neither. */
export async function inspect(docker: Docker, id: string): Promise<Docker.ContainerInspectInfo | undefined> {
  const info = await ifFound(docker.getContainer(id).inspect());
  return info?.Id === id ? info : undefined;
}

/**
 * The state of a container as Docker has it.
 *
 * As in the official plugin: labels, environment, volumes and uploads stay as the program gave them; a container that should run and does not gets
 * `mustRun: false`, so that the next update starts it.
 */
export function stateOf(info: Docker.ContainerInspectInfo, prior: Properties): State {
  const outputs: Properties = { ...prior, ...scalars(info), ...limits(info), ...collections(info, prior) };
  if (!info.State.Running) {
    outputs["exitCode"] = info.State.ExitCode;
    if (flagOf(prior["mustRun"])) outputs["mustRun"] = false;
  }
  return { id: info.Id, outputs };
}

function scalars(info: Docker.ContainerInspectInfo): Properties {
  const { Config: config, HostConfig: host } = info;
  const settings = info.NetworkSettings as { Bridge?: string };
  // dockerode's type lacks these two.
  const stop = config as { StopSignal?: string; StopTimeout?: number };
  return {
    id: info.Id,
    name: info.Name.replace(/^\//, ""),
    bridge: settings.Bridge ?? "",
    rm: flagOf(host.AutoRemove),
    readOnly: flagOf(host.ReadonlyRootfs),
    hostname: config.Hostname,
    domainname: config.Domainname,
    user: config.User,
    workingDir: config.WorkingDir,
    publishAllPorts: flagOf(host.PublishAllPorts),
    restart: host.RestartPolicy?.Name ?? "",
    maxRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
    init: flagOf(host.Init),
    runtime: host.Runtime ?? "",
    platform: info.Platform,
    privileged: flagOf(host.Privileged),
    logDriver: host.LogConfig?.Type ?? "",
    networkMode: host.NetworkMode ?? "",
    usernsMode: host.UsernsMode ?? "",
    ipcMode: host.IpcMode ?? "",
    tty: config.Tty,
    stdinOpen: config.OpenStdin,
    stopSignal: stop.StopSignal ?? "",
    stopTimeout: stop.StopTimeout ?? 0,
  };
}

function limits({ HostConfig: host }: Docker.ContainerInspectInfo): Properties {
  const swap = host.MemorySwap ?? 0;
  const nanoCpus = host.NanoCpus ?? 0;
  return {
    memory: Math.trunc((host.Memory ?? 0) / MIB),
    memoryReservation: Math.trunc((host.MemoryReservation ?? 0) / MIB),
    memorySwap: swap > 0 ? Math.trunc(swap / MIB) : swap,
    shmSize: Math.trunc((host.ShmSize ?? 0) / MIB),
    cpuShares: host.CpuShares ?? 0,
    cpuSet: host.CpusetCpus ?? "",
    ...(nanoCpus > 0 ? { cpus: decimalCpus(nanoCpus) } : {}),
  };
}

/** As the official plugin spells it (`nanoInt64ToDecimalString`): 1 is `1.0`, 1.5 is `1.5`, and ten, by its counting of zeros, `10.`. */
export function decimalCpus(nanoCpus: number): string {
  const text = (nanoCpus / 1e9).toFixed(9);
  return text.replace(/[^0]/g, "").length === 9 ? (nanoCpus / 1e9).toFixed(1) : text.replace(/0+$/, "");
}

/** Parts that dockerode's types leave open. */
interface Lists extends Omit<Docker.HostConfig, keyof Gaps>, Gaps {}

/** What is null when it was not said, although the types do not tell. */
interface Gaps {
  readonly CapAdd?: string[] | null;
  readonly CapDrop?: string[] | null;
  readonly Dns?: string[] | null;
  readonly DnsOptions?: string[];
  readonly DnsSearch?: string[];
  readonly SecurityOpt?: string[] | null;
  readonly ExtraHosts?: string[] | null;
  readonly Devices?: Docker.DeviceMapping[] | null;
  readonly Ulimits?: { Name: string; Soft: number; Hard: number }[] | null;
}

/** A list that Docker leaves null although the types do not tell. */
function maybe(list: string[]): string[] | null {
  return list;
}

function collections(info: Docker.ContainerInspectInfo, prior: Properties): Properties {
  const { Config: config } = info;
  const host = info.HostConfig as unknown as Lists;
  const image = textOf(prior["image"]);
  const adds = host.CapAdd ?? [];
  const drops = host.CapDrop ?? [];
  const running = info.State.Running || flagOf(prior["mustRun"]);
  const health = config.Healthcheck;
  return {
    image: image.startsWith("sha256:") ? info.Image : config.Image,
    command: maybe(config.Cmd) ?? [],
    entrypoints: [config.Entrypoint ?? []].flat(),
    dns: host.Dns ?? [],
    dnsOpts: host.DnsOptions ?? [],
    dnsSearches: host.DnsSearch ?? [],
    securityOpts: host.SecurityOpt ?? [],
    groupAdds: host.GroupAdd ?? [],
    ...(adds.length > 0 || drops.length > 0 ? { capabilities: { adds, drops } } : {}),
    mounts: (host.Mounts ?? []).map(mountState),
    tmpfs: host.Tmpfs ?? {},
    sysctls: host.Sysctls ?? {},
    storageOpts: host.StorageOpt ?? {},
    hosts: (host.ExtraHosts ?? []).map(hostState),
    // Docker fills these in by itself; only what the program asked for is compared.
    ...(isGiven(prior["logOpts"]) ? { logOpts: (host.LogConfig?.Config ?? {}) as Record<string, string> } : {}),
    ...(isGiven(prior["ulimits"])
      ? { ulimits: (host.Ulimits ?? []).map((limit) => ({ name: limit.Name, soft: limit.Soft, hard: limit.Hard })) }
      : {}),
    ...(isGiven(prior["ports"]) && running ? { ports: portState(info) } : {}),
    ...(isGiven(prior["devices"]) ? { devices: deviceState(host.Devices ?? [], objectsOf(prior["devices"])) } : {}),
    ...(textOf(prior["pidMode"]) === "" ? {} : { pidMode: host.PidMode ?? "" }),
    ...throttleState(host),
    ...(health === undefined
      ? {}
      : {
          healthcheck: {
            tests: health.Test ?? [],
            interval: durationText(health.Interval ?? 0),
            timeout: durationText(health.Timeout ?? 0),
            startPeriod: durationText(health.StartPeriod ?? 0),
            startInterval: durationText((health as { StartInterval?: number }).StartInterval ?? 0),
            retries: health.Retries ?? 0,
          },
        }),
    networkDatas: Object.entries(info.NetworkSettings.Networks).map(([networkName, endpoint]) => ({
      networkName,
      ipAddress: endpoint.IPAddress,
      ipPrefixLength: endpoint.IPPrefixLen,
      gateway: endpoint.Gateway,
      globalIpv6Address: endpoint.GlobalIPv6Address,
      globalIpv6PrefixLength: endpoint.GlobalIPv6PrefixLen,
      ipv6Gateway: endpoint.IPv6Gateway,
      macAddress: endpoint.MacAddress,
    })),
  };
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : isObject(value as Properties) && Object.keys(value as Properties).length > 0;
}

function portState(info: Docker.ContainerInspectInfo): Properties[] {
  const published = info.NetworkSettings.Ports as Record<string, { HostIp: string; HostPort: string }[] | null> | null;
  return Object.entries(published ?? {})
    .map(([key, bindings]) => ({ internal: Number(key.split("/")[0]), protocol: key.split("/")[1] ?? "tcp", bindings: bindings ?? [] }))
    .sort((a, b) => a.internal - b.internal)
    .flatMap(({ internal, protocol, bindings }) =>
      bindings.map(({ HostIp, HostPort }) => ({ internal, external: Number(HostPort), ip: HostIp, protocol })),
    );
}

function mountState(mount: Docker.MountSettings): Properties {
  return {
    target: mount.Target,
    source: mount.Source,
    type: mount.Type,
    readOnly: flagOf(mount.ReadOnly),
    ...(mount.BindOptions === undefined ? {} : { bindOptions: { propagation: mount.BindOptions.Propagation } }),
    ...(mount.TmpfsOptions === undefined
      ? {}
      : { tmpfsOptions: { sizeBytes: mount.TmpfsOptions.SizeBytes, mode: mount.TmpfsOptions.Mode } }),
  };
}

function hostState(entry: string): Properties {
  const separator = entry.indexOf(":");
  return { host: entry.slice(0, separator), ip: entry.slice(separator + 1) };
}

function deviceState(devices: Docker.DeviceMapping[], prior: Properties[]): Properties[] {
  return devices.map((device) => {
    const named = prior.some((entry) => entry["hostPath"] === device.PathOnHost && textOf(entry["containerPath"]) !== "");
    return {
      hostPath: device.PathOnHost,
      permissions: device.CgroupPermissions,
      ...(named ? { containerPath: device.PathInContainer } : {}),
    };
  });
}

function throttleState(host: Lists): Properties {
  const list = (entries: unknown): Properties[] =>
    ((entries ?? []) as { Path: string; Rate: number }[]).map(({ Path, Rate }) => ({ path: Path, rate: Rate }));
  return {
    deviceReadBps: list(host.BlkioDeviceReadBps),
    deviceReadIops: list(host.BlkioDeviceReadIOps),
    deviceWriteBps: list(host.BlkioDeviceWriteBps),
    deviceWriteIops: list(host.BlkioDeviceWriteIOps),
  };
}
