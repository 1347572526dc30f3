import { readdir, readFile, readlink } from "node:fs/promises";
import type Docker from "dockerode";
import { LABELS } from "./docker";

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
