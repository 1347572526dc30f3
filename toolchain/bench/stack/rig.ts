import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { FAR_LIMITS } from "../app/settings";
import { removeStack } from "../../chaos/own-stack";
import { execIn, reachableDocker } from "../../lib/docker";
import { SERVICES, stackContainers } from "../../lib/docker-app";
import { InterruptedError, UserError } from "../../lib/errors";
import { freePort } from "../../lib/free-port";
import { interrupted, stopIfInterrupted } from "../../lib/interrupt";
import { openStack, type OpenStack, textOutput } from "../../lib/outputs";
import { postgresStatus } from "../../lib/postgres-operator";
import { prepareMachine } from "../../machine";
import { type ContainerCpu, SIDE_SERVICES } from "./cpu";
import { one, type Part, partOf, readCpu, sideContainer, type SideContainerOptions } from "./parts";
import { PEER_PROGRAM, PEER_WAYS } from "./peer-contract";
import { LONE_CONFIG, SERVICE_FILE, sideFiles } from "./side-files";

/** Where the image of PgBouncer has its settings. */
const PGBOUNCER_CONFIG = "/etc/pgbouncer/pgbouncer.ini";

/** Longest wait for a connection to a container, in milliseconds. */
const REACH_MS = 3000;

/** A stack of phase database with nobody else on it, the peer beside it, and a place for pgbench. */
export class StackRig {
  private constructor(
    private readonly stack: OpenStack,
    private readonly parts: readonly Part[],
    private readonly sides: readonly Part[],
    private readonly primary: string,
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
    const parts = await Promise.all(infos.map(({ Id }) => partOf(docker.getContainer(Id))));
    const operator = one(parts, SERVICES.operator);
    const { leader } = await postgresStatus(operator.container);
    if (leader === null) throw new UserError(`stack ${stack.name} has no primary`);
    const pgbouncer = one(parts, SERVICES.pgbouncer);
    const { exitCode, stdout: pgbouncerConfig, stderr } = await execIn(pgbouncer.container, ["cat", PGBOUNCER_CONFIG]);
    if (exitCode !== 0) throw new UserError(`reading PgBouncer's settings: ${stderr.trim()}`);
    const files = await sideFiles({ primary: leader, password: textOutput(outputs, "databasePassword") ?? "", pgbouncerConfig });
    const wanted: readonly (readonly [like: Part, options: SideContainerOptions])[] = [
      [
        one(parts, SERVICES.app),
        { service: SIDE_SERVICES.peer, entrypoint: ["node", PEER_PROGRAM], files: files.peer, environment: ["NODE_ENV=production"] },
      ],
      [
        one(parts, SERVICES.postgres),
        {
          ...{ service: SIDE_SERVICES.pgbench, entrypoint: ["sleep", "infinity"], files: files.pgbench },
          environment: [`PGSERVICEFILE=${SERVICE_FILE}`],
        },
      ],
      [pgbouncer, { service: SIDE_SERVICES.lonePgbouncer, entrypoint: ["pgbouncer", LONE_CONFIG], files: files.lonePgbouncer }],
    ];
    const made: Part[] = [];
    try {
      for (const [like, options] of wanted) made.push(await sideContainer(docker, like, options));
      const rig = new StackRig(stack, parts, made, leader);
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

  /** Address of the peer that reaches Postgres one way or the other. */
  peerUrl(way: keyof typeof PEER_WAYS): string {
    return `http://${one(this.sides, SIDE_SERVICES.peer).address}:${PEER_WAYS[way].port}`;
  }

  /** CPU time so far of all containers, of the stack and beside it. */
  readCpu(): Promise<ContainerCpu[]> {
    return readCpu([...this.parts, ...this.sides], this.primary);
  }

  /** A shell command beside pgbench, waited for until the user wants no more. @throws UserError with what it printed when it fails. */
  async shell(script: string, timeoutMs: number): Promise<string> {
    const { container } = one(this.sides, SIDE_SERVICES.pgbench);
    const { exitCode, stdout, stderr } = await orInterrupted(execIn(container, ["bash", "-c", script], timeoutMs));
    if (exitCode !== 0) throw new UserError(`pgbench ended with exit code ${exitCode}: ${(stderr || stdout).trim().slice(-300)}`);
    return `${stdout}\n${stderr}`;
  }

  /** SQL on the primary, as superuser in the app's database. */
  async sql(statements: string): Promise<void> {
    const node = this.parts.find((part) => part.service === SERVICES.postgres && part.node === this.primary);
    if (node === undefined) throw new UserError(`no container of ${this.primary} runs`);
    const { exitCode, stderr } = await execIn(node.container, ["entrypoint.sh", "psql", "-d", "app", "-Xqc", statements], 60_000);
    if (exitCode !== 0) throw new UserError(`psql on ${this.primary}: ${stderr.trim().slice(-300)}`);
  }

  /** Removes the stack and everything beside it. */
  async remove(): Promise<void> {
    await Promise.all(this.sides.map(({ container }) => container.remove({ force: true, v: true })));
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

/** A program inside a container ends with the container, not with Ctrl-C: nobody waits for it then. */
async function orInterrupted<T>(work: Promise<T>): Promise<T> {
  let stop: () => void = () => undefined;
  const ended = new Promise<never>((_resolve, reject) => (stop = () => reject(new InterruptedError())));
  interrupted.addEventListener("abort", stop, { once: true });
  try {
    stopIfInterrupted();
    return await Promise.race([work, ended]);
  } finally {
    interrupted.removeEventListener("abort", stop);
  }
}
