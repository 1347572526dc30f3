import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import path from "node:path";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { FAR_LIMITS } from "../app/settings";
import { removeStack } from "../../chaos/own-stack";
import { bundleProgram } from "../../lib/bundle-program";
import { execIn, LABELS, reachableDocker } from "../../lib/docker";
import { SERVICES, stackContainers } from "../../lib/docker-app";
import { UserError } from "../../lib/errors";
import { freePort } from "../../lib/free-port";
import { openStack, type OpenStack, textOutput } from "../../lib/outputs";
import { postgresStatus } from "../../lib/postgres-operator";
import { prepareMachine } from "../../machine";
import { PEER_DIRECTORY, PEER_PORT, PEER_PROGRAM, PEER_URL_FILE, SERVICE_FILE } from "./peer-contract";

/** Longest wait for a connection to a container, in milliseconds. */
const REACH_MS = 3000;

/** A container that takes part in the measurement. */
interface Part {
  readonly service: string;
  readonly container: Docker.Container;
  readonly address: string;
}

/** A stack of phase database with nobody else on it, the peer beside it, and a place for pgbench. */
export class StackRig {
  private constructor(
    private readonly stack: OpenStack,
    /** Address of the app for its users. */
    readonly url: string,
    private readonly parts: readonly Part[],
    private readonly peer: Part,
    private readonly bench: Part,
    readonly primary: string,
  ) {}

  /**
   * Brings a stack up that limits nobody: what is measured is counting, not refusing.
   * @throws UserError when it does not come up, or its containers cannot be reached from here.
   */
  static async open(say: (text: string) => void): Promise<StackRig> {
    await prepareMachine({ phase: "database" });
    const stack = await openStack(`bench-${randomBytes(3).toString("hex")}`, {
      create: true,
      config: {
        phase: "database",
        port: String(await freePort()),
        protect: "false",
        apiRequestsPerSecond: "0",
        chatRequestsPerSecond: "0",
        appEnvironment: JSON.stringify(FAR_LIMITS),
      },
    });
    try {
      say("bringing a stack of phase database up");
      const { code } = await stack.update(["up", "--yes", "--skip-preview", "--suppress-outputs"]);
      if (code !== 0) throw new UserError(`stack ${stack.name} did not come up; Pulumi's own words are above`);
      return await StackRig.attach(stack);
    } catch (error) {
      await removeStack(stack.name);
      throw error;
    }
  }

  private static async attach(stack: OpenStack): Promise<StackRig> {
    const docker = await reachableDocker(stack.dockerHost);
    const outputs = await stack.outputs();
    const infos = (await stackContainers(docker, await stack.onDocker())).filter(({ State }) => State === "running");
    const parts = await Promise.all(infos.map(async ({ Id, Labels }) => partOf(docker.getContainer(Id), Labels[LABELS.service] ?? "")));
    const operator = one(parts, SERVICES.operator);
    const { leader } = await postgresStatus(operator.container);
    if (leader === null) throw new UserError(`stack ${stack.name} has no primary`);
    const password = textOutput(outputs, "databasePassword") ?? "";
    const files = await sideFiles(leader, password);
    const made: Part[] = [];
    try {
      made.push(await sideContainer(docker, one(parts, SERVICES.app), "bench-peer", ["node", PEER_PROGRAM], files));
      made.push(await sideContainer(docker, one(parts, SERVICES.postgres), "bench-pgbench", ["sleep", "infinity"], files));
      const [peer, bench] = made as [Part, Part];
      const rig = new StackRig(stack, textOutput(outputs, "appUrl") ?? "", parts, peer, bench, leader);
      await rig.assertReachable();
      return rig;
    } catch (error) {
      await Promise.all(made.map(({ container }) => container.remove({ force: true, v: true })));
      throw error;
    }
  }

  /** Addresses as other containers see them: published ports on 127.0.0.1 go through a proxy of Docker's own, which is not what is measured. */
  get loadBalancerUrl(): string {
    return `http://${one(this.parts, SERVICES.loadBalancer).address}:8080`;
  }

  get appUrls(): string[] {
    return this.parts.filter(({ service }) => service === SERVICES.app).map(({ address }) => `http://${address}:3001`);
  }

  get peerUrl(): string {
    return `http://${this.peer.address}:${PEER_PORT}`;
  }

  /** CPU time so far of all containers of the stack, µs. */
  stackCpu(): Promise<number> {
    return cpuMicros(this.parts);
  }

  /** CPU time so far of the peer and the Postgres servers, µs. */
  peerCpu(): Promise<number> {
    return cpuMicros([this.peer, ...this.parts.filter(({ service }) => service === SERVICES.postgres)]);
  }

