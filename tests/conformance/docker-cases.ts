import type { ContainerInspectInfo } from "dockerode";
import type { PropertyValue } from "../../toolchain/standins/shared/values";

/** One property of docker.Container: what it does to the container, and what changing it leads to. */
export interface ContainerCase {
  readonly property: string;
  readonly value: PropertyValue;
  /** What Docker itself says about the container. */
  readonly seen: (info: ContainerInspectInfo) => unknown;
  readonly expected: unknown;
  /** Another value, and whether it replaces the container or is an update in place. */
  readonly other: PropertyValue;
  readonly change: "replace" | "update";
  /** Further inputs that the property needs. */
  readonly beside?: Readonly<Record<string, PropertyValue>>;
}

const MIB = 1024 * 1024;
const host = (info: ContainerInspectInfo): Record<string, unknown> => ({ ...info.HostConfig });
const config = (info: ContainerInspectInfo): Record<string, unknown> => ({ ...info.Config });

/** Cases whose property shows unchanged in Docker's host configuration. */
function ofHost(
  property: string,
  key: string,
  value: PropertyValue,
  expected: unknown,
  other: PropertyValue,
  change: ContainerCase["change"] = "replace",
) {
  return { property, value, seen: (info: ContainerInspectInfo) => host(info)[key], expected, other, change };
}

/** Cases whose property shows in Docker's container configuration. */
function ofConfig(
  property: string,
  key: string,
  value: PropertyValue,
  expected: unknown,
  other: PropertyValue,
  change: ContainerCase["change"] = "replace",
) {
  return { property, value, seen: (info: ContainerInspectInfo) => config(info)[key], expected, other, change };
}

