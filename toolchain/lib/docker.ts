import { readFile } from "node:fs/promises";
import path from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import Docker from "dockerode";
import { extract } from "tar-stream";
import { sshAgent } from "./docker-ssh";
import { UserError, messageOf } from "./errors";

/** Labels on every Docker object of the project. */
export const LABELS = {
  project: "phased-stack.project",
  stack: "phased-stack.stack",
  service: "phased-stack.service",
  /** Name of a member within its service, e.g. `pg-1`; on those that have one. */
  node: "phased-stack.node",
  /** On containers of the app whose image is the user's own. */
  ownImage: "phased-stack.own-image",
  /** On an Alertmanager that calls an outside service. */
  heartbeat: "phased-stack.heartbeat",
} as const;

/** Which Docker Engine is meant and why, e.g. to name it in a message. */
export interface DockerEndpoint {
  /** Address such as `unix:///var/run/docker.sock` or `ssh://deploy@example.com`. */
  readonly host: string;
  readonly source: "docker:host" | "DOCKER_HOST" | "default";
}

/** The engine the Docker provider uses as well: stack config `docker:host`, then `DOCKER_HOST`, then the default socket. */
export function dockerEndpoint(configured: string | undefined, environment: NodeJS.ProcessEnv = process.env): DockerEndpoint {
  if (configured !== undefined && configured !== "") return { host: configured, source: "docker:host" };
  const fromEnvironment = environment["DOCKER_HOST"];
  if (fromEnvironment !== undefined && fromEnvironment !== "") return { host: fromEnvironment, source: "DOCKER_HOST" };
  return { host: process.platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock", source: "default" };
}

/** How to reach an engine, in the terms of dockerode. Every field is given: an absent one would fall back to `DOCKER_HOST`. */
interface Connection {
  readonly socketPath: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly protocol: "http" | "https";
}

/**
 * Splits a Docker address into dockerode's options; `ssh://` is reached through a tunnel, see {@link dockerClient}.
 * @throws UserError when the address is none that Docker knows.
 */
export function parseDockerHost(host: string, environment: NodeJS.ProcessEnv = process.env): Connection {
  const fail = (): never => {
    throw new UserError(
      `docker:host is ${JSON.stringify(host)}; allowed are unix:///path/docker.sock, npipe:////./pipe/name, tcp://host:port and ssh://user@host`,
      "Set it with: npm run up -- --config docker:host=unix:///var/run/docker.sock",
    );
  };
  const [scheme = "", rest = ""] = host.split("://", 2);
  if (scheme === "unix" || scheme === "npipe") {
    if (rest === "") fail();
    return { socketPath: rest, host: undefined, port: undefined, protocol: "http" };
  }
  if (!["tcp", "http", "https", "ssh"].includes(scheme) || !URL.canParse(`http://${rest}`)) return fail();
  const { hostname, port } = new URL(`http://${rest}`);
  if (scheme === "ssh") return { socketPath: undefined, host: "docker.over.ssh", port: undefined, protocol: "http" };
  const tls = scheme === "https" || port === "2376" || (environment["DOCKER_TLS_VERIFY"] ?? "") !== "";
  return { socketPath: undefined, host: hostname, port: Number(port || (tls ? 2376 : 2375)), protocol: tls ? "https" : "http" };
}

/**
 * A client for a Docker Engine.
 * @param configured stack config `docker:host`; @default `DOCKER_HOST`, then Docker's default socket.
 */
export async function dockerClient(configured?: string): Promise<Docker> {
  const { host } = dockerEndpoint(configured);
  const connection = parseDockerHost(host);
  const certificates = process.env["DOCKER_CERT_PATH"];
  const tls =
    connection.protocol === "https" && certificates !== undefined && certificates !== "" ? await clientCertificate(certificates) : {};
  // docker-modem takes an agent although dockerode's types do not list it.
  const tunnel = host.startsWith("ssh://") ? { agent: sshAgent(host) } : {};
  const options: Docker.DockerOptions = { ...connection, ...tls, ...tunnel };
  return new Docker(options);
}

async function clientCertificate(directory: string): Promise<{ readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer }> {
  const read = (name: string): Promise<Buffer> => readFile(path.join(directory, name));
  try {
    return { ca: await read("ca.pem"), cert: await read("cert.pem"), key: await read("key.pem") };
  } catch (error) {
    const files = "ca.pem, cert.pem and key.pem";
    throw new UserError(`DOCKER_CERT_PATH is ${JSON.stringify(directory)}, which has to hold ${files}: ${messageOf(error)}`);
  }
}

/** Longest wait for an engine to answer a ping; a healthy one needs milliseconds, one behind ssh a second or two. */
const PING_TIMEOUT_MS = 15_000;

/**
 * A client whose engine has answered.
 * @throws UserError naming the address that was tried and what to do.
 */
export async function reachableDocker(configured?: string): Promise<Docker> {
  const endpoint = dockerEndpoint(configured);
  const docker = await dockerClient(configured);
  try {
    await within(docker.ping() as Promise<unknown>, PING_TIMEOUT_MS, `no answer within ${PING_TIMEOUT_MS / 1000} s`);
    return docker;
  } catch (error) {
    throw unreachable(endpoint, messageOf(error));
  }
}

/** The error for an engine that does not answer. */
export function unreachable(endpoint: DockerEndpoint, reason: string): UserError {
  const fix = {
    default: "Start Docker (npm run doctor tells more), or name another engine: npm run up -- --config docker:host=ssh://user@host",
    DOCKER_HOST: "That address comes from DOCKER_HOST: start that engine, or change or unset the variable",
    "docker:host":
      "That address is the stack's docker:host: start that engine, or: npm run up -- --config docker:host=unix:///var/run/docker.sock",
  } satisfies Record<DockerEndpoint["source"], string>;
  return new UserError(`Docker does not answer at ${endpoint.host} (${reason.trim()})`, fix[endpoint.source]);
}

/** Whether Docker answered that there is no such object: it was removed since it was listed. */
export function isGone(error: unknown): boolean {
  return (error as { statusCode?: number } | undefined)?.statusCode === 404;
}

/** Stops it in its own way. One that does not run is no error. */
export async function stopContainer(container: Docker.Container): Promise<void> {
  await container.stop().catch(unlessAlready);
}

/** One that runs is no error. */
export async function startContainer(container: Docker.Container): Promise<void> {
  await container.start().catch(unlessAlready);
}

function unlessAlready(error: unknown): void {
  if ((error as { statusCode?: number }).statusCode !== 304) throw error;
}

/**
 * The text of one file in a container, which need not run.
 * @throws the error of Docker when there is none.
 */
export async function fileIn(container: Docker.Container, file: string): Promise<string> {
  const entries = extract();
  Readable.from(await container.getArchive({ path: file })).pipe(entries);
  let content = "";
  for await (const entry of entries) content += await text(entry);
  return content;
}

/** What a program inside a container printed, and how it ended. */
export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program inside a running container, over the Docker API so that remote engines work too.
 * @param timeoutMs longest wait for its end; @default 10 s. The program itself is not killed: Docker has no call for that.
 * @param onErrorLine called with each line of its standard error as it comes, for progress.
 * @param inputLine one line on its standard input, which stays open after it: what the list of processes and Docker's events are not to show.
 * @throws Error when it does not end in time or the container does not run.
 */
export async function execIn(
  container: Docker.Container,
  command: readonly string[],
  timeoutMs = 10_000,
  onErrorLine?: (line: string) => void,
  inputLine?: string,
): Promise<ExecResult> {
  const hasInput = inputLine !== undefined;
  const exec = await container.exec({ Cmd: [...command], AttachStdin: hasInput, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({ hijack: true, stdin: hasInput });
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const texts = [collect(stdout), collect(stderr, onErrorLine)] as const;
  demultiplex(container, stream, stdout, stderr);
  const ended = new Promise<void>((resolve, reject) => {
    stream.once("end", resolve).once("close", resolve).once("error", reject);
  });
  if (hasInput) stream.write(`${inputLine}\n`);
  try {
    await within(ended, timeoutMs, `${command.join(" ")} did not end within ${timeoutMs / 1000} s`);
  } finally {
    stream.destroy();
    stdout.end();
    stderr.end();
  }
  const { ExitCode: exitCode } = await exec.inspect();
  return { exitCode: exitCode ?? 1, stdout: await texts[0], stderr: await texts[1] };
}

/** The last lines a container printed, for a message. */
export async function lastLogLines(container: Docker.Container, lines = 15): Promise<string> {
  const raw = await container.logs({ stdout: true, stderr: true, tail: lines });
  const out = new PassThrough();
  const text = collect(out);
  const source = new PassThrough();
  demultiplex(container, source, out, out);
  await new Promise<void>((resolve) => source.end(raw, () => resolve()));
  out.end();
  return (await text).trimEnd();
}

/** Splits Docker's multiplexed stream; dockerode leaves the modem untyped. */
function demultiplex(container: Docker.Container, from: NodeJS.ReadableStream, out: PassThrough, err: PassThrough): void {
  const modem = container.modem as { demuxStream(from: NodeJS.ReadableStream, out: PassThrough, err: PassThrough): void };
  modem.demuxStream(from, out, err);
}

async function collect(stream: PassThrough, onLine?: (line: string) => void): Promise<string> {
  const chunks: Buffer[] = [];
  let begun = "";
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    if (onLine === undefined) continue;
    const lines = (begun + (chunk as Buffer).toString("utf8")).split("\n");
    begun = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** `promise`, or an error with `message` after `timeoutMs`. */
export async function within<T>(promise: Promise<T>, timeoutMs: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(message)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