  /** A shell command beside pgbench. @throws UserError with what it printed when it fails. */
  async shell(script: string, timeoutMs: number): Promise<string> {
    const { exitCode, stdout, stderr } = await execIn(this.bench.container, ["bash", "-c", script], timeoutMs);
    if (exitCode !== 0) throw new UserError(`pgbench ended with exit code ${exitCode}: ${(stderr || stdout).trim().slice(-300)}`);
    return `${stdout}\n${stderr}`;
  }

  /** SQL on the primary, as superuser in the app's database. */
  async sql(statements: string): Promise<void> {
    const nodes = this.parts.filter(({ service }) => service === SERVICES.postgres);
    for (const { container } of nodes) {
      if (!(await container.inspect()).Config.Env.includes(`PATRONI_NAME=${this.primary}`)) continue;
      const { exitCode, stderr } = await execIn(container, ["entrypoint.sh", "psql", "-d", "app", "-Xqc", statements], 60_000);
      if (exitCode !== 0) throw new UserError(`psql on ${this.primary}: ${stderr.trim().slice(-300)}`);
    }
  }

  /** Removes the stack and everything beside it. */
  async remove(): Promise<void> {
    await Promise.all([this.peer, this.bench].map(({ container }) => container.remove({ force: true, v: true })));
    await removeStack(this.stack.name);
  }

  private async assertReachable(): Promise<void> {
    const { hostname, port } = new URL(this.loadBalancerUrl);
    const reached = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: hostname, port: Number(port), timeout: REACH_MS });
      const end = (is: boolean) => () => {
        socket.destroy();
        resolve(is);
      };
      socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false));
    });
    if (reached) return;
    throw new UserError(
      `the containers' own addresses (${hostname}) cannot be reached from here, and through published ports Docker's proxy would be measured as well`,
      "Run it on the Docker host itself, on Linux",
    );
  }
}

function one(parts: readonly Part[], service: string): Part {
  const found = parts.find((part) => part.service === service);
  if (found === undefined) throw new UserError(`no container of ${service} runs`);
  return found;
}

async function partOf(container: Docker.Container, service: string): Promise<Part> {
  const { NetworkSettings: settings } = await container.inspect();
  const [network] = Object.values(settings.Networks);
  return { service, container, address: network?.IPAddress ?? "" };
}

/** Sum over the containers' cgroups, as the engine reads them. */
async function cpuMicros(parts: readonly Part[]): Promise<number> {
  const readings = await Promise.all(parts.map(({ container }) => container.stats({ stream: false, "one-shot": true })));
  return readings.reduce((sum, { cpu_stats: cpu }) => sum + cpu.cpu_usage.total_usage / 1000, 0);
}

/** A container of an image that is there, on the network and with the labels of the stack. */
async function sideContainer(docker: Docker, like: Part, service: string, entrypoint: string[], files: Buffer): Promise<Part> {
  const { Image, Config: config, NetworkSettings: settings } = await like.container.inspect();
  const [network = ""] = Object.keys(settings.Networks);
  const container = await docker.createContainer({
    Image,
    Entrypoint: entrypoint,
    Cmd: [],
    Healthcheck: { Test: ["NONE"] },
    Env: [`PGSERVICEFILE=${SERVICE_FILE}`, "NODE_ENV=production"],
    Labels: { ...config.Labels, [LABELS.service]: service },
    HostConfig: {
      NetworkMode: network,
      Init: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Ulimits: [{ Name: "nofile", Soft: 8192, Hard: 8192 }],
    },
  });
  try {
    await container.putArchive(files, { path: "/" });
    await container.start();
    return await partOf(container, service);
  } catch (error) {
    await container.remove({ force: true, v: true });
    throw error;
  }
}

/** Program and connections. Files and not variables, which everybody can inspect; the containers live as long as the measurement. */
async function sideFiles(primary: string, password: string): Promise<Buffer> {
  const program = await bundleProgram(path.join(__dirname, "peer.ts"));
  const service = (name: string, host: string, port: number, options = ""): string =>
    `[${name}]\nhost=${host}\nport=${port}\ndbname=app\nuser=app\npassword=${password}\n${options}`;
  const services = [
    service("direct", primary, 5432),
    service("async", primary, 5432, "options=-c synchronous_commit=local\n"),
    service("pooled", "pgbouncer", 6432),
  ].join("\n");
  const tar = pack();
  tar.entry({ name: PEER_DIRECTORY.slice(1), type: "directory", mode: 0o755 });
  const files = {
    [PEER_PROGRAM]: program,
    [PEER_URL_FILE]: `postgres://app:${password}@${primary}:5432/app`,
    [SERVICE_FILE]: services,
  };
  for (const [name, content] of Object.entries(files)) tar.entry({ name: name.slice(1), mode: 0o444 }, Buffer.from(content));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
