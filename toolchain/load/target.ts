import type Docker from "dockerode";
import { reachableDocker } from "../lib/docker";
import { SERVICES, stackContainers } from "../lib/docker-app";
import { messageOf, UserError } from "../lib/errors";
import { openStack, textOutput } from "../lib/outputs";
import { HttpClient } from "../verify/http";
import { assertLocal, type LoadTarget } from "./run";

/**
 * The running stack of that name.
 * @param name @default dev
 * @throws UserError when it is not up, not on this machine, or does not answer.
 */
export async function openTarget(name: string | undefined): Promise<LoadTarget> {
  const stack = await openStack(name);
  const outputs = await stack.outputs();
  const url = textOutput(outputs, "appUrl");
  if (url === undefined) throw new UserError(`stack ${stack.name} is not up: it has no address of the app`, stack.command("up"));
  assertLocal(url);
  const http = new HttpClient(url, textOutput(outputs, "adminToken"));
  try {
    await http.ask("/health", { timeoutMs: 5000 });
  } catch (error) {
    http.close();
    throw new UserError(
      `stack ${stack.name} does not answer (${messageOf(error)})`,
      `${stack.command("status")}, then ${stack.command("up")}`,
    );
  }
  const docker = await reachableDocker(stack.dockerHost);
  const onDocker = await stack.onDocker();
  const containers = async (service: string): Promise<Docker.Container[]> => {
    const all = await stackContainers(docker, onDocker, service);
    return all.filter(({ State }) => State === "running").map(({ Id }) => docker.getContainer(Id));
  };
  return { stack: stack.name, phase: textOutput(outputs, "phase") ?? stack.phase, http, docker, ...membersOf(containers) };
}

/** The containers of a target. @param containers running ones of a service */
export function membersOf(containers: (service: string) => Promise<readonly Docker.Container[]>): Pick<LoadTarget, "apps" | "seeder"> {
  const apps = (): Promise<readonly Docker.Container[]> => containers(SERVICES.app);
  return {
    apps,
    async seeder() {
      const [container] = [...(await containers(SERVICES.jobs)), ...(await apps())];
      if (container === undefined) throw new UserError("no container of the app runs");
      return container;
    },
  };
}
