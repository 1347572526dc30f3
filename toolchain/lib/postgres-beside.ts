import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import { isGone, LABELS, stopContainer } from "./docker";
import { containerName } from "./docker-app";
import { UserError } from "./errors";

/** Label of the containers that {@link runBeside} makes. */
export const RESTORE_SERVICE = "postgres-restore";

/** Seconds such a container has to tidy up when it is told to stop; in its last moments a restore comes to its end instead. */
const STOP_SECONDS = 180;

/**
 * Runs a command of the image beside a node's container: with its volumes, secrets, limits and network, under another name. Only one at a
 * time can have that name.
 * @param say is called with each line of its standard error.
 * @param stopOn ends it. @default it runs to its end
 */
export async function runBeside(
  docker: Docker,
  node: Docker.ContainerInfo,
  command: readonly string[],
  say: (line: string) => void,
  stopOn?: AbortSignal,
): Promise<{ readonly exitCode: number; readonly stdout: string }> {
  stopOn?.throwIfAborted();
  const name = `${containerName(node)}-restore`;
  await removeEnded(docker.getContainer(name), name);
  const container = await docker.createContainer(await optionsBeside(docker, node, name, command));
  const end = (): void => {
    // That it ended is seen below.
    void stopContainer(container);
  };
  stopOn?.addEventListener("abort", end, { once: true });
  try {
    const stream = await container.attach({ stream: true, stdout: true, stderr: true });
    const [out, errors] = [new PassThrough(), new PassThrough()];
    (container.modem as { demuxStream(from: NodeJS.ReadableStream, out: PassThrough, err: PassThrough): void }).demuxStream(
      stream,
      out,
      errors,
    );
    let [stdout, rest] = ["", ""];
    out.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    errors.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      lines.forEach(say);
    });
    await container.start();
    const { StatusCode: exitCode } = (await container.wait()) as { StatusCode: number };
    return { exitCode, stdout };
  } finally {
    stopOn?.removeEventListener("abort", end);
    await container.remove({ force: true, v: true });
  }
}

async function removeEnded(container: Docker.Container, name: string): Promise<void> {
  try {
    const { State: state } = await container.inspect();
    if (state.Running) throw new UserError(`a restore is under way already: container ${name} runs`);
    await container.remove();
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

async function optionsBeside(
  docker: Docker,
  node: Docker.ContainerInfo,
  name: string,
  command: readonly string[],
): Promise<Docker.ContainerCreateOptions> {
  const { Config: config, HostConfig: host, NetworkSettings: network } = await docker.getContainer(node.Id).inspect();
  const [networkName = "none"] = Object.keys(network.Networks);
  return {
    name,
    Image: config.Image,
    Cmd: [...command],
    Env: config.Env,
    Labels: { ...config.Labels, [LABELS.service]: RESTORE_SERVICE },
    StopSignal: "SIGTERM",
    StopTimeout: STOP_SECONDS,
    Healthcheck: { Test: ["NONE"] },
    HostConfig: { ...host, NetworkMode: networkName, RestartPolicy: { Name: "no" }, PortBindings: {} },
  };
}
