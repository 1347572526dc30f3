import type Docker from "dockerode";
import { LABELS, execIn } from "../lib/docker";
import { SERVICES } from "../lib/docker-app";
import type { VerifyContext } from "./types";

/** The container of the node that is primary now. @throws Error when there is none */
export async function primaryNode({ containers, postgres }: Pick<VerifyContext, "containers" | "postgres">): Promise<Docker.Container> {
  const { leader } = await postgres();
  for (const container of await containers(SERVICES.postgres)) {
    if ((await container.inspect()).Config.Labels[LABELS.node] === leader) return container;
  }
  throw new Error(leader === null ? "Postgres has no primary" : `no container of ${leader}, the primary, runs`);
}

/**
 * Runs psql as superuser.
 * @param script statements and commands of psql, one a line
 * @returns lines of the answer, columns separated by `|`
 * @throws Error with what psql says
 */
export async function psql(node: Docker.Container, script: string, timeoutMs = 30_000): Promise<string[]> {
  // Over standard input, where psql takes commands of its own beside statements.
  const program = 'printf "%s\\n" "$0" | entrypoint.sh psql -XAtq --set=ON_ERROR_STOP=1';
  const { exitCode, stdout, stderr } = await execIn(node, ["bash", "-c", program, script], timeoutMs);
  if (exitCode !== 0) throw new Error(`psql: ${stderr.trim().slice(0, 200)}`);
  return stdout.split("\n").filter((line) => line !== "");
}
