import type Docker from "dockerode";
import { setTimeout as delay } from "node:timers/promises";
import { randomBytes } from "node:crypto";
import { isGone } from "../../lib/docker";
import { clusterProblem } from "../measure";
import { otherPrimary, psql } from "./postgres";
import type { ChaosEvent, EventContext } from "./types";

/** Size of the disk that is filled, MiB: the data of a test, and the log segments of some minutes. */
const DISK_MB = 768;
/** Longest wait for the node on the small disk to be a standby like any other: it copies the primary first. */
const JOIN_MS = 180_000;
const FULL_MS = 60_000;

/**
 * A volume of Docker's has no size. So one standby is exchanged, for the time of the event, for a copy of its container whose data lie on
 * a tmpfs of a fixed size; it becomes primary, and its disk is filled to the last byte. Then writing WAL fails, Postgres stops, and
 * another node has to take over.
 */
export const walDiskFull: ChaosEvent = {
  id: "wal-disk-full",
  title: "disk with WAL and data of the primary full",
  target: { gapSeconds: 10 },
  needs: ["postgres-operator"],
  async prepare(context) {
    const node = context.standbys()[0] ?? "";
    await exchange(context, node);
    context.say(`${node} is on a disk of ${DISK_MB} MB now; making it primary`);
    await context.targets.exec(context.targets.one("postgres-operator"), ["node", "main.js", "switchover", "--to", node], FULL_MS);
    // Not by primary(): there is none for a moment.
    const leads = (): boolean => context.members().some(({ name, role }) => name === node && role === "leader");
    await context.until(`${node} is primary`, leads, FULL_MS);
    await context.until("all others follow it", () => clusterProblem(context.members(), context.targets.nodes) === undefined, JOIN_MS);
  },
  async inject(context) {
    const node = context.primary();
    const small = context.targets.docker.getContainer(smallName(context));
    const fill = await small.exec({ Cmd: ["bash", "-c", 'cat /dev/zero > "${PGDATA%/*}/filler" || true'] });
    await fill.start({ Detach: true });
    const isOver = (): boolean => context.members().some(({ name, role }) => role === "leader" && name !== node);
    const deadline = performance.now() + FULL_MS;
    // Asks for the next segment of WAL, for which there is no room: a quiet database would run on in its last one for minutes.
    while (!isOver() && performance.now() < deadline) {
      await psql(context, node, "SELECT pg_switch_wal()", small).catch(() => undefined);
      await delay(200);
    }
    await otherPrimary(context, node);
  },
};

function smallName({ targets }: EventContext): string {
  return `${targets.stack.name}-chaos-small-disk`;
}

/** Puts a copy on a small disk in the place of a standby; the repair puts the standby back. */
async function exchange(context: EventContext, node: string): Promise<void> {
  const { targets, repairs } = context;
  const original = targets.one(node);
  const inspected = await original.container.inspect();
  const data = inspected.Mounts.find(({ Destination }) => Destination === "/var/lib/postgresql/data");
  if (data?.Name === undefined) throw new Error(`${original.name} has no volume for its data`);
  const volume = `${smallName(context)}-${randomBytes(3).toString("hex")}`;
  await targets.stop(original);
  repairs.add(`remove the small disk of ${node}`, async () => {
    for (const remove of [
      () => targets.docker.getContainer(smallName(context)).remove({ force: true, v: true }),
      () => targets.docker.getVolume(volume).remove(),
    ]) {
      await remove().catch((error: unknown) => {
        if (!isGone(error)) throw error;
      });
    }
  });
  await targets.docker.createVolume({
    Name: volume,
    Labels: { ...inspected.Config.Labels },
    Driver: "local",
    DriverOpts: { type: "tmpfs", device: "tmpfs", o: `size=${DISK_MB}m,uid=10002,gid=10002,mode=0700` },
  });
  const container = await targets.docker.createContainer(
    copyOf(inspected, smallName(context), targets.networkName, node, data.Name, volume),
  );
  await container.start();
  await context.until(`${node} has copied the primary`, () => clusterProblem(context.members(), targets.nodes) === undefined, JOIN_MS);
}

/** What makes a container like another one, but for its volume of data; memory that a tmpfs takes counts for its container. */
function copyOf(
  { Config: config, HostConfig: host, Image: image }: Docker.ContainerInspectInfo,
  name: string,
  network: string,
  alias: string,
  from: string,
  to: string,
): Docker.ContainerCreateOptions {
  const memory = (host.Memory ?? 0) + DISK_MB * 1024 * 1024;
  return {
    ...config,
    name,
    Image: image,
    HostConfig: {
      ...host,
      Memory: memory,
      MemorySwap: memory,
      Binds: (host.Binds ?? []).map((bind) => bind.replace(`${from}:`, `${to}:`)),
      Mounts: (host.Mounts ?? []).map((mount) => (mount.Source === from ? { ...mount, Source: to } : mount)),
      RestartPolicy: { Name: "unless-stopped" },
    },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [alias] } } },
  };
}
