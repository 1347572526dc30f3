import type Docker from "dockerode";
import { isGone, LABELS } from "./docker";
import { containerName, type StackOnDocker, stackContainers } from "./docker-app";
import { messageOf } from "./errors";
import { formatBytes, renderTable } from "./table";

/** A volume of a stack. */
export interface StackVolume {
  readonly name: string;
  readonly service: string;
  /** `undefined` when the engine cannot tell. */
  readonly bytes: number | undefined;
}

/** Everything a stack has on its Docker Engine. */
export interface Belongings {
  readonly containers: readonly { readonly id: string; readonly name: string; readonly service: string; readonly state: string }[];
  readonly networks: readonly { readonly id: string; readonly name: string }[];
  readonly volumes: readonly StackVolume[];
  /** Tags of images that were built for the stack and go with it. */
  readonly images: readonly string[];
  /** What carries the stack's name but is in no state of it, as `kind name`: another clone's stack, or left by one that was deleted. */
  readonly foreign: readonly string[];
}

/** Volumes that hold written files (secrets), which the next `up` writes again; all others hold data. */
export function holdsData(volume: StackVolume): boolean {
  return volume.service !== "secrets";
}

/** Finds what a stack has on an engine, and the images its containers run that were built by this project. */
export async function belongings(docker: Docker, stack: StackOnDocker): Promise<Belongings> {
  const filters = { label: [`${LABELS.stack}=${stack.name}`] };
  const infos = await stackContainers(docker, stack);
  const labelled = await docker.listContainers({ all: true, filters });
  const allNetworks = await docker.listNetworks({ filters });
  const { Volumes: allVolumes } = await docker.listVolumes({ filters });
  const networks = allNetworks.filter(({ Id, Name }) => stack.known.has(Id) || stack.known.has(Name));
  const volumes = allVolumes.filter(({ Name }) => stack.known.has(Name));
  const own = new Set(infos.map((info) => info.Id));
  const sizes = volumes.length === 0 ? new Map<string, number>() : await volumeSizes(docker);
  const images = await ownImages(docker, own, infos);
  return {
    containers: infos.map((info) => ({
      id: info.Id,
      name: containerName(info),
      service: info.Labels[LABELS.service] ?? "",
      state: info.State,
    })),
    networks: networks.map((network) => ({ id: network.Id, name: network.Name })),
    volumes: volumes.map((volume) => ({
      name: volume.Name,
      service: (volume.Labels as Record<string, string> | null)?.[LABELS.service] ?? "",
      bytes: sizes.get(volume.Name),
    })),
    images,
    foreign: [
      ...labelled.filter(({ Id }) => !own.has(Id)).map((info) => `container ${containerName(info)}`),
      ...allNetworks.filter((network) => !networks.includes(network)).map(({ Name }) => `network ${Name}`),
      ...allVolumes.filter((volume) => !volumes.includes(volume)).map(({ Name }) => `volume ${Name}`),
    ],
  };
}

/** Whether anything of what a stack's state knows is on an engine. */
export async function isOnEngine(docker: Docker, stack: StackOnDocker): Promise<boolean> {
  if ((await stackContainers(docker, stack)).length > 0) return true;
  const filters = { label: [`${LABELS.stack}=${stack.name}`] };
  if ((await docker.listNetworks({ filters })).some(({ Id, Name }) => stack.known.has(Id) || stack.known.has(Name))) return true;
  return (await docker.listVolumes({ filters })).Volumes.some(({ Name }) => stack.known.has(Name));
}

async function volumeSizes(docker: Docker): Promise<Map<string, number>> {
  const usage = (await docker.df()) as { Volumes?: { Name: string; UsageData?: { Size: number } }[] | null };
  const known = (usage.Volumes ?? []).flatMap((volume) => {
    const size = volume.UsageData?.Size ?? -1;
    return size < 0 ? [] : [[volume.Name, size] as const];
  });
  return new Map(known);
}

/**
 * Images that were built by the project (`localhost/PROJECT/…`; base images and a user's own are named otherwise). Those of earlier
 * versions are kept for going back and belong to no stack in particular: they go with the project's last stack on the engine.
 */
async function ownImages(docker: Docker, own: ReadonlySet<string>, infos: readonly Docker.ContainerInfo[]): Promise<string[]> {
  const project = infos[0]?.Labels[LABELS.project];
  if (project === undefined) return [];
  const others = (await docker.listContainers({ all: true, filters: { label: [`${LABELS.project}=${project}`] } })).some(
    (info) => !own.has(info.Id),
  );
  const used = new Set(infos.map((info) => info.ImageID));
  const images = await docker.listImages();
  // Only of services this stack has: the others are somebody else's, e.g. a test's.
  const repositories = new Set(images.filter((image) => used.has(image.Id)).flatMap((image) => (image.RepoTags ?? []).map(repositoryOf)));
  return images
    .filter((image) => !others || used.has(image.Id))
    .flatMap((image) => image.RepoTags ?? [])
    .filter((tag) => tag.startsWith(`localhost/${project}/`) && repositories.has(repositoryOf(tag)));
}

function repositoryOf(tag: string): string {
  return tag.slice(0, tag.lastIndexOf(":"));
}

/** What `npm run down` is about to delete. */
export function renderBelongings(owned: Belongings, keep: { readonly data: boolean; readonly images: boolean }): string {
  const rows = [
    ...owned.containers.map((one) => ["container", one.name, one.state]),
    ...owned.networks.map((one) => ["network", one.name, ""]),
    ...owned.volumes
      .filter((one) => !(keep.data && holdsData(one)))
      .map((one) => [
        "volume",
        one.name,
        `${holdsData(one) ? "DATA" : "written files"}${one.bytes === undefined ? "" : `, ${formatBytes(one.bytes)}`}`,
      ]),
    ...(keep.images ? [] : owned.images.map((tag) => ["image", tag, ""])),
  ];
  return renderTable(["what", "name", ""], rows);
}

/** Removes what is left of a stack after `pulumi destroy`: what hung on its network or volumes and its state did not know. */
export async function removeLeftovers(docker: Docker, left: Belongings, keepData: boolean): Promise<string[]> {
  const removed: string[] = [];
  for (const { id, name } of left.containers) {
    await docker.getContainer(id).remove({ force: true, v: true });
    removed.push(`container ${name}`);
  }
  for (const { id, name } of left.networks) {
    await docker.getNetwork(id).remove();
    removed.push(`network ${name}`);
  }
  for (const volume of left.volumes.filter((one) => !(keepData && holdsData(one)))) {
    await docker.getVolume(volume.name).remove();
    removed.push(`volume ${volume.name}`);
  }
  return removed;
}

/** Removes images by tag; one that something else still uses stays. */
export async function removeImages(docker: Docker, tags: readonly string[]): Promise<{ removed: string[]; kept: string[] }> {
  const removed: string[] = [];
  const kept: string[] = [];
  for (const tag of tags) {
    try {
      await docker.getImage(tag).remove();
      removed.push(tag);
    } catch (error) {
      if (isGone(error)) continue;
      if ((error as { statusCode?: number }).statusCode !== 409)
        throw new Error(`image ${tag} cannot be removed: ${messageOf(error)}`, { cause: error });
      kept.push(tag);
    }
  }
  return { removed, kept };
}
