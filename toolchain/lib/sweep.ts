import { dockerClient, LABELS } from "./docker";

/**
 * Removes the containers, networks and volumes of all stacks whose name begins with `prefix`: what a crashed or interrupted
 * test run leaves behind. Says what it removes; does nothing where Docker is not reachable (then nothing was made either).
 */
export async function sweep(prefix: string): Promise<void> {
  const docker = await dockerClient();
  try {
    await docker.ping();
  } catch {
    return;
  }
  const ours = (labels: Record<string, string> | undefined): boolean => labels?.[LABELS.stack]?.startsWith(prefix) ?? false;
  for (const container of await docker.listContainers({ all: true, filters: { label: [LABELS.stack] } })) {
    if (!ours(container.Labels)) continue;
    console.log(`removing container ${container.Names[0] ?? container.Id} left behind by this run`);
    await docker.getContainer(container.Id).remove({ force: true, v: true });
  }
  for (const network of await docker.listNetworks({ filters: { label: [LABELS.stack] } })) {
    if (!ours(network.Labels)) continue;
    console.log(`removing network ${network.Name} left behind by this run`);
    await docker.getNetwork(network.Id).remove();
  }
  const { Volumes: volumes } = await docker.listVolumes({ filters: { label: [LABELS.stack] } });
  for (const volume of volumes) {
    if (!ours(volume.Labels)) continue;
    console.log(`removing volume ${volume.Name} left behind by this run`);
    await docker.getVolume(volume.Name).remove();
  }
}
