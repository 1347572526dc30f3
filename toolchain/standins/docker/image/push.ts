import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import type Docker from "dockerode";
import type { Properties } from "../../shared/values";
import { daemonMessage } from "../client";
import { textOf, type Operation } from "../resource";
import { followLines } from "./build";

/** Pushes an image; resolves with its reference by digest. @throws Error with the registry's words. */
export async function pushImage(name: string, registry: Properties, { docker, log, signal }: Operation): Promise<string> {
  log("info", "Pushing Image to the registry", true);
  const server =
    textOf(registry["server"])
      .replace(/^https?:\/\//, "")
      .replace(/\/.*$/, "") ||
    (name.split("/")[0] ?? "");
  const authconfig = await credentials(server, textOf(registry["username"]), textOf(registry["password"]));
  let digest: string | undefined;
  try {
    const stream = await docker.getImage(name).push({ ...(authconfig === undefined ? {} : { authconfig }), abortSignal: signal });
    await followLines(docker, stream, (line) => {
      digest = line.aux?.Digest ?? digest;
      if (line.status !== undefined) log("info", line.status, true);
    });
  } catch (error) {
    throw new Error(`error reading push output: ${daemonMessage(error)}`, { cause: error });
  }
  if (digest === undefined) throw new Error(`the registry reported no digest for ${name}`);
  return `${name.replace(/:[^/:]*$/, "")}@${digest}`;
}

/** What to log in with: the program's user and password, else those that `docker login` left in its config file; none for an open registry. */
async function credentials(server: string, username: string, password: string): Promise<Docker.AuthConfigObject | undefined> {
  if (username !== "" && password !== "") return { username, password, serveraddress: server };
  const file = path.join(process.env["DOCKER_CONFIG"] ?? path.join(homedir(), ".docker"), "config.json");
  const content = await readFile(file, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "{}";
    throw error;
  });
  const { auths = {} } = JSON.parse(content) as { auths?: Record<string, { auth?: string }> };
  const keys = server === "docker.io" ? ["https://index.docker.io/v1/", "docker.io", "index.docker.io"] : [server, `https://${server}`];
  const encoded = keys.map((key) => auths[key]?.auth).find((auth) => auth !== undefined);
  if (encoded === undefined) return undefined;
  const [user = "", ...secret] = Buffer.from(encoded, "base64").toString("utf8").split(":");
  return { username: user, password: secret.join(":"), serveraddress: server };
}
