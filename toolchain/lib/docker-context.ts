import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { UserError } from "./errors";

interface ContextFile {
  readonly Endpoints?: { readonly docker?: { readonly Host?: string } };
}

/**
 * The engine a stack names, as the docker plugin understands it: `docker:context` or `DOCKER_CONTEXT` before `docker:host`. Whatever looks at the
 * stack has to look at the engine that Pulumi works on.
 *
 * @param config plain configuration by full key
 * @returns undefined where neither says anything: `DOCKER_HOST`, then the default socket
 * @throws UserError for a context that the Docker CLI does not know
 */
export function stackDockerHost(
  config: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  const context = config["docker:context"] ?? environment["DOCKER_CONTEXT"] ?? "";
  // "default" is the Docker CLI's name for none.
  return context === "" || context === "default" ? config["docker:host"] : contextHost(context, environment);
}

/** The address of a Docker context, from the files of the Docker CLI, which names a context's directory by its hash. */
function contextHost(name: string, environment: Readonly<Record<string, string | undefined>>): string {
  const directory = createHash("sha256").update(name).digest("hex");
  const file = path.join(environment["HOME"] ?? homedir(), ".docker", "contexts", "meta", directory, "meta.json");
  const host = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as ContextFile).Endpoints?.docker?.Host : undefined;
  if (host !== undefined) return host;
  throw new UserError(
    `the Docker context ${JSON.stringify(name)} is not known (docker:context of the stack, or DOCKER_CONTEXT)`,
    "docker context ls lists those there are; without one, docker:host or DOCKER_HOST counts",
  );
}
