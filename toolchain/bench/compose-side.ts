import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import type Docker from "dockerode";
import { extract } from "tar-stream";
import { LABELS } from "../lib/docker";
import { type StackOnDocker, stackContainers } from "../lib/docker-app";
import { isMeantToRun } from "../lib/docker-status";
import { UserError } from "../lib/errors";
import { exec, which } from "../lib/exec";
import { composeFile, type ComposeInput, type InspectedContainer } from "./compose";

/** How Docker Compose is started: `docker compose` or a program of its own. */
export interface ComposeCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly version: string;
}

const COMPOSE_FIX =
  "Install it: apt-get install docker-compose-plugin (Docker's repository), apt-get install docker-compose (Debian 13 and newer), or where " +
  "only package registries can be reached: go build -o ~/.docker/cli-plugins/docker-compose github.com/docker/compose/v2/cmd. " +
  "Or name a program: --compose PATH";

/**
 * Finds Docker Compose 2 or newer.
 * @param wanted path of a program; @default `docker compose`, then `docker-compose` on PATH.
 * @throws UserError saying how to install it.
 */
export async function findCompose(wanted: string | undefined): Promise<ComposeCommand> {
  const standalone = wanted ?? which("docker-compose");
  const candidates = [
    ...(wanted === undefined ? [{ file: "docker", args: ["compose"] }] : []),
    ...(standalone === undefined ? [] : [{ file: standalone, args: [] }]),
  ];
  for (const { file, args } of candidates) {
    if (file === "docker" && which("docker") === undefined) continue;
    const result = await exec(file, [...args, "version", "--short"], { timeoutMs: 20_000, check: false });
    const version = result.stdout.trim();
    // Version 1 (Python) knows neither --wait nor the present file format. A build from source calls itself "dev".
    if (result.code === 0 && !version.startsWith("1.")) return { file, args, version };
  }
  throw new UserError("the comparison needs Docker Compose 2, which is not installed here", COMPOSE_FIX);
}

/** A compose project equivalent to a stack that is up, written into a directory. */
export interface ComposeSide {
  up(): Promise<void>;
  down(): Promise<void>;
}

/** Longest wait for one step of Compose, in milliseconds. */
const STEP_TIMEOUT_MS = 180_000;

/**
 * Writes the compose file of a running stack. Files in volumes that only a never-started container wrote (secrets) are copied onto
 * the host and mounted from there, as a compose user would have them.
 * @param directory must be reachable by the Docker Engine under the same path.
 */
export async function composeSide(
  docker: Docker,
  stack: StackOnDocker,
  command: ComposeCommand,
  directory: string,
  port: number,
): Promise<ComposeSide> {
  const infos = await stackContainers(docker, stack);
  const writers = infos.filter((info) => !isMeantToRun(info));
  const files: Record<string, string> = {};
  for (const writer of writers) Object.assign(files, await copyFiles(docker.getContainer(writer.Id), directory));
  const inputs = await Promise.all(infos.filter(isMeantToRun).map((info, index) => composeInput(docker, info, index)));
  const project = `${stack.name}-compose`;
  const text = composeFile(inputs, { project, labels: { [LABELS.stack]: project }, files, port });
  const file = path.join(directory, "compose.yaml");
  writeFileSync(file, text);
  const run = async (args: readonly string[]): Promise<void> => {
    await exec(command.file, [...command.args, "--file", file, "--project-name", project, ...args], {
      timeoutMs: STEP_TIMEOUT_MS,
      cwd: directory,
    });
  };
  return { up: () => run(["up", "--detach", "--wait"]), down: () => run(["down", "--volumes"]) };
}

async function composeInput(docker: Docker, info: Docker.ContainerInfo, index: number): Promise<ComposeInput> {
  const container = (await docker.getContainer(info.Id).inspect()) as unknown as InspectedContainer;
  const image = await docker.getImage(info.ImageID).inspect();
  return { container, service: `${info.Labels[LABELS.service] ?? "service"}-${index + 1}`, imageEnv: image.Config.Env };
}

/** Copies what a container's volumes hold onto the host; the directory of each volume, by the volume's name. */
async function copyFiles(container: Docker.Container, directory: string): Promise<Record<string, string>> {
  const { Mounts: mounts } = await container.inspect();
  const files: Record<string, string> = {};
  for (const mount of mounts.filter((one) => one.Type === "volume" && one.Name !== undefined)) {
    const name = mount.Name ?? "";
    const target = path.join(directory, name);
    // The directory above is for this user only; inside, the app's own user has to be able to read.
    mkdirSync(target, { recursive: true });
    await unpack(await container.getArchive({ path: `${mount.Destination}/.` }), target);
    files[name] = target;
  }
  return files;
}

async function unpack(archive: NodeJS.ReadableStream, target: string): Promise<void> {
  const entries = extract();
  Readable.from(archive).pipe(entries);
  for await (const entry of entries) {
    const { name, type, mode } = entry.header;
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    if (type === "file") writeFileSync(path.join(target, path.basename(name)), Buffer.concat(chunks), { mode });
  }
}
