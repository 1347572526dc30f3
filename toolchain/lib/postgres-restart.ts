import type Docker from "dockerode";
import type { PostgresStatus } from "../../components/local/postgres-operator/src/status-types";
import { DEFAULT_STACK, npmCommand } from "../../stacks/lib/npm-command";
import { restartContainer } from "./container-restart";
import { LABELS } from "./docker";
import { SERVICES, containerName } from "./docker-app";
import { UserError } from "./errors";
import { stopIfInterrupted } from "./interrupt";
import { candidates, knownPostgres, operatorOf, switchover } from "./postgres-operator";
import { colours } from "./table";

/** A node that was restarted replays what it missed; an old primary is rewound first. */
const FOLLOWS_WITHIN_MS = 120_000;

const POLL_MS = 500;

/** The order of a rolling restart: every replica, then the primary, which hands over to one of those before. */
export function restartOrder({ members, leader }: PostgresStatus): { readonly replicas: readonly string[]; readonly primary: string } {
  if (leader === null) throw new UserError("Postgres has no primary; nothing was restarted", "docs/runbooks/no-primary.md");
  const down = members.filter(({ role, state }) => role === "unknown" || !["running", "streaming"].includes(state));
  const [first] = down;
  if (first !== undefined) {
    throw new UserError(
      `${down.map(({ name, state }) => `${name} (${state})`).join(", ")} does not work; a restart of the others would take away more; nothing was restarted`,
      "docs/runbooks/postgres-node-down.md",
    );
  }
  return { replicas: members.map(({ name }) => name).filter((name) => name !== leader), primary: leader };
}

/**
 * Restarts every Postgres node without taking the database away: replicas one by one, each until it follows again, then a planned
 * switchover, then the old primary.
 * @param containers of the stack
 * @throws UserError when the cluster is not well enough for it, or does not get well again; the rest is left alone.
 */
export async function restartPostgres(
  docker: Docker,
  containers: readonly Docker.ContainerInfo[],
  say: (line: string) => void,
): Promise<void> {
  const operator = operatorOf(docker, containers);
  const before = await knownPostgres(operator);
  const { replicas, primary } = restartOrder(before);
  const names = before.members.map(({ name }) => name);
  const command = (...args: readonly [string, ...string[]]): string =>
    npmCommand(containers[0]?.Labels[LABELS.stack] ?? DEFAULT_STACK, ...args);
  const containerOf = (name: string): Docker.ContainerInfo => {
    const info = containers.find(({ Labels }) => Labels[LABELS.service] === SERVICES.postgres && Labels[LABELS.node] === name);
    if (info === undefined) throw new UserError(`no container of ${name} was found; nothing was restarted`, command("up", "--refresh"));
    return info;
  };
  // All of them, before the first is touched.
  names.forEach(containerOf);

  const restart = async (name: string, index: number): Promise<void> => {
    stopIfInterrupted();
    const info = containerOf(name);
    const started = performance.now();
    await restartContainer(docker.getContainer(info.Id), containerName(info));
    await follows(operator, name);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    say(`${colours.green("✔")} [${index}/${names.length}] ${name}: restarted, follows again after ${seconds} s`);
  };
  for (const [index, name] of replicas.entries()) await restart(name, index + 1);
  stopIfInterrupted();
  say(`${colours.green("✔")} ${await handOver(operator, primary, command("status"))}`);
  await restart(primary, names.length);
}

async function handOver(operator: Docker.Container, primary: string, look: string): Promise<string> {
  try {
    return await switchover(operator, undefined);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      `${error.message}; the replicas were restarted, ${primary} was not and is primary still`,
      `${look}, then try again`,
    );
  }
}

/** Waits until a node streams from the primary, and as many standbys as before may take over. */
async function follows(operator: Docker.Container, name: string): Promise<void> {
  const deadline = performance.now() + FOLLOWS_WITHIN_MS;
  for (;;) {
    stopIfInterrupted();
    const status = await knownPostgres(operator);
    const member = status.members.find((one) => one.name === name);
    if (member?.state === "streaming" && member.sync !== null && candidates(status).length > 0) return;
    if (performance.now() > deadline) {
      throw new UserError(
        `${name} does not follow the primary after its restart (${member?.state ?? "unknown"}); the other nodes were left alone`,
        "docs/runbooks/postgres-node-down.md",
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
