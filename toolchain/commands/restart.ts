import type Docker from "dockerode";
import type { Command } from "commander";
import { UserError } from "../lib/errors";
import { LABELS, reachableDocker, lastLogLines } from "../lib/docker";
import { SERVICES, containerName, reloadInstance, stackContainers } from "../lib/docker-app";
import { isMeantToRun } from "../lib/docker-status";
import { stopIfInterrupted } from "../lib/interrupt";
import { openStack, type OpenStack } from "../lib/outputs";
import { colours, formatDuration } from "../lib/table";

interface RestartOptions {
  readonly stack?: string;
}

/** `npm run restart`: new worker processes one after the other, with no failed request (C7). */
export function register(program: Command): void {
  program
    .command("restart")
    .argument("[service]", "service to restart", SERVICES.app)
    .description("replace the app's workers one by one with no failed request, or restart the container of another service")
    .option("-s, --stack <name>", "stack to work on (default: dev)")
    .addHelpText(
      "after",
      `
The app is reloaded instance by instance, worker by worker: each new worker serves before an old one leaves. Any other service is
one container and is restarted as such, with a gap that is announced.

Examples:
  npm run restart
  npm run restart -- load-balancer
  npm run restart -- --stack shop app`,
    )
    .action(run);
}

async function run(service: string, options: RestartOptions): Promise<void> {
  const stack = await openStack(options.stack);
  const docker = await reachableDocker(stack.dockerHost);
  const all = (await stackContainers(docker, await stack.onDocker())).filter(isMeantToRun);
  if (all.length === 0) throw new UserError(`stack ${stack.name} is down: there is nothing to restart`, stack.command("up"));
  const containers = all.filter((info) => info.Labels[LABELS.service] === service);
  if (containers.length === 0) {
    const known = [...new Set(all.map((info) => info.Labels[LABELS.service] ?? ""))].sort();
    throw new UserError(`service ${JSON.stringify(service)} is not part of stack ${stack.name}; allowed: ${known.join(", ")}`);
  }
  if (service === SERVICES.app) await reloadApp(docker, stack, containers);
  else await restartContainers(docker, service, containers);
}

async function reloadApp(docker: Docker, stack: OpenStack, containers: readonly Docker.ContainerInfo[]): Promise<void> {
  const stopped = containers.filter((info) => info.State !== "running");
  if (stopped.length === containers.length) throw new UserError(`no instance of the app runs in stack ${stack.name}`, stack.command("up"));
  const running = containers.filter((info) => info.State === "running");
  const terminal = process.stdout.isTTY;
  for (const [index, info] of running.entries()) {
    stopIfInterrupted();
    const name = containerName(info);
    const head = `[${index + 1}/${running.length}] ${name}`;
    if (!terminal) console.log(`${head}: replacing its workers`);
    const { workers, durationMs } = await reloadInstance(docker.getContainer(info.Id), name, (replaced, total) => {
      if (terminal) process.stdout.write(`\r\u001b[2K${head}: ${replaced} of ${total} workers replaced`);
    });
    const line = `${colours.green("✔")} ${head}: ${workers} workers replaced in ${(durationMs / 1000).toFixed(1)} s`;
    console.log(terminal ? `\r\u001b[2K${line}` : line);
  }
  for (const info of stopped)
    console.log(colours.yellow(`  ${containerName(info)} does not run and was left alone (${stack.command("status")})`));
}

/** Longest wait for a restarted container to become healthy, in milliseconds. */
const HEALTHY_WITHIN_MS = 60_000;

async function restartContainers(docker: Docker, service: string, containers: readonly Docker.ContainerInfo[]): Promise<void> {
  console.log(colours.yellow(`${service} is one container: while it restarts, requests are refused (some seconds).`));
  for (const info of containers) {
    const container = docker.getContainer(info.Id);
    const started = performance.now();
    // Without a number Docker takes the container's own stop timeout.
    await container.restart();
    await healthy(container, containerName(info));
    console.log(`${colours.green("✔")} ${containerName(info)} is back after ${formatDuration((performance.now() - started) / 1000)}`);
  }
}

async function healthy(container: Docker.Container, name: string): Promise<void> {
  const deadline = performance.now() + HEALTHY_WITHIN_MS;
  for (;;) {
    stopIfInterrupted();
    const { State: state } = await container.inspect();
    const health = state.Health?.Status ?? "none";
    if (state.Running && ["healthy", "none"].includes(health)) return;
    if (!state.Running || performance.now() > deadline) {
      const log = await lastLogLines(container);
      throw new UserError(`${name} did not become healthy (${state.Running ? health : state.Status}). Its last lines:\n${log}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
