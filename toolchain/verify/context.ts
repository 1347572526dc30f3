import type Docker from "dockerode";
import { SECRET_OUTPUTS } from "../../stacks/lib/secret-outputs";
import { reachableDocker } from "../lib/docker";
import { SERVICES, stackContainers } from "../lib/docker-app";
import { textOutput, type OpenStack } from "../lib/outputs";
import { operatorOf, postgresStatus } from "../lib/postgres-operator";
import { expectedOf } from "./expected";
import type { HttpClient } from "./http";
import type { VerifyContext } from "./types";

/** Values of a stack's secret outputs; one that is empty in its phase is none. */
function secretsOf(outputs: Readonly<Record<string, unknown>>): string[] {
  return SECRET_OUTPUTS.flatMap((key) => textOutput(outputs, key) ?? []);
}

/**
 * The token to prove a stack with: none for one whose address would carry it over a network in the clear. What is on this machine, and what a
 * Docker host publishes, is asked as it always was.
 */
export function tokenFor(url: string, phase: string, outputs: Readonly<Record<string, unknown>>): string | undefined {
  const { protocol, hostname } = new URL(url);
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  return phase === "cloud" && protocol !== "https:" && !isLocal ? undefined : textOutput(outputs, "adminToken");
}

/** The running stack, as the checks see it: by its address, and on a Docker host also by its containers. */
export async function verifyContext(
  http: HttpClient,
  stack: Pick<OpenStack, "config" | "dockerHost" | "onDocker">,
  phase: string,
  outputs: Readonly<Record<string, unknown>>,
): Promise<VerifyContext & { readonly docker: Docker | undefined }> {
  const docker = phase === "cloud" ? undefined : await reachableDocker(stack.dockerHost);
  const onDocker = docker === undefined ? undefined : await stack.onDocker();
  const listed: (service?: string) => Promise<readonly Docker.ContainerInfo[]> = async (service) => {
    if (docker === undefined || onDocker === undefined) throw new Error("the stack has no containers on a Docker host");
    return await stackContainers(docker, onDocker, service);
  };
  const containers: VerifyContext["containers"] = async (service) => {
    const running = (await listed(service)).filter(({ State }) => State === "running");
    return docker === undefined ? [] : running.map(({ Id }) => docker.getContainer(Id));
  };
  const operator: VerifyContext["operator"] = async () => {
    const all = await listed();
    if (docker === undefined) throw new Error("the stack has no containers on a Docker host");
    return operatorOf(docker, all);
  };
  let session: ReturnType<HttpClient["signUp"]> | undefined;
  return {
    http,
    docker,
    secrets: secretsOf(outputs),
    adminToken: tokenFor(http.url, phase, outputs) ?? "",
    containers,
    operator,
    expected: expectedOf(stack.config, phase, outputs),
    apps: () => containers(SERVICES.app),
    postgres: async () => postgresStatus(await operator()),
    session() {
      // One that failed is no reason for all later checks to fail.
      session ??= http.signUp().catch((error: unknown) => {
        session = undefined;
        throw error;
      });
      return session;
    },
  };
}
