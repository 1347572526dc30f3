import type Docker from "dockerode";
import { isObject, type Properties, type PropertyValue } from "../../shared/values";
import { flagOf, labelsOf, mapOf, numberOf, objectsOf, textOf, textsOf } from "../resource";
import { nanoseconds } from "./durations";

const MIB = 1024 * 1024;

/** Docker's create call for a container's inputs; what the program leaves out is left to Docker. */
export function createOptions(inputs: Properties): Docker.ContainerCreateOptions {
  const ports = portsOf(inputs["ports"]);
  const volumes = volumesOf(inputs["volumes"]);
  const command = textsOf(inputs["command"]);
  if (command.includes("")) throw new Error("values for command may not be empty");
  const platform = textOf(inputs["platform"]);
  return {
    name: textOf(inputs["name"]),
    ...(platform === "" ? {} : { platform }),
    Image: textOf(inputs["image"]),
    Hostname: textOf(inputs["hostname"]),
    Domainname: textOf(inputs["domainname"]),
    Tty: flagOf(inputs["tty"]),
    OpenStdin: flagOf(inputs["stdinOpen"]),
    ...given("StopSignal", textOf(inputs["stopSignal"])),
    ...given("StopTimeout", numberOf(inputs["stopTimeout"])),
    ...given("Env", textsOf(inputs["envs"])),
    ...given("Cmd", command),
    ...given("Entrypoint", textsOf(inputs["entrypoints"])),
    ...given("User", textOf(inputs["user"])),
    ...given("WorkingDir", textOf(inputs["workingDir"])),
    ...given("ExposedPorts", ports.exposed),
    ...given("Volumes", volumes.anonymous),
    ...given("Labels", labelsOf(inputs["labels"])),
    ...(isObject(inputs["healthcheck"]) ? { Healthcheck: healthcheckOf(inputs["healthcheck"]) } : {}),
    HostConfig: hostConfig(inputs, ports, volumes),
  };
}

