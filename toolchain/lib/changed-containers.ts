import type Docker from "dockerode";
import { isGone } from "./docker";
import { containerName } from "./docker-app";
import type { ExportedStack } from "./update-recovery";

/** What `docker update` changes of a container that runs, with the output of Pulumi's Docker provider that has it. */
const PROPERTIES: Readonly<Record<string, (host: Docker.HostConfig) => unknown>> = {
  memory: ({ Memory: bytes = 0 }) => bytes / 1024 ** 2,
  cpuShares: ({ CpuShares: shares = 0 }) => shares,
  cpus: ({ NanoCpus: nano = 0 }) => nano / 1e9,
  restart: ({ RestartPolicy: policy }) => (policy?.Name === undefined || policy.Name === "" ? "no" : policy.Name),
};

/** The properties of a container that are not those of its state; what the state does not have is anyone's. */
export function changedProperties(outputs: Readonly<Record<string, unknown>>, host: Docker.HostConfig): string[] {
  return Object.entries(PROPERTIES).flatMap(([name, read]) => {
    const deployed = outputs[name];
    if (deployed === undefined || deployed === null || deployed === "") return [];
    const now = read(host);
    const isSame = typeof now === "number" ? Number(deployed) === now : deployed === now;
    return isSame ? [] : [name];
  });
}

/** Containers that somebody changed by hand while they ran, with what, in words. @param infos the stack's containers */
export async function changedContainers(
  docker: Docker,
  exported: ExportedStack,
  infos: readonly Docker.ContainerInfo[],
): Promise<string[]> {
  const outputs = new Map((exported.deployment?.resources ?? []).map(({ id, outputs: own }) => [id, own]));
  const found = await Promise.all(
    infos.map(async (info) => {
      const deployed = outputs.get(info.Id);
      if (deployed === undefined) return [];
      try {
        const { HostConfig: host } = await docker.getContainer(info.Id).inspect();
        const changed = changedProperties(deployed, host);
        return changed.length === 0 ? [] : [`${containerName(info)} was changed by hand (${changed.join(", ")})`];
      } catch (error) {
        // Removed since they were listed; the update finds that out.
        if (isGone(error)) return [];
        throw error;
      }
    }),
  );
  return found.flat();
}
