import type Docker from "dockerode";
import { restartContainer } from "./container-restart";
import { appReport, balancedServers, isUp, reloadInstance } from "./docker-app";
import { UserError, messageOf } from "./errors";
import { stopIfInterrupted } from "./interrupt";

/** The load balancer sees a restarted instance within a second of its being healthy. */
const SEEN_WITHIN_MS = 30_000;

const POLL_MS = 200;

/** How an instance was renewed: `workers` within it, or itself, as the only process that it is. */
export interface Renewal {
  readonly what: string;
  readonly seconds: number;
}

/**
 * Starts the container of an instance anew: a single process, or an image of the user's own. No request fails if others serve meanwhile.
 * @param loadBalancer has to see all instances again before this returns; `undefined` for a service that it does not lead to
 * @param bootMs what it may take to start; see {@link restartContainer}
 * @returns seconds it took
 * @throws UserError when it does not get well again.
 */
export async function restartInstance(
  container: Docker.Container,
  name: string,
  loadBalancer: Docker.Container | undefined,
  bootMs?: number,
): Promise<number> {
  const started = performance.now();
  await restartContainer(container, name, bootMs);
  if (loadBalancer !== undefined) await seenByBalancer(loadBalancer, name);
  return (performance.now() - started) / 1000;
}

/**
 * Gives one instance of the app new processes with no failed request: worker by worker, or, where it is a single process, by restarting
 * its container while the other instances serve.
 * @param others how many further instances serve meanwhile
 * @param loadBalancer has to see all instances again before this returns; `undefined` for a service that it does not lead to
 * @throws UserError for a single process that is alone, and when it does not get well again.
 */
export async function renewInstance(
  container: Docker.Container,
  name: string,
  { others, loadBalancer }: { readonly others: number; readonly loadBalancer?: Docker.Container | undefined },
  onProgress: (replaced: number, total: number) => void = () => undefined,
): Promise<Renewal> {
  const { cluster } = await answering(name, () => appReport(container));
  // Alone, it refuses a single process and says what to do.
  if (cluster.clustering || others === 0) {
    const { workers, durationMs } = await answering(name, () => reloadInstance(container, name, onProgress));
    return { what: `${workers} workers replaced`, seconds: durationMs / 1000 };
  }
  return { what: "restarted while the others served", seconds: await restartInstance(container, name, loadBalancer) };
}

/** An instance that does not answer is a condition of the stack, and no mistake in this program. */
async function answering<Result>(name: string, ask: () => Promise<Result>): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${name} does not answer (${messageOf(error)}); those after it were left alone`,
      "docs/runbooks/app-instance-down.md",
    );
  }
}

async function seenByBalancer(loadBalancer: Docker.Container, name: string): Promise<void> {
  const deadline = performance.now() + SEEN_WITHIN_MS;
  for (;;) {
    stopIfInterrupted();
    const servers = await balancedServers(loadBalancer);
    if (servers.length > 0 && servers.every(isUp)) return;
    if (performance.now() > deadline) {
      const away = servers.filter((server) => !isUp(server)).map((server) => `${server.name} ${server.state}`);
      throw new UserError(
        `${name} is healthy again, but the load balancer does not see every instance (${away.join(", ")}); the others were left alone`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
