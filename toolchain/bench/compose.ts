import { stringify } from "yaml";

/** What the generator needs of `docker inspect` of a container; names are the Engine's. */
export interface InspectedContainer {
  readonly Name: string;
  readonly Config: {
    readonly Image: string;
    readonly User?: string;
    readonly Env?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    readonly Entrypoint?: string | readonly string[] | null;
    readonly StopTimeout?: number;
    readonly StopSignal?: string;
    readonly Healthcheck?: {
      readonly Test?: readonly string[];
      readonly Interval?: number;
      readonly Timeout?: number;
      readonly StartPeriod?: number;
      readonly Retries?: number;
    };
  };
  readonly HostConfig: {
    readonly Memory?: number;
    readonly MemorySwap?: number;
    readonly NanoCpus?: number;
    readonly PidsLimit?: number | null;
    readonly ReadonlyRootfs?: boolean;
    readonly Init?: boolean;
    readonly CapAdd?: readonly string[] | null;
    readonly CapDrop?: readonly string[] | null;
    readonly SecurityOpt?: readonly string[] | null;
    readonly Tmpfs?: Readonly<Record<string, string>> | null;
    readonly Sysctls?: Readonly<Record<string, string>> | null;
    readonly Ulimits?: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[] | null;
    readonly RestartPolicy?: { readonly Name?: string; readonly MaximumRetryCount?: number };
    readonly LogConfig?: { readonly Type: string; readonly Config?: Readonly<Record<string, string>> };
    readonly PortBindings?: Readonly<Record<string, readonly { readonly HostIp?: string; readonly HostPort?: string }[] | null>> | null;
  };
  readonly Mounts: readonly {
    readonly Type: string;
    readonly Name?: string;
    readonly Source?: string;
    readonly Destination: string;
    readonly RW?: boolean;
  }[];
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly Aliases?: readonly string[] | null }>> };
}

/** A container and the configuration its image already brings, which a compose file need not repeat. */
export interface ComposeInput {
  readonly container: InspectedContainer;
  /** Name of the service, unique. */
  readonly service: string;
  readonly imageEnv: readonly string[];
}

export interface ComposeOptions {
  /** Compose project; becomes the prefix of everything it makes. */
  readonly project: string;
  /** Labels of every container, network and volume, so that a broken run can be swept up. */
  readonly labels: Readonly<Record<string, string>>;
  /** Directory on the host with the content of a volume that holds written files (secrets, configuration), by volume name. */
  readonly files: Readonly<Record<string, string>>;
  /** Port on 127.0.0.1 in place of the published one. */
  readonly port: number;
}

/** A compose file that runs the same images with the same limits, mounts and health checks as a stack's containers. */
export function composeFile(inputs: readonly ComposeInput[], options: ComposeOptions): string {
  const networks = [...new Set(inputs.flatMap(({ container }) => Object.keys(container.NetworkSettings.Networks)))].filter(isOwnNetwork);
  const networkKey = (name: string): string => `network-${networks.indexOf(name) + 1}`;
  const volumes = [
    ...new Set(
      inputs
        .flatMap(({ container }) => container.Mounts.filter((mount) => mount.Type === "volume").map((mount) => mount.Name ?? ""))
        .filter((name) => !(name in options.files)),
    ),
  ];
  const volumeKey = (name: string): string => `volume-${volumes.indexOf(name) + 1}`;
  const services = inputs.map((input) => [input.service, service(input, options, networkKey, volumeKey)] as const);
  return stringify({
    name: options.project,
    services: Object.fromEntries(services),
    networks: Object.fromEntries(networks.map((name) => [networkKey(name), { labels: options.labels }])),
    volumes: Object.fromEntries(volumes.map((name) => [volumeKey(name), { labels: options.labels }])),
  });
}

/** Networks that exist on every engine are not the stack's. */
function isOwnNetwork(name: string): boolean {
  return !["bridge", "host", "none"].includes(name);
}

