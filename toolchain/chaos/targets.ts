import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { execIn, LABELS } from "../lib/docker";
import { containerName, type StackOnDocker, stackContainers } from "../lib/docker-app";
import { isServing } from "../lib/docker-status";
import { UserError } from "../lib/errors";
import type { Repairs } from "./repairs";

/** Value of the label `phased-stack.service` of the probe. */
export const PROBE_SERVICE = "chaos-probe";

/** With cgroup v1, runc gives up freezing when a process happens to fork or to sleep in the kernel at that moment; then it is asked again. */
const FREEZE_ATTEMPTS = 20;
/** Between two looks at a container, milliseconds. */
const POLL_MS = 50;

/** A container of the stack that may be broken. */
export interface Target {
  /** Its name on the stack's network, such as `pg-1`; instances of the app share one. */
  readonly alias: string;
  readonly name: string;
  readonly container: Docker.Container;
}

/** The containers of one stack, and what can be done to them. Nothing else on the engine is ever touched. */
export class Targets {
  private constructor(
    readonly docker: Docker,
    readonly stack: StackOnDocker,
    readonly network: Docker.Network,
    readonly networkName: string,
    readonly all: readonly Target[],
    private readonly repairs: Repairs,
  ) {}

  /** @throws UserError when the stack has no running container on a network of its own. */
  static async find(docker: Docker, stack: StackOnDocker, repairs: Repairs): Promise<Targets> {
    const infos = (await stackContainers(docker, stack)).filter(isTarget);
    const networks = await docker.listNetworks({ filters: { label: [`${LABELS.stack}=${stack.name}`] } });
    const network = networks.find(({ Id, Name }) => stack.known.has(Id) || stack.known.has(Name));
    if (network === undefined || infos.length === 0) throw new UserError(`stack ${stack.name} is down: it has no containers`);
    const all: Target[] = [];
    for (const info of infos) {
      const container = docker.getContainer(info.Id);
      const { NetworkSettings: settings } = await container.inspect();
      const aliases: readonly string[] = (settings.Networks[network.Name]?.Aliases as string[] | null | undefined) ?? [];
      // Docker adds the short id by itself.
      const alias = aliases.find((one) => !info.Id.startsWith(one)) ?? containerName(info);
      all.push({ alias, name: containerName(info), container });
    }
    return new Targets(docker, stack, docker.getNetwork(network.Id), network.Name, all, repairs);
  }

  /** Names of the Postgres nodes, in order. */
  get nodes(): string[] {
    return this.all.flatMap(({ alias }) => (/^pg-\d+$/.test(alias) ? [alias] : [])).sort();
  }

  has(alias: string): boolean {
    return this.all.some((target) => target.alias === alias);
  }

  /** The container with this name on the network, of several the first. @throws Error when there is none. */
  one(alias: string): Target {
    const found = this.all.find((target) => target.alias === alias);
    if (found === undefined) throw new Error(`no container of the stack is called ${alias}`);
    return found;
  }

  /** SIGKILL. Docker does not start it again, the repair does. */
  async kill(target: Target): Promise<void> {
    this.#startLater(target);
    await target.container.kill();
    await this.#until(target, ({ Running }) => !Running);
  }

  /** The container's stop signal, and SIGKILL after its own grace time. */
  async stop(target: Target): Promise<void> {
    this.#startLater(target);
    await target.container.stop();
  }

  /** Stop and start, by Docker itself. */
  async restart(target: Target): Promise<void> {
    this.#startLater(target);
    await target.container.restart();
  }

  async start({ container }: Target): Promise<void> {
    const { State: state } = await container.inspect();
    if (!state.Running) await container.start();
  }

  /** Freezes every process: connections stay, nothing answers. */
  async pause(target: Target): Promise<void> {
    this.repairs.add(`unpause ${target.name}`, () => this.unpause(target));
    for (let attempt = 1; ; attempt += 1) {
      try {
        await target.container.pause();
        return;
      } catch (error) {
        if (attempt === FREEZE_ATTEMPTS || !(error as Error).message.includes("unable to freeze")) throw error;
      }
    }
  }

  async unpause({ container }: Target): Promise<void> {
    const { State: state } = await container.inspect();
    if (state.Paused) await container.unpause();
  }

  /** Takes the container off the stack's network; it runs on. */
  async disconnect(target: Target): Promise<void> {
    this.repairs.add(`connect ${target.name}`, () => this.connect(target));
    await this.network.disconnect({ Container: target.container.id, Force: true });
  }

  async connect({ container, alias }: Target): Promise<void> {
    const { NetworkSettings: settings } = await container.inspect();
    if (settings.Networks[this.networkName] !== undefined) return;
    await this.network.connect({ Container: container.id, EndpointConfig: { Aliases: [alias] } });
  }

  /**
   * Leaves a container a share of one core, by the same kind of limit it was made with: Docker does not let the two kinds change places.
   * @param share of a core, at least 0.01.
   */
  async slowDown(target: Target, share: number): Promise<void> {
    const { HostConfig: before } = await target.container.inspect();
    const nano = before.NanoCpus ?? 0;
    this.repairs.add(`full speed for ${target.name}`, async () => {
      await target.container.update(
        nano > 0 ? { NanoCpus: nano } : { CpuPeriod: before.CpuPeriod || 100_000, CpuQuota: before.CpuQuota || -1 },
      );
    });
    await target.container.update(nano > 0 ? { NanoCpus: share * 1e9 } : { CpuPeriod: 100_000, CpuQuota: share * 100_000 });
  }

  /** Runs a program inside. @throws Error with what it wrote when it fails. */
  async exec(target: Target, command: readonly string[], timeoutMs = 30_000): Promise<string> {
    const { exitCode, stdout, stderr } = await execIn(target.container, command, timeoutMs);
    if (exitCode !== 0)
      throw new Error(`${command[0] ?? ""} in ${target.name} ended with ${exitCode}: ${(stderr || stdout).trim().slice(-400)}`);
    return stdout;
  }

  /** Containers that do not run or are not healthy, in words. */
  async unwell(): Promise<string[]> {
    const infos = (await stackContainers(this.docker, this.stack)).filter(isTarget);
    return infos.flatMap((info) => {
      const bad = info.State !== "running" || /\((unhealthy|health: starting)\)/.test(info.Status);
      return bad ? [`${containerName(info)}: ${info.Status || info.State}`] : [];
    });
  }

  #startLater(target: Target): void {
    this.repairs.add(`start ${target.name}`, () => this.start(target));
  }

  async #until({ container }: Target, holds: (state: Docker.ContainerInspectInfo["State"]) => boolean): Promise<void> {
    while (!holds((await container.inspect()).State)) await delay(POLL_MS);
  }
}

function isTarget(info: Docker.ContainerInfo): boolean {
  return isServing(info) && info.Labels[LABELS.service] !== PROBE_SERVICE;
}
