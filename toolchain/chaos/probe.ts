import path from "node:path";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type Docker from "dockerode";
import { archiveOf } from "../lib/archive";
import { bundleProgram } from "../lib/bundle-program";
import { execIn, fileIn, LABELS } from "../lib/docker";
import { SERVICES, stackContainers } from "../lib/docker-app";
import { messageOf } from "../lib/errors";
import type { Member } from "./measure";
import { type CheckAnswer, type CheckRequest, PROBE_FILES, type ProbeLine } from "./probe/lines";
import type { Recorder } from "./recorder";
import { PROBE_SERVICE, type Targets } from "./targets";

/** Memory of the probe, bytes: a small Node program. */
const MEMORY = 160 * 1024 * 1024;
/** Attempts to read everything back, and the time between them, milliseconds. What is asked for has to be there, the connection need not. */
const CHECK_ATTEMPTS = 10;
const CHECK_PAUSE_MS = 1000;
const CHECK_TIMEOUT_MS = 120_000;

/**
 * A container on the stack's network that writes rows straight to PgBouncer and asks every node whether it is primary, without a pause,
 * whatever happens around it. It is made of the app's image, which is on every engine that runs the stack.
 */
export class Probe {
  /** The cluster as a node described it last, and when. */
  cluster: { readonly at: number; readonly members: readonly Member[] } = { at: 0, members: [] };
  #last = { boot: 0, n: 0 };
  #stopped = false;
  #reading: Promise<void> = Promise.resolve();

  private constructor(
    private readonly recorder: Recorder,
    private readonly container: Docker.Container,
  ) {}

  /** Makes the probe and its table, and starts both. What an earlier run left behind goes first. */
  static async start(targets: Targets, recorder: Recorder): Promise<Probe> {
    await removeProbes(targets);
    const container = await createContainer(targets);
    const probe = new Probe(recorder, container);
    try {
      await container.putArchive(await archive(targets), { path: "/" });
      await probe.resume();
      await probe.#run(["prepare"]);
      return probe;
    } catch (error) {
      await container.remove({ force: true, v: true });
      throw error;
    }
  }

  /** Starts it, also after its engine was restarted, and reads what it reports. */
  async resume(): Promise<void> {
    const { State: state } = await this.container.inspect();
    if (!state.Running) await this.container.start();
    // The engine may go away; whoever restarts it calls this again.
    this.#reading = this.#readLines().catch((error: unknown) => this.recorder.note(`the probe's report broke off: ${messageOf(error)}`));
  }

  /** What the primary has of the given writes. */
  async check(request: CheckRequest): Promise<CheckAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return JSON.parse(await this.#run(["check", JSON.stringify(request)])) as CheckAnswer;
      } catch (error) {
        if (attempt === CHECK_ATTEMPTS) throw error;
        this.recorder.note(`reading back failed: ${messageOf(error)}`);
        await delay(CHECK_PAUSE_MS);
      }
    }
  }

  /** Removes table and container. */
  async remove(): Promise<void> {
    this.#stopped = true;
    try {
      await this.#run(["clean-up"]);
    } finally {
      await this.container.remove({ force: true, v: true });
      await this.#reading;
    }
  }

  async #run(args: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await execIn(this.container, ["node", PROBE_FILES.program, ...args], CHECK_TIMEOUT_MS);
    if (exitCode !== 0) throw new Error(`probe ${args[0] ?? ""}: ${stderr.trim().slice(0, 400)}`);
    return stdout;
  }

  /** Follows the log: unlike an attached stream it can be taken up again, and loses nothing in between. */
  async #readLines(): Promise<void> {
    const stream = await this.container.logs({ follow: true, stdout: true, stderr: true });
    const [out, err] = [new PassThrough(), new PassThrough()];
    const modem = this.container.modem as { demuxStream(from: NodeJS.ReadableStream, out: PassThrough, err: PassThrough): void };
    modem.demuxStream(stream, out, err);
    stream.once("end", () => [out, err].forEach((one) => one.end()));
    stream.once("error", (error: Error) => out.destroy(error));
    err.on("data", (chunk: Buffer) => {
      if (!this.#stopped) this.recorder.note(`probe: ${chunk.toString().trim()}`);
    });
    for await (const line of createInterface({ input: out })) if (line !== "") this.#take(JSON.parse(line) as ProbeLine);
  }

  #take(line: ProbeLine): void {
    const { boot, n } = line;
    if (boot < this.#last.boot || (boot === this.#last.boot && n <= this.#last.n)) return;
    this.#last = { boot, n };
    switch (line.kind) {
      case "ack":
        this.recorder.acknowledge({ channel: "direct", id: line.id, at: line.at, tookMs: line.tookMs });
        return;
      case "fail":
        this.recorder.fail({ channel: "direct", at: line.at, why: line.why });
        return;
      case "round":
        this.recorder.round(line.round);
        return;
      case "cluster":
        this.cluster = line;
    }
  }
}