function hostConfig(inputs: Properties, ports: Ports, volumes: Volumes): Docker.HostConfig {
  const security = textsOf(inputs["securityOpts"]);
  // Docker's CLI handles this option itself, the engine does not know it.
  const unconfined = security.includes("systempaths=unconfined");
  const capabilities = isObject(inputs["capabilities"]) ? inputs["capabilities"] : {};
  return {
    Privileged: flagOf(inputs["privileged"]),
    PublishAllPorts: flagOf(inputs["publishAllPorts"]),
    RestartPolicy: { Name: textOf(inputs["restart"]), MaximumRetryCount: numberOf(inputs["maxRetryCount"]) },
    ...given("Runtime", textOf(inputs["runtime"])),
    Mounts: objectsOf(inputs["mounts"]).map(mountOf),
    AutoRemove: flagOf(inputs["rm"]),
    ReadonlyRootfs: flagOf(inputs["readOnly"]),
    LogConfig: { Type: textOf(inputs["logDriver"]), Config: mapOf(inputs["logOpts"]) },
    Init: flagOf(inputs["init"]),
    ...given("Tmpfs", mapOf(inputs["tmpfs"])),
    ...given("PortBindings", ports.bindings),
    ...given(
      "ExtraHosts",
      objectsOf(inputs["hosts"]).map((entry) => `${textOf(entry["host"])}:${textOf(entry["ip"])}`),
    ),
    ...given("Binds", volumes.binds),
    ...given("VolumesFrom", volumes.from),
    ...given(
      "Ulimits",
      objectsOf(inputs["ulimits"]).map((limit) => ({
        Name: textOf(limit["name"]),
        Soft: numberOf(limit["soft"]),
        Hard: numberOf(limit["hard"]),
      })),
    ),
    ...given("CapAdd", capabilityNames(capabilities["adds"])),
    ...given("CapDrop", capabilityNames(capabilities["drops"])),
    ...given("Devices", objectsOf(inputs["devices"]).map(deviceOf)),
    ...given("Dns", textsOf(inputs["dns"])),
    ...given("DnsOptions", textsOf(inputs["dnsOpts"])),
    ...given("DnsSearch", textsOf(inputs["dnsSearches"])),
    ...given(
      "SecurityOpt",
      security.filter((option) => option !== "systempaths=unconfined"),
    ),
    ...(unconfined ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
    ...resources(inputs),
    ...given("ShmSize", numberOf(inputs["shmSize"]) * MIB),
    ...given("NetworkMode", textOf(inputs["networkMode"])),
    ...given("UsernsMode", textOf(inputs["usernsMode"])),
    ...given("PidMode", textOf(inputs["pidMode"])),
    ...given("Sysctls", mapOf(inputs["sysctls"])),
    ...given("IpcMode", textOf(inputs["ipcMode"])),
    ...given("GroupAdd", textsOf(inputs["groupAdds"])),
    ...given("CgroupnsMode", textOf(inputs["cgroupnsMode"]) as "private" | "host" | ""),
    ...given("CgroupParent", textOf(inputs["cgroupParent"])),
    ...given("StorageOpt", mapOf(inputs["storageOpts"])),
  };
}

/**
 * Capabilities as Docker's own client sends them: "CAP_NET_ADMIN", sorted. That is what Docker reports afterwards, so "NET_ADMIN" in a program is a
 * replacement after a refresh, with the official plugin as well.
 */
function capabilityNames(value: PropertyValue | undefined): string[] {
  const names = textsOf(value).map((name) => name.toUpperCase());
  return [...new Set(names.map((name) => (name === "ALL" || name.startsWith("CAP_") ? name : `CAP_${name}`)))].sort();
}

function resources(inputs: Properties): Partial<Docker.HostConfig> {
  const nanoCpus = nanoCpusOf(textOf(inputs["cpus"]));
  return {
    ...updatableResources(inputs),
    ...(nanoCpus > 0
      ? { NanoCpus: nanoCpus }
      : { ...given("CpuPeriod", numberOf(inputs["cpuPeriod"])), ...given("CpuQuota", numberOf(inputs["cpuQuota"])) }),
  };
}

/** The part of a container's limits that Docker changes in place. */
export function updatableResources(inputs: Properties): Partial<Docker.HostConfig> {
  const swap = numberOf(inputs["memorySwap"]);
  return {
    ...given("CpuShares", numberOf(inputs["cpuShares"])),
    ...given("CpusetCpus", textOf(inputs["cpuSet"])),
    ...given("Memory", numberOf(inputs["memory"]) * MIB),
    ...given("MemoryReservation", numberOf(inputs["memoryReservation"]) * MIB),
    ...given("MemorySwap", swap > 0 ? swap * MIB : swap),
    ...given("BlkioDeviceReadBps", throttlesOf(inputs["deviceReadBps"])),
    ...given("BlkioDeviceReadIOps", throttlesOf(inputs["deviceReadIops"])),
    ...given("BlkioDeviceWriteBps", throttlesOf(inputs["deviceWriteBps"])),
    ...given("BlkioDeviceWriteIOps", throttlesOf(inputs["deviceWriteIops"])),
  };
}

/** @throws Error when it is no positive decimal number. */
function nanoCpusOf(cpus: string): number {
  if (cpus === "") return 0;
  if (!/^\d+(\.\d{1,9})?$/.test(cpus)) throw new Error(`Error setting cpus: "${cpus}" is not a number of CPUs such as "1.5"`);
  return Math.round(Number(cpus) * 1e9);
}

function throttlesOf(value: PropertyValue | undefined): { Path: string; Rate: number }[] {
  return objectsOf(value).map((entry) => ({ Path: textOf(entry["path"]), Rate: numberOf(entry["rate"]) }));
}

function deviceOf(device: Properties): Docker.DeviceMapping {
  const host = textOf(device["hostPath"]);
  return {
    PathOnHost: host,
    PathInContainer: textOf(device["containerPath"]) || host,
    CgroupPermissions: textOf(device["permissions"]) || "rwm",
  };
}

function healthcheckOf(check: Properties): Docker.HealthConfig {
  return {
    Test: textsOf(check["tests"]),
    Interval: nanoseconds(textOf(check["interval"])),
    Timeout: nanoseconds(textOf(check["timeout"])),
    StartPeriod: nanoseconds(textOf(check["startPeriod"])),
    ...given("StartInterval", nanoseconds(textOf(check["startInterval"]))),
    Retries: numberOf(check["retries"]),
  };
}

function mountOf(mount: Properties): Docker.MountSettings {
  const bind = isObject(mount["bindOptions"]) ? textOf(mount["bindOptions"]["propagation"]) : "";
  const tmpfs = isObject(mount["tmpfsOptions"]) ? mount["tmpfsOptions"] : undefined;
  return {
    Type: textOf(mount["type"]) as Docker.MountType,
    Target: textOf(mount["target"]),
    Source: textOf(mount["source"]),
    ReadOnly: flagOf(mount["readOnly"]),
    ...(bind === "" ? {} : { BindOptions: { Propagation: bind as Docker.MountPropagation } }),
    ...(tmpfs === undefined ? {} : { TmpfsOptions: { SizeBytes: numberOf(tmpfs["sizeBytes"]), Mode: numberOf(tmpfs["mode"]) } }),
  };
}

interface Ports {
  readonly exposed: Record<string, Record<string, never>>;
  readonly bindings: Record<string, { HostPort: string; HostIp: string }[]>;
}

function portsOf(value: PropertyValue | undefined): Ports {
  const exposed: Ports["exposed"] = {};
  const bindings: Ports["bindings"] = {};
  for (const port of objectsOf(value)) {
    const key = `${numberOf(port["internal"])}/${textOf(port["protocol"]) || "tcp"}`;
    exposed[key] = {};
    (bindings[key] ??= []).push({ HostPort: String(numberOf(port["external"])), HostIp: textOf(port["ip"]) || "0.0.0.0" });
  }
  return { exposed, bindings };
}

interface Volumes {
  readonly anonymous: Record<string, Record<string, never>>;
  readonly binds: string[];
  readonly from: string[];
}

function volumesOf(value: PropertyValue | undefined): Volumes {
  const volumes: Volumes = { anonymous: {}, binds: [], from: [] };
  for (const volume of objectsOf(value)) {
    const from = textOf(volume["fromContainer"]);
    const target = textOf(volume["containerPath"]);
    const source = textOf(volume["hostPath"]) || textOf(volume["volumeName"]);
    if (from === "" && target === "") throw new Error("Unable to parse volumes: volume entry without container path or source container");
    if (from !== "" && target !== "") throw new Error("Unable to parse volumes: both a container and a path specified in a volume entry");
    if (from !== "") {
      volumes.from.push(from);
      continue;
    }
    volumes.anonymous[target] = {};
    const relabel = textOf(volume["selinuxRelabel"]);
    const mode = [flagOf(volume["readOnly"]) ? "ro" : "rw", ...(relabel === "" ? [] : [relabel])].join(",");
    if (source !== "") volumes.binds.push(`${source}:${target}:${mode}`);
  }
  return volumes;
}

/** The key with its value, or nothing when the value is the type's zero: Docker then chooses. */
function given<Key extends string, Value>(key: Key, value: Value): { [K in Key]?: Exclude<Value, ""> } {
  const empty = value === "" || value === 0 || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
  return (empty ? {} : { [key]: value }) as { [K in Key]?: Exclude<Value, ""> };
}
