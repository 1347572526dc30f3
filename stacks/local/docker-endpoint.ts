import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";

/** The Docker Engine the provider will talk to. */
export interface DockerEndpoint {
  /** Address such as `unix:///var/run/docker.sock`, `tcp://10.0.0.5:2376` or `ssh://deploy@example.com`. */
  readonly host: string;
  /** Where the address comes from, for messages. */
  readonly source: string;
  /** PEM certificates for `tcp://` with TLS. */
  readonly tls: { readonly ca: string | undefined; readonly cert: string; readonly key: string } | undefined;
  /** Options for ssh. */
  readonly sshOptions: readonly string[];
}

/** What decides about the endpoint, apart from files. */
export interface EndpointSettings {
  /** Configuration of the Docker provider, without its namespace. */
  readonly docker: { readonly get: (key: string) => string | undefined };
  readonly environment: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
  readonly home: string;
}

/** The settings of the running program. */
export function programSettings(): EndpointSettings {
  return { docker: new pulumi.Config("docker"), environment: process.env, platform: process.platform, home: os.homedir() };
}

/**
 * The endpoint in the provider's own order: Docker context, `docker:host`, `DOCKER_HOST`, the platform's default.
 * @throws RunError when a context or a certificate cannot be read.
 */
export function dockerEndpoint(settings: EndpointSettings): DockerEndpoint {
  const { docker, environment } = settings;
  const sshOptions = stringList(docker.get("sshOpts"));
  const context = present(docker.get("context")) ?? present(environment["DOCKER_CONTEXT"]);
  if (context !== undefined && context !== "default") {
    return { host: contextHost(context, settings), source: `Docker context ${context}`, tls: undefined, sshOptions };
  }
  const configured = present(docker.get("host"));
  const fromEnvironment = present(environment["DOCKER_HOST"]);
  const tls = certificates(settings);
  if (configured !== undefined) return { host: configured, source: "docker:host", tls, sshOptions };
  if (fromEnvironment !== undefined) return { host: fromEnvironment, source: "DOCKER_HOST", tls, sshOptions };
  return { host: defaultHost(settings.platform), source: "the default of this platform", tls: undefined, sshOptions };
}

/** Where Docker listens when nobody says otherwise. */
export function defaultHost(platform: NodeJS.Platform): string {
  return platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock";
}

/** Sockets of installations that use another place than the default (Docker Desktop, rootless Docker, Colima). */
export function otherHosts({ platform, home, environment }: EndpointSettings): string[] {
  if (platform === "win32") return ["npipe:////./pipe/dockerDesktopLinuxEngine"];
  const runtime = present(environment["XDG_RUNTIME_DIR"]);
  const sockets = [
    "/var/run/docker.sock",
    path.join(home, ".docker/run/docker.sock"),
    path.join(home, ".docker/desktop/docker.sock"),
    path.join(home, ".colima/default/docker.sock"),
    ...(runtime === undefined ? [] : [path.join(runtime, "docker.sock")]),
  ];
  return sockets.map((socket) => `unix://${socket}`);
}

function present(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}

function stringList(json: string | undefined): string[] {
  if (json === undefined) return [];
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.map(String) : [];
}

/** Docker keeps a context's address in a directory named by the hash of the context's name. */
function contextHost(context: string, { environment, home }: EndpointSettings): string {
  const directory = present(environment["DOCKER_CONFIG"]) ?? path.join(home, ".docker");
  const id = createHash("sha256").update(context).digest("hex");
  const file = path.join(directory, "contexts", "meta", id, "meta.json");
  const meta = readText(file, `the Docker context ${context}`, "see `docker context ls`, or: pulumi config rm docker:context");
  const host = (JSON.parse(meta) as { Endpoints?: { docker?: { Host?: string } } }).Endpoints?.docker?.Host;
  if (host === undefined) throw new pulumi.RunError(`the Docker context ${context} has no address; see: docker context inspect ${context}`);
  return host;
}

function certificates({ docker, environment }: EndpointSettings): DockerEndpoint["tls"] {
  const [cert, key] = [present(docker.get("certMaterial")), present(docker.get("keyMaterial"))];
  if (cert !== undefined && key !== undefined) return { ca: present(docker.get("caMaterial")), cert, key };
  const directory = present(docker.get("certPath")) ?? present(environment["DOCKER_CERT_PATH"]);
  if (directory === undefined) return undefined;
  const read = (name: string): string =>
    readText(path.join(directory, name), "a certificate for Docker", "see: pulumi config set docker:certPath DIRECTORY");
  return { ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") };
}

function readText(file: string, what: string, fix: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new pulumi.RunError(`cannot read ${what} from ${file} (${(error as NodeJS.ErrnoException).code ?? String(error)}); ${fix}`);
  }
}
