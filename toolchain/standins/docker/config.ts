import { homedir } from "node:os";
import path from "node:path";
import { readFile, readdir } from "node:fs/promises";
import { UserError } from "../../lib/errors";
import type { Properties, PropertyValue } from "../shared/values";

/** Credentials for one registry. */
export interface RegistryLogin {
  readonly address: string;
  readonly username: string;
  readonly password: string;
}

/** The provider's own settings (`docker:host` and so on). */
export interface ProviderConfig {
  readonly host: string;
  /** Where `host` comes from, for messages. */
  readonly source: "docker:host" | "docker:context" | "DOCKER_HOST" | "default";
  readonly sshOpts: readonly string[];
  /** Folder with ca.pem, cert.pem and key.pem. */
  readonly certPath: string | undefined;
  readonly caMaterial: string | undefined;
  readonly certMaterial: string | undefined;
  readonly keyMaterial: string | undefined;
  readonly registryAuth: readonly RegistryLogin[];
}

const KEYS = [
  "host",
  "context",
  "sshOpts",
  "certPath",
  "caMaterial",
  "certMaterial",
  "keyMaterial",
  "registryAuth",
  "disableDockerDaemonCheck",
];
const ENGINE_KEYS = ["version", "pluginDownloadURL"];

/** What is wrong with the provider's settings, one sentence per setting. */
export function configProblems(settings: Properties): { property: string; reason: string }[] {
  const failures: { property: string; reason: string }[] = [];
  for (const [property, value] of Object.entries(settings)) {
    if (!KEYS.includes(property) && !ENGINE_KEYS.includes(property))
      failures.push({ property, reason: `docker:${property} is not a setting of the docker provider; allowed are ${KEYS.join(", ")}` });
    else if (property === "host" && typeof value === "string" && !/^(unix|npipe|tcp|http|https|ssh):\/\/./.test(value))
      failures.push({
        property,
        reason:
          `docker:host is "${value}"; allowed are unix:///path/docker.sock, npipe:////./pipe/name, tcp://host:port and ssh://user@host. ` +
          `Set it with: pulumi config set docker:host unix:///var/run/docker.sock`,
      });
  }
  return failures;
}

/**
 * The provider's settings with what the environment adds, in the official plugin's order: setting, environment variable, default.
 * @throws UserError for settings that cannot be read.
 */
export async function readConfig(settings: Properties, env: NodeJS.ProcessEnv = process.env): Promise<ProviderConfig> {
  const [problem] = configProblems(settings);
  if (problem !== undefined) throw new UserError(problem.reason);
  const text = (key: string, variable: string): string | undefined => {
    const value = settings[key] ?? env[variable];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const context = text("context", "DOCKER_CONTEXT");
  const configured = typeof settings["host"] === "string" && settings["host"] !== "" ? settings["host"] : undefined;
  const fromEnvironment = env["DOCKER_HOST"] === "" ? undefined : env["DOCKER_HOST"];
  const [host, source]: [string, ProviderConfig["source"]] =
    context !== undefined
      ? [await contextHost(context, env), "docker:context"]
      : configured !== undefined
        ? [configured, "docker:host"]
        : fromEnvironment !== undefined
          ? [fromEnvironment, "DOCKER_HOST"]
          : [process.platform === "win32" ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock", "default"];
  const sshOpts = list(settings["sshOpts"], "sshOpts").map(String);
  return {
    host,
    source,
    sshOpts: sshOpts.length > 0 ? sshOpts : (env["DOCKER_SSH_OPTS"] ?? "").split(/\s+/).filter((option) => option !== ""),
    certPath: text("certPath", "DOCKER_CERT_PATH"),
    caMaterial: text("caMaterial", "DOCKER_CA_MATERIAL"),
    certMaterial: text("certMaterial", "DOCKER_CERT_MATERIAL"),
    keyMaterial: text("keyMaterial", "DOCKER_KEY_MATERIAL"),
    registryAuth: list(settings["registryAuth"], "registryAuth").map(registryLogin),
  };
}

/** A list setting: the engine hands it over as a list or as JSON text. */
function list(value: PropertyValue | undefined, key: string): unknown[] {
  const decoded: unknown = typeof value === "string" && value !== "" ? parseJson(value, key) : (value ?? []);
  if (Array.isArray(decoded)) return decoded as unknown[];
  throw new UserError(`docker:${key} has to be a list, got ${JSON.stringify(value)}`);
}

function parseJson(text: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`docker:${key} has to be a list in JSON, got ${JSON.stringify(text)}`);
  }
}

function registryLogin(entry: unknown): RegistryLogin {
  const { address, username, password, ...rest } = entry as Record<string, unknown>;
  const others = Object.keys(rest).filter((key) => !key.startsWith("__") && rest[key] !== undefined && rest[key] !== false);
  if (others.length > 0)
    throw new UserError(
      `docker:registryAuth has ${others.join(", ")}, which this docker stand-in leaves out; give address, username and password, or install the official plugin`,
    );
  if (typeof address !== "string" || typeof username !== "string" || typeof password !== "string")
    throw new UserError("docker:registryAuth needs address, username and password in every entry");
  return { address: address.replace(/^https?:\/\//, "").replace(/\/.*$/, ""), username, password };
}

/** The address of a Docker context, from the files of the Docker CLI. */
async function contextHost(name: string, env: NodeJS.ProcessEnv): Promise<string> {
  const folder = path.join(env["HOME"] ?? homedir(), ".docker/contexts/meta");
  const entries = await readdir(folder).catch(() => [] as string[]);
  for (const entry of entries) {
    const meta = JSON.parse(await readFile(path.join(folder, entry, "meta.json"), "utf8")) as {
      Name?: string;
      Endpoints?: { docker?: { Host?: string } };
    };
    if (meta.Name === name && meta.Endpoints?.docker?.Host !== undefined) return meta.Endpoints.docker.Host;
  }
  throw new UserError(`docker:context is "${name}", which is not among the Docker CLI's contexts (docker context ls)`);
}