/** Every property of docker.Container that the project uses, and what a user would reach for next. Decisions are the official plugin's. */
export const containerCases: readonly ContainerCase[] = [
  ofConfig("command", "Cmd", ["sleep", "60"], ["sleep", "60"], ["sleep", "61"]),
  ofConfig("entrypoints", "Entrypoint", ["/bin/sh", "-c"], ["/bin/sh", "-c"], ["/bin/bash"]),
  {
    property: "envs",
    value: ["A=1", "B=two words"],
    // The image's own environment comes after it.
    seen: (info) => info.Config.Env.slice(0, 2),
    expected: ["A=1", "B=two words"],
    other: ["A=2"],
    change: "replace",
  },
  ofConfig("hostname", "Hostname", "box", "box", "box2"),
  ofConfig("domainname", "Domainname", "example.test", "example.test", "example2.test"),
  ofConfig("user", "User", "1000:1000", "1000:1000", "1001"),
  ofConfig("workingDir", "WorkingDir", "/srv", "/srv", "/opt"),
  ofConfig("stopSignal", "StopSignal", "SIGINT", "SIGINT", "SIGQUIT"),
  ofConfig("stopTimeout", "StopTimeout", 45, 45, 46),
  {
    property: "labels",
    value: [{ label: "a.b", value: "c" }],
    // The image's own labels come along.
    seen: (info) => info.Config.Labels["a.b"],
    expected: "c",
    other: [{ label: "a.b", value: "d" }],
    change: "replace",
  },
  ofConfig("tty", "Tty", true, true, false),
  ofConfig("stdinOpen", "OpenStdin", true, true, false),
  ofConfig(
    "healthcheck",
    "Healthcheck",
    { tests: ["CMD", "true"], interval: "1m30s", timeout: "5s", startPeriod: "10s", retries: 3 },
    { Test: ["CMD", "true"], Interval: 90e9, Timeout: 5e9, StartPeriod: 10e9, Retries: 3 },
    { tests: ["CMD", "false"], interval: "1m30s" },
    "update",
  ),
  ofHost("restart", "RestartPolicy", "unless-stopped", { Name: "unless-stopped", MaximumRetryCount: 0 }, "always", "update"),
  {
    ...ofHost("maxRetryCount", "RestartPolicy", 2, { Name: "on-failure", MaximumRetryCount: 2 }, 3, "update"),
    beside: { restart: "on-failure" },
  },
  ofHost("readOnly", "ReadonlyRootfs", true, true, false),
  ofHost("init", "Init", true, true, false, "update"),
  ofHost("privileged", "Privileged", true, true, false),
  ofHost("rm", "AutoRemove", true, true, false, "update"),
  ofHost("publishAllPorts", "PublishAllPorts", true, true, false),
  { ...ofHost("memory", "Memory", 64, 64 * MIB, 65, "update"), beside: { memorySwap: 128 } },
  { ...ofHost("memorySwap", "MemorySwap", 64, 64 * MIB, 65, "update"), beside: { memory: 64 } },
  { ...ofHost("memoryReservation", "MemoryReservation", 32, 32 * MIB, 33, "update"), beside: { memory: 64, memorySwap: 64 } },
  ofHost("cpus", "NanoCpus", "0.5", 5e8, "0.75"),
  ofHost("cpuShares", "CpuShares", 512, 512, 513, "update"),
  ofHost("cpuSet", "CpusetCpus", "0", "0", "0-0", "update"),
  ofHost("shmSize", "ShmSize", 32, 32 * MIB, 33),
  ofHost("capabilities", "CapDrop", { drops: ["ALL"] }, ["ALL"], { drops: ["CAP_CHOWN"] }),
  { ...ofHost("capabilities", "CapAdd", { adds: ["CAP_NET_ADMIN"] }, ["CAP_NET_ADMIN"], { adds: ["CAP_NET_RAW"] }) },
  ofHost("securityOpts", "SecurityOpt", ["no-new-privileges:true"], ["no-new-privileges:true"], ["apparmor=unconfined"]),
  ofHost("tmpfs", "Tmpfs", { "/tmp": "size=8m,mode=1777" }, { "/tmp": "size=8m,mode=1777" }, { "/tmp": "size=9m" }, "update"),
  ofHost("dns", "Dns", ["192.0.2.1"], ["192.0.2.1"], ["192.0.2.2"]),
  ofHost("dnsOpts", "DnsOptions", ["ndots:1"], ["ndots:1"], ["ndots:2"]),
  ofHost("dnsSearches", "DnsSearch", ["example.test"], ["example.test"], ["example2.test"]),
  ofHost("groupAdds", "GroupAdd", ["1234"], ["1234"], ["1235"]),
  ofHost("sysctls", "Sysctls", { "net.core.somaxconn": "1024" }, { "net.core.somaxconn": "1024" }, { "net.core.somaxconn": "1025" }),
  ofHost("hosts", "ExtraHosts", [{ host: "db", ip: "192.0.2.7" }], ["db:192.0.2.7"], [{ host: "db", ip: "192.0.2.8" }]),
  ofHost(
    "ulimits",
    "Ulimits",
    [{ name: "nofile", soft: 1024, hard: 2048 }],
    [{ Name: "nofile", Soft: 1024, Hard: 2048 }],
    [{ name: "nofile", soft: 1025, hard: 2048 }],
  ),
  {
    ...ofHost("logOpts", "LogConfig", { "max-size": "1m" }, { Type: "json-file", Config: { "max-size": "1m" } }, { "max-size": "2m" }),
    beside: { logDriver: "json-file" },
  },
  ofHost("logDriver", "LogConfig", "local", { Type: "local", Config: {} }, "json-file"),
  ofHost("networkMode", "NetworkMode", "none", "none", "host"),
  ofHost("ipcMode", "IpcMode", "shareable", "shareable", "private"),
  ofHost("pidMode", "PidMode", "host", "host", ""),
  ofHost(
    "devices",
    "Devices",
    [{ hostPath: "/dev/null", containerPath: "/dev/nil" }],
    [{ PathOnHost: "/dev/null", PathInContainer: "/dev/nil", CgroupPermissions: "rwm" }],
    [{ hostPath: "/dev/zero", containerPath: "/dev/nil" }],
  ),
  ofHost(
    "volumes",
    "Binds",
    [{ hostPath: "/tmp", containerPath: "/host", readOnly: true }],
    ["/tmp:/host:ro"],
    [{ hostPath: "/tmp", containerPath: "/host" }],
  ),
  {
    property: "mounts",
    value: [{ type: "tmpfs", target: "/scratch", tmpfsOptions: { sizeBytes: MIB } }],
    seen: (info) => info.HostConfig.Mounts?.map(({ Type, Target, TmpfsOptions }) => ({ Type, Target, size: TmpfsOptions?.SizeBytes })),
    expected: [{ Type: "tmpfs", Target: "/scratch", size: MIB }],
    other: [
      { type: "tmpfs", target: "/scratch" },
      { type: "tmpfs", target: "/scratch2" },
    ],
    change: "replace",
  },
  {
    property: "mounts",
    value: [{ type: "bind", source: "/tmp", target: "/host" }],
    seen: (info) => info.HostConfig.Mounts?.map(({ Type, Source, Target }) => [Type, Source, Target]),
    expected: [["bind", "/tmp", "/host"]],
    // The official plugin's own quirk: another target is "updated" without touching the container.
    other: [{ type: "bind", source: "/tmp", target: "/host2" }],
    change: "update",
  },
  {
    property: "ports",
    value: [{ internal: 80, ip: "127.0.0.1" }],
    seen: (info) =>
      Object.entries(info.HostConfig.PortBindings as Record<string, { HostIp: string }[]>).map(([port, [first]]) => [port, first?.HostIp]),
    expected: [["80/tcp", "127.0.0.1"]],
    other: [{ internal: 81, ip: "127.0.0.1" }],
    change: "replace",
  },
  // These say how the plugin works, not how Docker does: nothing of them is seen in Docker.
  ...(
    [
      ["destroyGraceSeconds", 3, 4],
      ["removeVolumes", false, true],
      ["waitTimeout", 5, 6],
      ["containerReadRefreshTimeoutMilliseconds", 5000, 6000],
      ["logs", true, false],
    ] as const
  ).map(([property, value, other]): ContainerCase => ({ property, value, other, change: "update", seen: () => "", expected: "" })),
];