async function removeProbes(targets: Targets): Promise<void> {
  const label = [`${LABELS.stack}=${targets.stack.name}`, `${LABELS.service}=${PROBE_SERVICE}`];
  for (const { Id, NetworkSettings } of await targets.docker.listContainers({ all: true, filters: { label } })) {
    // Of this stack, and not of one with the same name in another clone.
    if (targets.networkName in NetworkSettings.Networks) await targets.docker.getContainer(Id).remove({ force: true, v: true });
  }
}

async function createContainer(targets: Targets): Promise<Docker.Container> {
  const app = await targets.one("app").container.inspect();
  return await targets.docker.createContainer({
    name: `${PROBE_SERVICE}-${targets.network.id.slice(0, 12)}`,
    Image: app.Image,
    User: "1000:1000",
    Entrypoint: ["node", PROBE_FILES.program],
    Cmd: ["run", ...targets.nodes],
    Healthcheck: { Test: ["NONE"] },
    Labels: { ...app.Config.Labels, [LABELS.service]: PROBE_SERVICE },
    HostConfig: {
      NetworkMode: targets.networkName,
      Init: true,
      Memory: MEMORY,
      MemorySwap: MEMORY,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      LogConfig: { Type: "json-file", Config: { "max-size": "50m", "max-file": "3" } },
    },
    NetworkingConfig: { EndpointsConfig: { [targets.networkName]: { Aliases: [PROBE_SERVICE] } } },
  });
}

/** Program and connections, as files that only the probe's user can read: secrets are no business of its environment. */
async function archive(targets: Targets): Promise<Buffer> {
  const urls = await connections(targets);
  const files = {
    [PROBE_FILES.program]: await bundleProgram(path.join(__dirname, "probe/main.ts")),
    [PROBE_FILES.appUrl]: urls.app,
    [PROBE_FILES.ownerUrl]: urls.owner,
  };
  return await archiveOf(path.dirname(PROBE_FILES.program), files, { directoryMode: 0o700, fileMode: 0o400, owner: 1000 });
}

/** Where the container that migrates has the address of the owner of the tables; see stacks/local/database-services.ts. */
const OWNER_URL_FILE = "/run/secrets/database_direct_url";

/** Connections of both roles, with their passwords, as those containers have them that work with them. */
async function connections(targets: Targets): Promise<{ readonly app: string; readonly owner: string }> {
  const app = targets.one("app");
  const { Config: config } = await app.container.inspect();
  const environment = new Map(config.Env.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
  const file = async (variable: string): Promise<string> => {
    const location = environment.get(variable);
    if (location === undefined) throw new Error(`${app.name} has no ${variable}`);
    return (await targets.exec(app, ["cat", location])).trim();
  };
  const url = new URL(environment.get("DATABASE_URL") ?? "");
  if (environment.has("DATABASE_PASSWORD_FILE")) url.password = await file("DATABASE_PASSWORD_FILE");
  if (environment.has("DATABASE_DIRECT_URL_FILE")) return { app: url.href, owner: await file("DATABASE_DIRECT_URL_FILE") };
  // The app does not know it. Who does has ended: no program runs there, but the files it has mounted can be read.
  const [migrate] = await stackContainers(targets.docker, targets.stack, SERVICES.migrate);
  if (migrate === undefined) throw new Error("no container of the stack has the owner's address");
  return { app: url.href, owner: (await fileIn(targets.docker.getContainer(migrate.Id), OWNER_URL_FILE)).trim() };
}
