import { Readable } from "node:stream";
import { pack } from "tar-stream";
import type Docker from "dockerode";
import { execIn } from "../../toolchain/lib/docker";
import { docker } from "./docker";
import { eventually } from "./services/container";

/** What differs between a container and the one that takes its place. */
export interface StandInChanges {
  /** Files by absolute path: what becomes of the original's text, which is empty for a file that it does not have. */
  readonly files?: Readonly<Record<string, (original: string) => string>>;
  /** Directories that are small memory disks instead of the volumes the original has there; in MiB. */
  readonly disksMb?: Readonly<Record<string, number>>;
  /** Variables that are added. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Arguments that are added. */
  readonly arguments?: readonly string[];
  /** Another limit of its memory, which memory disks count for; MiB. */
  readonly memoryMb?: number;
}

/** How long a server may take to be healthy, milliseconds; one that others crowd out takes a while. */
const HEALTHY_MS = 120_000;

/**
 * Stops a container and starts a copy of it in its place: image, command, environment, limits, labels, volumes, ports and names in the network are the
 * original's, but for the changes. For what cannot be changed in a running one, whose root is read-only. The original stays, stopped, for whoever
 * made it to remove; the copy has to be removed before the network. A copy that does not become healthy is removed, and the original started again.
 */
export async function standIn(original: Docker.Container, changes: StandInChanges): Promise<Docker.Container> {
  const { files = {}, disksMb = {}, environment = {}, arguments: added = [], memoryMb } = changes;
  const { Config, HostConfig, NetworkSettings } = await original.inspect();
  const archive = pack();
  for (const [path, change] of Object.entries(files)) {
    const { exitCode, stdout } = await execIn(original, ["cat", path]);
    archive.entry({ name: path.slice(1), mode: 0o644 }, change(exitCode === 0 ? stdout : ""));
  }
  archive.finalize();
  const disks: Record<string, string> = {};
  for (const [directory, mb] of Object.entries(disksMb)) {
    // A memory disk has the mode of the directory below it, whatever is asked for, but not its owner.
    const { stdout } = await execIn(original, ["stat", "--format=uid=%u,gid=%g", directory]);
    disks[directory] = `rw,${stdout.trim()},size=${mb}m`;
  }
  await original.stop();
  const isReplaced = (mount: string): boolean => Object.keys(disksMb).some((directory) => mount.includes(directory));
  const volumes = Object.entries((Config.Volumes ?? {}) as Record<string, object>).filter(([mount]) => !isReplaced(mount));
  const copy = await docker.createContainer({
    ...Config,
    Hostname: "",
    Env: [...Config.Env, ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)],
    Cmd: [...((Config.Cmd as string[] | null) ?? []), ...added],
    Volumes: Object.fromEntries(volumes),
    HostConfig: {
      ...HostConfig,
      ...(memoryMb !== undefined && { Memory: memoryMb * 1024 * 1024, MemorySwap: memoryMb * 1024 * 1024 }),
      // Files are written before it starts; its programs run as a user who may not.
      ReadonlyRootfs: Object.keys(files).length === 0,
      Binds: (HostConfig.Binds ?? []).filter((bind) => !isReplaced(bind)),
      Mounts: (HostConfig.Mounts ?? []).filter(({ Target }) => !isReplaced(Target)),
      Tmpfs: { ...(HostConfig.Tmpfs as Record<string, string> | undefined), ...disks },
    },
    NetworkingConfig: {
      EndpointsConfig: Object.fromEntries(
        Object.entries(NetworkSettings.Networks).map(([name, { Aliases }]) => [name, { Aliases: (Aliases as string[] | null) ?? [] }]),
      ),
    },
  });
  try {
    if (Object.keys(files).length > 0) await copy.putArchive(Readable.from(archive), { path: "/" });
    await copy.start();
    await eventually("the stand-in is healthy", async () => (await copy.inspect()).State.Health?.Status === "healthy", HEALTHY_MS, 500);
    return copy;
  } catch (error) {
    await copy.remove({ force: true, v: true });
    await original.start();
    throw error;
  }
}