function service(
  { container, imageEnv }: ComposeInput,
  options: ComposeOptions,
  networkKey: (name: string) => string,
  volumeKey: (name: string) => string,
): Record<string, unknown> {
  const { Config: config, HostConfig: host } = container;
  return withoutEmpty({
    image: config.Image,
    labels: options.labels,
    user: config.User,
    entrypoint: typeof config.Entrypoint === "string" ? [config.Entrypoint] : config.Entrypoint,
    command: config.Cmd,
    environment: (config.Env ?? []).filter((line) => !imageEnv.includes(line)),
    read_only: host.ReadonlyRootfs,
    init: host.Init,
    cap_add: host.CapAdd,
    cap_drop: host.CapDrop,
    security_opt: host.SecurityOpt,
    mem_limit: positive(host.Memory),
    memswap_limit: positive(host.MemorySwap),
    cpus: host.NanoCpus ? host.NanoCpus / 1e9 : undefined,
    pids_limit: positive(host.PidsLimit ?? undefined),
    sysctls: host.Sysctls,
    ulimits: Object.fromEntries((host.Ulimits ?? []).map((limit) => [limit.Name, { soft: limit.Soft, hard: limit.Hard }])),
    tmpfs: Object.entries(host.Tmpfs ?? {}).map(([path, flags]) => (flags === "" ? path : `${path}:${flags}`)),
    restart: restart(host.RestartPolicy),
    logging: host.LogConfig && host.LogConfig.Type !== "" ? { driver: host.LogConfig.Type, options: host.LogConfig.Config } : undefined,
    stop_grace_period: config.StopTimeout === undefined ? undefined : `${config.StopTimeout}s`,
    stop_signal: config.StopSignal,
    healthcheck: healthcheck(config.Healthcheck),
    ports: Object.entries(host.PortBindings ?? {}).flatMap(([inside, bindings]) =>
      (bindings ?? []).map(() => `127.0.0.1:${options.port}:${inside.replace("/tcp", "")}`),
    ),
    networks: Object.fromEntries(
      Object.entries(container.NetworkSettings.Networks)
        .filter(([name]) => isOwnNetwork(name))
        .map(([name, network]) => [networkKey(name), { aliases: aliases(network.Aliases) }]),
    ),
    volumes: container.Mounts.filter((mount) => mount.Type !== "tmpfs").map((mount) => {
      const flags = mount.RW === false ? ":ro" : "";
      if (mount.Type !== "volume") return `${mount.Source ?? ""}:${mount.Destination}${flags}`;
      const name = mount.Name ?? "";
      return `${options.files[name] ?? volumeKey(name)}:${mount.Destination}${flags}`;
    }),
  });
}

/** Docker lists a container's short id among its aliases; it means nothing in another container. */
function aliases(names: readonly string[] | null | undefined): string[] {
  return (names ?? []).filter((name) => !/^[0-9a-f]{12}$/.test(name));
}

function restart(policy: InspectedContainer["HostConfig"]["RestartPolicy"]): string | undefined {
  if (policy?.Name === undefined || policy.Name === "") return undefined;
  return policy.Name === "on-failure" && policy.MaximumRetryCount ? `on-failure:${policy.MaximumRetryCount}` : policy.Name;
}

function healthcheck(check: InspectedContainer["Config"]["Healthcheck"]): Record<string, unknown> | undefined {
  if (check?.Test === undefined || check.Test.length === 0) return undefined;
  return withoutEmpty({
    test: check.Test,
    interval: nanoseconds(check.Interval),
    timeout: nanoseconds(check.Timeout),
    start_period: nanoseconds(check.StartPeriod),
    retries: positive(check.Retries),
  });
}

/** The Engine counts in nanoseconds; 0 means its default. */
function nanoseconds(value: number | undefined): string | undefined {
  return value ? `${value / 1e6}ms` : undefined;
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

/** Drops absent values, empty lists, empty maps and `false`: the compose file then reads like one written by hand. */
function withoutEmpty(entries: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(entries).filter(([, value]) => {
      if (value === undefined || value === null || value === false || value === "") return false;
      return typeof value !== "object" || Object.keys(value).length > 0;
    }),
  );
}
