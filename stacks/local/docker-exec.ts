import type { DockerEndpoint } from "./docker-endpoint";
import { dockerRequest } from "./docker-request";

/** Runs a line of bash in a container, by the engine's HTTP API. @returns what it printed. @throws Error with the reason, in a few words. */
export async function executeIn(endpoint: DockerEndpoint, container: string, line: string): Promise<string> {
  const command = { AttachStdout: true, AttachStderr: false, Tty: true, Cmd: ["bash", "-c", line] };
  const { Id } = JSON.parse(await dockerRequest(endpoint, `/containers/${container}/exec`, command)) as { readonly Id: string };
  // With a terminal the answer is the output as it is; without, it comes in frames.
  return await dockerRequest(endpoint, `/exec/${Id}/start`, { Detach: false, Tty: true });
}

/** One word of a shell's command line, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
