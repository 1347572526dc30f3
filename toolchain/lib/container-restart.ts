import type Docker from "dockerode";
import { lastLogLines } from "./docker";
import { SERVICES } from "./docker-app";
import { UserError } from "./errors";
import { stopIfInterrupted } from "./interrupt";

/** Longest wait for a restarted container to become healthy, in milliseconds: a Postgres that has to catch up takes the longest. */
const HEALTHY_WITHIN_MS = 120_000;

/** Between two looks at a container's health, in milliseconds. */
const POLL_MS = 200;

/** What people notice while the only container of a service restarts; services that are not named here are noticed by nobody. */
const NOTICED: Readonly<Record<string, string>> = {
  [SERVICES.app]: "requests are answered 503",
  [SERVICES.loadBalancer]: "requests are refused (some seconds)",
  [SERVICES.jobs]: "background jobs wait",
  [SERVICES.consumer]: "events wait",
  [SERVICES.pgbouncer]: "requests that need the database wait and are tried again (about a second)",
  [SERVICES.postgresProxy]: "requests that need the primary wait and are tried again (about a second)",
  [SERVICES.operator]: "a failover would take Patroni's own time (20 s) instead of about 3 s",
  [SERVICES.etcd]: "there is no failover; the primary keeps serving",
  [SERVICES.redisCache]: "sessions and cached answers come from Postgres, and WebSocket messages do not reach other instances",
  [SERVICES.redisLimits]: "each instance counts limits for itself, and background jobs wait",
};

/** The sentence to say before a service's only container restarts; `undefined` when there are several, or nobody notices. */
export function announcement(service: string, containers: number): string | undefined {
  const noticed = NOTICED[service];
  return containers > 1 || noticed === undefined ? undefined : `${service} is one container: while it restarts, ${noticed}.`;
}

/**
 * Stops a container as its image wants to be stopped, starts it again, and waits until it is healthy.
 * @param bootMs what it may take to start: waited for if it is longer than two minutes
 * @returns seconds it took.
 * @throws UserError with its last log lines when it does not become healthy.
 */
export async function restartContainer(container: Docker.Container, name: string, bootMs = 0): Promise<number> {
  const started = performance.now();
  // Without a number Docker takes the container's own stop timeout.
  await container.restart();
  await healthy(container, name, Math.max(HEALTHY_WITHIN_MS, bootMs));
  return (performance.now() - started) / 1000;
}

async function healthy(container: Docker.Container, name: string, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    stopIfInterrupted();
    const { State: state } = await container.inspect();
    const health = state.Health?.Status ?? "none";
    if (state.Running && ["healthy", "none"].includes(health)) return;
    if (!state.Running || performance.now() > deadline) {
      const log = await lastLogLines(container);
      throw new UserError(`${name} did not become healthy (${state.Running ? health : state.Status}). Its last lines:\n${log}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
