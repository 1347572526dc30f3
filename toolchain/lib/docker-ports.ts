import { readdir, readFile, readlink } from "node:fs/promises";
import type Docker from "dockerode";
import { GRAFANA_BASE_IMAGE } from "../../components/local/grafana/base-image";
import { LABELS } from "./docker";
import type { ExportedStack } from "./update-recovery";

/**
 * Who listens on a TCP port of the Docker host, for a message; `undefined` when nobody can be named.
 * @param isLocal whether the engine runs on this machine: only then a process can be found.
 */
export async function portHolder(port: number, docker: Docker, isLocal: boolean): Promise<string | undefined> {
  const container = await portContainer(port, docker);
  if (container !== undefined) return container;
  return isLocal && process.platform === "linux" ? await linuxListener(port) : undefined;
}

/** The container that publishes a port, for a message. */
export async function portContainer(port: number, docker: Docker): Promise<string | undefined> {
  const container = (await docker.listContainers()).find((one) => publishes(one, port));
  if (container === undefined) return undefined;
  const name = container.Names[0]?.replace(/^\//, "") ?? container.Id.slice(0, 12);
  const stack = container.Labels[LABELS.stack];
  return stack === undefined ? `container ${name} (image ${container.Image})` : `container ${name} of stack ${stack}`;
}

/** A port that a stack publishes on its Docker host, and the key that says which. */
export interface PublishedPort {
  readonly key: "port" | "httpRedirectPort" | "prometheusPort" | "alertmanagerPort" | "grafanaPort";
  readonly port: number;
}

/** What is published where nothing else is said, as in stacks/config.ts, which loads Pulumi's SDK. */
const MONITORING_PORTS = { prometheusPort: 9090, alertmanagerPort: 9093, grafanaPort: 3000 } as const;

/**
 * The ports a stack publishes, by its configuration.
 * @param config plain values by full key; one that is no number is left to the program, which refuses it
 */
export function publishedPorts(config: Readonly<Record<string, string>>): PublishedPort[] {
  const given = (key: string): string | undefined => config[`phased-stack:${key}`];
  const at = (key: PublishedPort["key"], byDefault?: number): PublishedPort[] => {
    const port = Number(given(key) ?? byDefault);
    return Number.isInteger(port) ? [{ key, port }] : [];
  };
  const tls = given("tls") ?? "off";
  const monitoring = Object.entries(MONITORING_PORTS) as [keyof typeof MONITORING_PORTS, number][];
  return [
    ...at("port", 3001),
    ...(tls === "off" ? [] : at("httpRedirectPort")),
    ...(given("monitoring") === "true" ? monitoring.flatMap(([key, byDefault]) => at(key, byDefault)) : []),
  ];
}

/**
 * For each port that is taken the next higher one that no container publishes, and that the stack has no other use for.
 * @param own all ports of the stack, those taken among them
 * @returns as arguments of `up`
 */
export function otherPorts(
  taken: readonly PublishedPort[],
  own: readonly PublishedPort[],
  containers: readonly Docker.ContainerInfo[],
): string[] {
  const used = own.map(({ port }) => port);
  return taken.flatMap(({ key, port }) => {
    let next = port + 1;
    while (used.includes(next) || containers.some((container) => publishes(container, next))) next += 1;
    used.push(next);
    return ["--config", `${key}=${next}`];
  });
}

/**
 * Whether the next update has a Grafana, as far as that is known without asking a registry: the stack has one already, or the engine has its
 * image. Without one its port does not matter.
 */
export async function hasGrafana(docker: Pick<Docker, "listImages">, exported: ExportedStack): Promise<boolean> {
  if (exported.deployment?.resources?.some(({ type }) => type === "phased-stack:local:Grafana") === true) return true;
  return (await docker.listImages({ filters: { reference: [GRAFANA_BASE_IMAGE] } })).length > 0;
}

/** Whether a container publishes a TCP port on the host. */
export function publishes(container: Docker.ContainerInfo, port: number): boolean {
  return container.Ports.some((published) => published.PublicPort === port && published.Type === "tcp");
}

/** The process with a listening socket, found the way `ss -p` does; another user's process is visible to root only. */
async function linuxListener(port: number): Promise<string | undefined> {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const text = await readFile(table, "utf8").catch(absentIsEmpty);
    for (const inode of listeningInodes(text, port)) inodes.add(`socket:[${inode}]`);
  }
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of await readdir(`/proc/${pid}/fd`).catch(unreadableIsNone)) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(absentIsEmpty);
      if (!inodes.has(target)) continue;
      const command = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(absentIsEmpty)).replace(/[\0\s]+/g, " ").trim();
      return `process ${pid} (${command.slice(0, 80)})`;
    }
  }
  return "a process of another user";
}

/** Socket inodes that listen on a port, from the text of `/proc/net/tcp`. */
export function listeningInodes(table: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) === true && fields[3] === "0A")
    .map((fields) => fields[9] ?? "");
}

/** Processes end and descriptors close while they are listed; those are simply not the one looked for. */
function absentIsEmpty(error: unknown): string {
  if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
  throw error;
}

function unreadableIsNone(error: unknown): string[] {
  absentIsEmpty(error);
  return [];
}
