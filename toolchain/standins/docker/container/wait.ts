import { once } from "node:events";
import type Docker from "dockerode";
import { logExcerpt } from "./logs";

/**
 * Waits until a container is healthy.
 *
 * Follows Docker's events instead of asking over and over. A container that stops for good fails at once, an unhealthy one when the time is over:
 * until then it may recover, as with the official plugin.
 * @param timeoutSeconds longest wait (`waitTimeout`).
 * @throws Error with the official message, the reason and the container's last log lines.
 */
export async function waitHealthy(docker: Docker, id: string, timeoutSeconds: number, signal: AbortSignal): Promise<void> {
  const container = docker.getContainer(id);
  const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
  const events = await docker.getEvents({ filters: { container: [id] } });
  const stop = AbortSignal.any([signal, timeout]);
  try {
    for (;;) {
      // Listen before looking, so that nothing that happens in between is missed.
      const changed = once(events, "data", { signal: stop });
      // An abort is told by `stop` below.
      changed.catch(() => undefined);
      const info = await container.inspect();
      const { Health: health } = info.State;
      if (health === undefined)
        throw new Error(
          "you have supplied a 'wait' argument, but the container does not have a healthcheck defined. Please remove the 'wait' argument or add a 'healthcheck' attribute",
        );
      if (health.Status === "healthy") return;
      if (!info.State.Running && !willRestart(info))
        throw await unhealthy(info, container, `it ended with exit code ${info.State.ExitCode}`);
      try {
        await changed;
      } catch (error) {
        if (signal.aborted) throw await unhealthy(info, container, interruption(signal));
        if (!timeout.aborted) throw error;
        const last = await container.inspect();
        if (last.State.Health?.Status === "healthy") return;
        throw await unhealthy(
          last,
          container,
          `after ${timeoutSeconds} s its health is "${last.State.Health?.Status ?? "unknown"}"${checkOutput(last)}`,
        );
      }
    }
  } finally {
    (events as unknown as { destroy(): void }).destroy();
  }
}

function interruption({ reason }: AbortSignal): string {
  return reason instanceof DOMException && reason.name === "TimeoutError"
    ? "the resource's time for this is over (customTimeouts; 20 minutes without)"
    : "the update was cancelled while waiting for it";
}

function willRestart({ HostConfig, State }: Docker.ContainerInspectInfo): boolean {
  const policy = HostConfig.RestartPolicy?.Name ?? "no";
  return State.Restarting || policy === "always" || policy === "unless-stopped" || (policy === "on-failure" && State.ExitCode !== 0);
}

function checkOutput({ State }: Docker.ContainerInspectInfo): string {
  const last = State.Health?.Log.at(-1);
  return last === undefined ? "" : `; its check answered ${last.ExitCode}: ${last.Output.trim() || "(nothing)"}`;
}

async function unhealthy(info: Docker.ContainerInspectInfo, container: Docker.Container, reason: string): Promise<Error> {
  const name = info.Name.replace(/^\//, "");
  return new Error(
    `container failed to be in healthy state: ${name} (image ${info.Config.Image}): ${reason}. ${await logExcerpt(container, info.Config.Tty)}`,
  );
}

/** Waits until a container has ended (`attach`). @throws Error when the update is cancelled. */
export async function waitEnded(container: Docker.Container, signal: AbortSignal): Promise<void> {
  try {
    await (container.wait({ condition: "not-running", abortSignal: signal } as object) as Promise<unknown>);
  } catch (error) {
    if (signal.aborted) throw new Error("the update was cancelled while waiting for the container to end", { cause: error });
    throw error;
  }
}
