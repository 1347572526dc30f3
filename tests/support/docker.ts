import Docker from "dockerode";

/** The Docker Engine the integration tests run against: DOCKER_HOST or the default socket. */
export const docker = new Docker();

/** Containers of a stack's service, running or not. */
export function containersOf(stack: string, service?: string): Promise<Docker.ContainerInfo[]> {
  const label = [`phased-stack.stack=${stack}`, ...(service ? [`phased-stack.service=${service}`] : [])];
  return docker.listContainers({ all: true, filters: { label } });
}

/** Ids of the running containers of a service, sorted: equal before and after means that none was replaced. */
export async function runningIds(stack: string, service: string): Promise<string[]> {
  const containers = await containersOf(stack, service);
  return containers
    .filter((container) => container.State === "running")
    .map((container) => container.Id)
    .sort();
}

/** Makes the processes of a running container stand still. @returns whether they do: on a busy machine the kernel may give up, and they go on. */
export async function paused(container: Docker.Container): Promise<boolean> {
  try {
    await container.pause();
    return true;
  } catch (error) {
    if (String(error).includes("unable to freeze")) return false;
    throw error;
  }
}

/** Everything on the Engine that carries the stack's label, as `kind name` lines. */
export async function leftovers(stack: string): Promise<string[]> {
  const filters = { label: [`phased-stack.stack=${stack}`] };
  const containers = await docker.listContainers({ all: true, filters });
  const networks = await docker.listNetworks({ filters });
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  return [
    ...containers.map((container) => `container ${container.Names.join(",")}`),
    ...networks.map((network) => `network ${network.Name}`),
    ...volumes.map((volume) => `volume ${volume.Name}`),
  ];
}

/**
 * What the load balancer of a stack has to say about failed requests: changes of its servers' state, and every answer that was not 2xx
 * (at most 40 lines). For assertion messages: a status code alone does not tell who gave it.
 */
export async function loadBalancerStory(stack: string): Promise<string> {
  const [container] = await containersOf(stack, "load-balancer");
  if (container === undefined) return "no load balancer";
  const raw = await docker.getContainer(container.Id).logs({ stdout: true, stderr: true, timestamps: true });
  // Without a terminal each line begins with eight bytes that say which stream it came from.
  const lines = raw
    .toString("latin1")
    .split("\n")
    .map((line) => line.slice(8));
  const telling = lines.filter((line) => (line.includes('"status"') ? !/"status": ?2\d\d/.test(line) : line.trim() !== ""));
  return telling.slice(-40).join("\n");
}
