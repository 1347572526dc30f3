import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import * as pulumi from "@pulumi/pulumi";
import { type DockerEndpoint, dockerEndpoint, type EndpointSettings, otherHosts, programSettings } from "./docker-endpoint";

/** Longest wait for a Docker Engine on this machine or network to answer, ms. A healthy one needs a few. */
const TIMEOUT_MS = 2000;
/** The same over ssh, which has to connect and log in first, ms. */
const SSH_TIMEOUT_MS = 10_000;

/** What the stack wants to know about the Docker host before it registers anything. */
export interface DockerHost {
  /** Address the provider uses. */
  readonly address: string;
  /** Platform images are built for, e.g. `linux/amd64`. */
  readonly platform: string;
  /** CPUs of the host. */
  readonly cpus: number;
  /** Memory of the host in MiB. */
  readonly memoryMb: number;
}

interface Info {
  readonly OSType: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
}

/**
 * Asks the Docker Engine for its properties, so that an unreachable one ends the program with one sentence before any resource is
 * registered, instead of failing late in the provider.
 * @throws RunError naming the address tried, the reason and what to type.
 */
export async function dockerHost(settings: EndpointSettings = programSettings()): Promise<DockerHost> {
  const endpoint = dockerEndpoint(settings);
  try {
    const info = await dockerInfo(endpoint);
    const platform = `${info.OSType}/${ARCHITECTURES[info.Architecture] ?? info.Architecture}`;
    return { address: endpoint.host, platform, cpus: info.NCPU, memoryMb: Math.floor(info.MemTotal / 1024 / 1024) };
  } catch (error) {
    throw new pulumi.RunError(await unreachable(endpoint, settings, error instanceof Error ? error.message : String(error)));
  }
}

/** The kernel's names of architectures and the ones of images. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm/v7" };

async function unreachable(endpoint: DockerEndpoint, settings: EndpointSettings, reason: string): Promise<string> {
  const tried = `Docker is not reachable at ${endpoint.host} (from ${endpoint.source}): ${reason}.`;
  for (const host of otherHosts(settings).filter((candidate) => candidate !== endpoint.host)) {
    if (!existsSync(host.replace(/^(unix|npipe):\/\//, ""))) continue;
    const answers = await dockerInfo({ host, source: "", tls: undefined, sshOptions: [] }).then(
      () => true,
      () => false,
    );
    if (answers) return `${tried} Another Docker answers; use it with: pulumi config set docker:host ${host}`;
  }
  const start = endpoint.source.startsWith("the default") ? "Start Docker (npm run doctor tells how)" : "Start it or correct the address";
  return `${tried} ${start}, or name another one: pulumi config set docker:host unix:///var/run/docker.sock (or tcp://HOST:2376, ssh://USER@HOST)`;
}

/**
 * `GET /info` of a Docker Engine.
 * @throws Error with the reason, in a few words.
 */
export async function dockerInfo(endpoint: DockerEndpoint): Promise<Info> {
  const [scheme = "", rest = ""] = endpoint.host.split("://", 2);
  const text = scheme === "ssh" ? await overSsh(endpoint) : await overHttp(requestOptions(scheme, rest, endpoint));
  const info = parseInfo(text);
  if (info.OSType !== "linux") throw new Error(`it runs ${info.OSType} containers; the stack needs a Docker host with Linux containers`);
  return info;
}

function parseInfo(text: string): Info {
  const refuse = (): never => {
    throw new Error("what answers there is not a Docker Engine");
  };
  let value: Partial<Record<keyof Info, unknown>> | null;
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    return refuse();
  }
  const { OSType, Architecture, NCPU, MemTotal } = value ?? {};
  if (typeof OSType !== "string" || typeof Architecture !== "string" || typeof NCPU !== "number" || typeof MemTotal !== "number") {
    return refuse();
  }
  return { OSType, Architecture, NCPU, MemTotal };
}

function requestOptions(scheme: string, rest: string, { tls }: DockerEndpoint): https.RequestOptions {
  const common = { path: "/info", timeout: TIMEOUT_MS, agent: false };
  if ((scheme === "unix" || scheme === "npipe") && rest !== "") return { ...common, socketPath: rest };
  if (["tcp", "http", "https"].includes(scheme) && URL.canParse(`http://${rest}`)) {
    const { hostname, port } = new URL(`http://${rest}`);
    const secure = tls !== undefined || scheme === "https";
    const host = hostname.replace(/^\[|\]$/g, "");
    return { ...common, ...tls, protocol: secure ? "https:" : "http:", host, port: port === "" ? (secure ? 2376 : 2375) : port };
  }
  throw new Error("not a Docker address; allowed: unix:///PATH, npipe:////./pipe/NAME, tcp://HOST:PORT, ssh://USER@HOST");
}

function overHttp(options: https.RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = (options.protocol === "https:" ? https : http).get(options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`it answered ${response.statusCode ?? "nothing"} to GET /info`));
      });
    });
    // `timeout` of the request counts idle time only; a host that answers byte by byte must not hold the program either.
    const deadline = setTimeout(() => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)), TIMEOUT_MS);
    request.on("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
    request.on("error", reject);
    request.on("close", () => clearTimeout(deadline));
  });
}

function overSsh({ host, sshOptions }: DockerEndpoint): Promise<string> {
  const { username, hostname, port } = new URL(host);
  // A name that starts with a dash would be an option.
  if (hostname === "" || [username, hostname].some((part) => part.startsWith("-")))
    throw new Error("not an ssh address; allowed: ssh://USER@HOST or ssh://USER@HOST:PORT");
  const target = [...(username === "" ? [] : ["-l", decodeURIComponent(username)]), ...(port === "" ? [] : ["-p", port])];
  const options = ["-o", "BatchMode=yes", "-o", `ConnectTimeout=${SSH_TIMEOUT_MS / 1000}`, ...sshOptions];
  const command = ["docker", "info", "--format", "'{{json .}}'"];
  return new Promise((resolve, reject) => {
    execFile("ssh", [...options, ...target, "--", hostname, ...command], { timeout: SSH_TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else if (error.killed) reject(new Error(`no answer over ssh within ${SSH_TIMEOUT_MS / 1000} s`));
      else if (error.code === "ENOENT") reject(new Error("the ssh client is not installed on this machine"));
      else reject(new Error(stderr.trim().split("\n").at(-1) ?? error.message));
    });
  });
}
