import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { Agent } from "node:http";
import path from "node:path";
import { Duplex } from "node:stream";
import type Docker from "dockerode";
import { UserError, messageOf } from "../../lib/errors";
import type { ProviderConfig } from "./config";

/** Longest wait for an engine's first answer, milliseconds; one behind ssh needs a second or two. */
const PING_TIMEOUT_MS = 20_000;

/**
 * A client whose engine has answered. dockerode is loaded here and not before: previews without Docker resources never pay for it.
 * @throws UserError naming the setting, its value and what to do when the engine does not answer.
 */
export async function connect(config: ProviderConfig): Promise<Docker> {
  const { default: Client } = await import("dockerode");
  const docker = new Client(await connection(config));
  try {
    const engine = docker as unknown as { ping(options: object): Promise<unknown> };
    await engine.ping({ abortSignal: AbortSignal.timeout(PING_TIMEOUT_MS) });
  } catch (error) {
    throw unreachable(config, error);
  }
  return docker;
}

async function connection(config: ProviderConfig): Promise<Docker.DockerOptions> {
  const [scheme = "", rest = ""] = config.host.split("://", 2);
  if (scheme === "unix" || scheme === "npipe") return { socketPath: rest };
  if (scheme === "ssh") {
    // docker-modem takes an agent although dockerode's types do not list it; host and port are never used.
    const options = { host: "docker.over.ssh", protocol: "http", agent: sshAgent(config.host, config.sshOpts) };
    return options as Docker.DockerOptions;
  }
  const { hostname, port } = new URL(`http://${rest}`);
  const tls = await certificates(config);
  const secure = scheme === "https" || tls.key !== undefined || port === "2376";
  return { host: hostname, port: Number(port === "" ? (secure ? 2376 : 2375) : port), protocol: secure ? "https" : "http", ...tls };
}

interface Certificates {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

async function certificates({ certPath, caMaterial, certMaterial, keyMaterial }: ProviderConfig): Promise<Certificates> {
  const material = [caMaterial, certMaterial, keyMaterial];
  if (material.some((part) => part !== undefined)) {
    if (caMaterial === undefined || certMaterial === undefined || keyMaterial === undefined)
      throw new UserError("docker:caMaterial, docker:certMaterial and docker:keyMaterial must all be specified");
    if (certPath !== undefined) throw new UserError("docker:certPath must not be specified beside docker:certMaterial");
    return { ca: caMaterial, cert: certMaterial, key: keyMaterial };
  }
  if (certPath === undefined) return {};
  const read = (name: string): Promise<string> => readFile(path.join(certPath, name), "utf8");
  try {
    return { ca: await read("ca.pem"), cert: await read("cert.pem"), key: await read("key.pem") };
  } catch (error) {
    throw new UserError(`docker:certPath is "${certPath}", which has to hold ca.pem, cert.pem and key.pem: ${messageOf(error)}`);
  }
}

/** The command line that reaches an engine behind `ssh://user@host:port`, as the Docker CLI has it. */
export function sshArguments(host: string, sshOpts: readonly string[]): string[] {
  const { username, hostname, port } = new URL(host);
  return [
    ...sshOpts,
    ...["-o", "ConnectTimeout=30"],
    ...(username === "" ? [] : ["-l", decodeURIComponent(username)]),
    ...(port === "" ? [] : ["-p", port]),
    ...["-T", "--", hostname, "docker", "system", "dial-stdio"],
  ];
}

/** Connections through the system's `ssh`, with the user's own configuration, keys and known hosts. */
function sshAgent(host: string, sshOpts: readonly string[]): Agent {
  const agent = new Agent();
  agent.createConnection = () => {
    const child = spawn("ssh", sshArguments(host, sshOpts), { stdio: ["pipe", "pipe", "pipe"] });
    const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
    let complaint = "";
    child.stderr.on("data", (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-500)));
    child.once("error", (error) => stream.destroy(error));
    child.once("exit", (code) => {
      if (code !== 0 && code !== null) stream.destroy(new Error(`ssh ended with exit code ${code}: ${complaint.trim()}`));
    });
    stream.once("close", () => child.kill());
    return stream;
  };
  return agent;
}

function unreachable({ host, source }: ProviderConfig, error: unknown): UserError {
  const origin = {
    "docker:host": "the stack's docker:host",
    "docker:context": "the stack's docker:context",
    DOCKER_HOST: "the environment variable DOCKER_HOST",
    default: "the default, as neither docker:host nor DOCKER_HOST is set",
  }[source];
  return new UserError(
    `failed to connect to any docker daemon: Docker does not answer at ${host} (${messageOf(error).trim()}). That address is ${origin}. ` +
      `Start Docker there, or name another engine: pulumi config set docker:host unix:///var/run/docker.sock (or tcp://host:port, ssh://user@host).`,
  );
}

/** The HTTP status of Docker's answer; undefined for other errors. */
export function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number } | undefined)?.statusCode;
}

/** Docker's own words, in the form the official plugin passes them on. */
export function daemonMessage(error: unknown): string {
  const { json } = error as { json?: { message?: string } };
  // Errors of streamed calls come without the parsed answer; docker-modem writes the status in front.
  const streamed = /^\(HTTP code \d+\) [^-]*- (.*)$/s.exec(messageOf(error))?.[1];
  const words = json?.message ?? streamed?.trim();
  return words === undefined ? messageOf(error) : `Error response from daemon: ${words}`;
}

/** `value`, or undefined when Docker says that there is no such object. */
export async function ifFound<T>(value: Promise<T>): Promise<T | undefined> {
  try {
    return await value;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}
