import type Docker from "dockerode";
import { dockerEndpoint } from "./docker";
import { isOnEngine } from "./docker-belongings";
import { UserError } from "./errors";
import { dockerObjects, type ExportedStack, stackOnDocker } from "./update-recovery";

/** What the refusal says of a stack. */
interface Asked {
  readonly name: string;
  /** The engine that the stack names. */
  readonly dockerHost: string | undefined;
}

/**
 * Refuses to work on a Docker Engine that has nothing of what the state knows: most likely it is another one than the stack was made on, because
 * `DOCKER_HOST` is not what it was. An update would make everything anew there, and a deletion would take nothing away and forget it all: what
 * runs, its data and their passwords.
 *
 * @param whenGone what to do where everything was removed by hand
 */
export async function refuseOtherEngine(docker: Docker, stack: Asked, exported: ExportedStack, whenGone: string): Promise<void> {
  const count = dockerObjects(exported).length;
  if (count === 0 || (await isOnEngine(docker, stackOnDocker(stack.name, exported)))) return;
  const { host, source } = dockerEndpoint(stack.dockerHost);
  const because = { "docker:host": "the stack's docker:host or context", DOCKER_HOST: "DOCKER_HOST", default: "the default" } as const;
  throw new UserError(
    `the Docker Engine at ${host} (${because[source]}) has none of the ${count} containers, networks and volumes of stack ${stack.name}; nothing was changed`,
    `Name the engine that has them: DOCKER_HOST or DOCKER_CONTEXT as it was, or docker:host of the stack. If they were all removed there by hand: ${whenGone}`,
  );
}
