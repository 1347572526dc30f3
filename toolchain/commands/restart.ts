import type Docker from "dockerode";
import type { Command } from "commander";
import { renewInstance, restartInstance } from "../lib/app-restart";
import { announcement } from "../lib/container-restart";
import { LABELS, reachableDocker } from "../lib/docker";
import { SERVICES, appReport, containerName, stackContainers } from "../lib/docker-app";
import { isAsked, isServing } from "../lib/docker-status";
import { UserError } from "../lib/errors";
import { stopIfInterrupted } from "../lib/interrupt";
import { restartKafka } from "../lib/kafka-restart";
import { openStack, type OpenStack } from "../lib/outputs";
import { restartPostgres } from "../lib/postgres-restart";
import { colours, formatDuration } from "../lib/table";

interface RestartOptions {
  readonly stack?: string;
}

/** `npm run restart`: new worker processes one after the other, with no failed request (C7); any other service container by container. */
export function register(program: Command): void {
  program
    .command("restart")
    .argument("[service]", "service to restart", SERVICES.app)
    .description("replace the app's workers one by one with no failed request, or restart the containers of another service one by one")
    .option("-s, --stack <name>", "stack to work on (default: dev)")
    .addHelpText(
      "after",
      `
The app is renewed instance by instance, worker by worker: each new worker serves before an old one leaves (an instance that is a single
process is restarted while the others serve). jobs and consumer are reloaded in the same way, where they have workers. With an image of your own
each instance's container is restarted while the others serve. postgres: the
replicas first, each until it follows again, then a planned switchover, then the old primary. kafka: broker by broker, each only when
every partition has all its copies in sync. Any other service is restarted
container by container, each until it is healthy; what is noticed of that is said before.

Examples:
  npm run restart
  npm run restart -- load-balancer
  npm run restart -- postgres
  npm run restart -- kafka
  npm run restart -- --stack shop app`,
    )
    .action(run);
}

async function run(service: string, options: RestartOptions): Promise<void> {
  const stack = await openStack(options.stack);
  const docker = await reachableDocker(stack.dockerHost);
  const all = (await stackContainers(docker, await stack.onDocker())).filter(isServing);
  if (all.length === 0) throw new UserError(`stack ${stack.name} is down: there is nothing to restart`, stack.command("up"));
  const containers = all.filter((info) => info.Labels[LABELS.service] === service);
  if (containers.length === 0) {
    const known = [...new Set(all.map((info) => info.Labels[LABELS.service] ?? ""))].sort();
    throw new UserError(`service ${JSON.stringify(service)} is not part of stack ${stack.name}; allowed: ${known.join(", ")}`);
  }
  if (service === SERVICES.postgres) {
    await restartPostgres(docker, all, (line) => console.log(line));
    return;
  }
  if (service === SERVICES.kafka) {
    await restartKafka(docker, all, (line) => console.log(line));
    return;
  }
  const running = containers.filter((info) => info.State === "running");
  if (running.length === 0) {
    throw new UserError(`no container of ${service} runs in stack ${stack.name}`, stack.command("up"));
  }
  if (await isReloaded(docker, service, running)) await renew(docker, running, all);
  else await restartContainers(stack, docker, service, running, all);
  mentionStopped(stack, containers);
}

/**
 * The app's own processes can be replaced within their container, unless an instance is a single process: of jobs, that may be. An image of the
 * user's own has no such command.
 */
async function isReloaded(docker: Docker, service: string, running: readonly Docker.ContainerInfo[]): Promise<boolean> {
  if (!running.every(isAsked)) return false;
  if (service === SERVICES.app) return true;
  if (service !== SERVICES.jobs && service !== SERVICES.consumer) return false;
  // Of one that does not answer nothing is known but that a restart may help.
  const reports = await Promise.allSettled(running.map((info) => appReport(docker.getContainer(info.Id))));
  return reports.every((report) => report.status === "fulfilled" && report.value.cluster.clustering);
}

async function renew(docker: Docker, running: readonly Docker.ContainerInfo[], all: readonly Docker.ContainerInfo[]): Promise<void> {
  const terminal = process.stdout.isTTY;
  const meanwhile = { others: running.length - 1, loadBalancer: balancerOf(docker, all) };
  for (const [index, info] of running.entries()) {
    stopIfInterrupted();
    const name = containerName(info);
    const head = `[${index + 1}/${running.length}] ${name}`;
    if (!terminal) console.log(`${head}: replacing its processes`);
    const { what, seconds } = await renewInstance(docker.getContainer(info.Id), name, meanwhile, (replaced, total) => {
      if (terminal) process.stdout.write(`\r\u001b[2K${head}: ${replaced} of ${total} workers replaced`);
    });
    const line = `${colours.green("✔")} ${head}: ${what} in ${seconds.toFixed(1)} s`;
    console.log(terminal ? `\r\u001b[2K${line}` : line);
  }
}

function balancerOf(docker: Docker, all: readonly Docker.ContainerInfo[]): Docker.Container | undefined {
  const balancer = all.find((info) => info.Labels[LABELS.service] === SERVICES.loadBalancer && info.State === "running");
  return balancer === undefined ? undefined : docker.getContainer(balancer.Id);
}

async function restartContainers(
  stack: OpenStack,
  docker: Docker,
  service: string,
  running: readonly Docker.ContainerInfo[],
  all: readonly Docker.ContainerInfo[],
): Promise<void> {
  const noticed = announcement(service, running.length);
  if (noticed !== undefined) console.log(colours.yellow(noticed));
  // Of the app the next one stops only once the load balancer leads to this one again.
  const balancer = service === SERVICES.app ? balancerOf(docker, all) : undefined;
  const bootMs = Number(stack.config["phased-stack:appBootSeconds"] ?? 0) * 1000;
  for (const [index, info] of running.entries()) {
    stopIfInterrupted();
    const seconds = await restartInstance(docker.getContainer(info.Id), containerName(info), balancer, bootMs);
    const head = running.length > 1 ? `[${index + 1}/${running.length}] ` : "";
    console.log(`${colours.green("✔")} ${head}${containerName(info)} is back after ${formatDuration(seconds)}`);
  }
}

function mentionStopped(stack: OpenStack, containers: readonly Docker.ContainerInfo[]): void {
  for (const info of containers.filter(({ State }) => State !== "running")) {
    console.log(colours.yellow(`  ${containerName(info)} does not run and was left alone (${stack.command("status")})`));
  }
}
