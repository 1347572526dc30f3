import type Docker from "dockerode";
import { z } from "zod";
import { execIn, LABELS, lastLogLines, startContainer, stopContainer } from "./docker";
import { containerName, SERVICES } from "./docker-app";
import { InterruptedError, UserError, messageOf } from "./errors";
import { interrupted } from "./interrupt";
import { RESTORE_SERVICE, runBeside } from "./postgres-beside";
import { repositoryInfoSchema } from "./postgres-operator";
import type { RestorePlan } from "./restore-plan";
import { colours } from "./table";

/** Directory of a node's data, and of what is put beside it; see components/local/postgres. */
const DATA = "/var/lib/postgresql/data";

/** A restored primary starts within seconds; one that copies it takes as long as its size asks for. */
const PRIMARY_WITHIN_MS = 300_000;
const COPIED_WITHIN_MS = 6 * 3_600_000;

/** Between two looks at a container, ms. */
const POLL_MS = 500;

/** What restore.py says when it begins to exchange the data, and when that is done. In between, nobody knows which ones are there. */
const EXCHANGE_BEGINS = "the restored data take the place of the old ones";
const EXCHANGE_ENDS = "the restored data are in place";

/** States of a container in which it does nothing, and will not by itself. */
const HAS_ENDED: readonly string[] = ["created", "exited", "dead"];

/** A backup after the restore may have to wait for another one. */
const BACKUP_WITHIN_MS = 24 * 3_600_000;

export type RepositoryState = z.infer<typeof repositoryInfoSchema>;

/** The container of a node. @throws UserError when there is none. */
export function postgresNode(containers: readonly Docker.ContainerInfo[], name: string): Docker.ContainerInfo {
  const info = postgresNodes(containers).find(({ Labels }) => Labels[LABELS.node] === name);
  if (info === undefined) throw new UserError(`no container of ${name} was found`, "npm run up -- --refresh");
  return info;
}

/** The containers of all nodes, in order, running or not. */
export function postgresNodes(containers: readonly Docker.ContainerInfo[]): Docker.ContainerInfo[] {
  return containers.filter(({ Labels }) => Labels[LABELS.service] === SERVICES.postgres);
}

/**
 * Nothing of a stack is started while its Postgres is restored, which holds no lock of Pulumi's: nodes that are stopped for it look broken.
 * @throws UserError naming the container that runs.
 */
export function refuseDuringRestore(containers: readonly Docker.ContainerInfo[]): void {
  const running = containers.find((info) => info.Labels[LABELS.service] === RESTORE_SERVICE && !HAS_ENDED.includes(info.State));
  if (running === undefined) return;
  throw new UserError(
    `Postgres is being restored: container ${containerName(running)} is ${running.State}`,
    `wait until it has ended: docker logs --follow ${containerName(running)}; docs/runbooks/restore.md`,
  );
}

/** What is in the repository, asked of a node that runs. */
export async function readRepository(node: Docker.Container): Promise<RepositoryState> {
  const { exitCode, stdout, stderr } = await execIn(node, ["entrypoint.sh", "backups", "info"], 120_000);
  if (exitCode !== 0) throw new UserError(`the repository cannot be read: ${(stderr || stdout).trim().slice(-300)}`);
  return parseRepository(stdout);
}

/** {@link readRepository} when no node runs. */
export async function readRepositoryBeside(docker: Docker, node: Docker.ContainerInfo): Promise<RepositoryState> {
  const { exitCode, stdout } = await runBeside(docker, node, ["backups", "info"], () => undefined);
  if (exitCode !== 0) throw new UserError(`the repository cannot be read: ${stdout.trim().slice(-300)}`);
  return parseRepository(stdout);
}

function parseRepository(text: string): RepositoryState {
  const state = repositoryInfoSchema.safeParse(JSON.parse(text));
  if (!state.success) throw new Error(`what the repository holds is not understood: ${z.prettifyError(state.error)}`);
  return state.data;
}

/** What a restore works on. */
export interface RestoreArgs {
  readonly docker: Docker;
  /** Containers of all nodes. */
  readonly nodes: readonly Docker.ContainerInfo[];
  /** The one whose volume is restored: the primary, or any when there is none. */
  readonly primary: Docker.ContainerInfo;
  /** Whether it is primary and takes writes. */
  readonly serves: boolean;
  readonly plan: RestorePlan;
  /** Name of the directory that the old data become, beside the new ones; kept when told. */
  readonly oldData: string;
  readonly keepOld: boolean;
  /** Whether the data of the others are kept as well, under the same name in their volumes. */
  readonly keepStandbys: boolean;
  /** The container that migrates: at that moment the schema may have been an older one than the app's. @default nothing migrates */
  readonly migrate?: Docker.ContainerInfo | undefined;
  readonly say: (line: string) => void;
}

/**
 * Restores the database in place. Until the restored data are complete and have been started once, the old ones stay what they are: whatever
 * fails before that, Ctrl-C as well, ends with the nodes being started again as they were.
 *
 * @throws UserError when nothing was changed, or with what is to be done when the restored primary does not come up.
 */
export async function restorePostgres(args: RestoreArgs): Promise<void> {
  const { docker, nodes, primary, say } = args;
  const container = docker.getContainer(primary.Id);
  const standbys = nodes.filter(({ Id }) => Id !== primary.Id);
  const step = async <Result>(what: string, work: () => Promise<Result>): Promise<Result> => {
    const started = performance.now();
    const result = await work();
    say(`${colours.green("✔")} ${what} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    return result;
  };
  try {
    if (args.serves) await mark(container);
    // The primary last: while it sees a standby, it would hand over before it stops.
    await step("Postgres is stopped: the app gets no answers from it until the end", async () => {
      await Promise.all(standbys.map(({ Id }) => stopContainer(docker.getContainer(Id))));
      await stopContainer(container);
    });
    await step("the data are restored", () => fetchAndReplay(args));
  } catch (error) {
    if (error instanceof UndecidedError) throw error;
    await Promise.all(nodes.map(({ Id }) => startContainer(docker.getContainer(Id))));
    const state = "nothing was changed, and Postgres is started again as it was";
    throw interrupted.aborted ? new InterruptedError(state) : new UserError(`${state}: ${messageOf(error)}`);
  }
  await step(`${nodeName(primary)} is primary with the restored data`, async () => {
    await startContainer(container);
    await healthy(container, nodeName(primary), PRIMARY_WITHIN_MS);
  });
  for (const [index, standby] of standbys.entries()) {
    await step(`${nodeName(standby)} has copied them and follows`, async () => {
      // Somebody may have started it meanwhile, with what it had.
      await stopContainer(docker.getContainer(standby.Id));
      const { exitCode, stdout } = await runBeside(
        docker,
        standby,
        ["restore", "discard", ...(args.keepStandbys ? [args.oldData] : [])],
        say,
      );
      if (exitCode !== 0) throw new UserError(`the old data of ${nodeName(standby)} cannot be deleted: ${stdout.trim()}`);
      await startContainer(docker.getContainer(standby.Id));
      await healthy(docker.getContainer(standby.Id), nodeName(standby), COPIED_WITHIN_MS);
    });
    // Not before: with strict durability nothing can be written until somebody confirms it.
    const { migrate } = args;
    if (index === 0 && migrate !== undefined) {
      await step("the schema is what the app needs", () => migrateAgain(docker.getContainer(migrate.Id), containerName(migrate)));
    }
  }
  await step("a new backup is made, from which later moments are restored", () => backUp(container));
  if (!args.keepOld) await execIn(container, ["rm", "-rf", `${DATA}/${args.oldData}`], COPIED_WITHIN_MS);
}

/** Starts what migrates once more, and waits for its end, as long as it may take. */
async function migrateAgain(container: Docker.Container, name: string): Promise<void> {
  await startContainer(container);
  const { StatusCode: exitCode } = (await container.wait()) as { StatusCode: number };
  if (exitCode === 0) return;
  throw new UserError(
    `the data are restored, but the migration of their schema failed with exit code ${exitCode}, and the app may need a newer one. The last ` +
      `lines of ${name}:\n${await lastLogLines(container)}`,
    `correct that, and docker start --attach ${name}; then npm run backup`,
  );
}

/** Replay ends at the first commit after the wanted moment; there has to be one. */
async function mark(primary: Docker.Container): Promise<void> {
  const { exitCode, stderr } = await execIn(primary, ["entrypoint.sh", "psql", "-XAtqc", "SELECT pg_current_xact_id()"], 30_000);
  if (exitCode !== 0) throw new Error(`the primary takes no writes: ${stderr.trim().slice(0, 300)}`);
}

async function fetchAndReplay({ docker, primary, plan, oldData, say }: RestoreArgs): Promise<void> {
  const command = ["restore", "restore", plan.set, String(plan.timeline), plan.target, oldData];
  const said: string[] = [];
  const tell = (line: string): void => {
    said.push(line.replace(/^restore: /, ""));
    say(colours.dim(said.at(-1) ?? ""));
  };
  const { exitCode, stdout } = await runBeside(docker, primary, command, tell, interrupted);
  const outcome = restoreOutcome(exitCode, said);
  if (outcome === "undecided") {
    throw new UndecidedError(
      `the restore was killed (exit code ${exitCode}) while the restored data took the place of the old ones; nothing is started, because the ` +
        `old ones may be in ${oldData}`,
      "call it again, with the same moment; docs/runbooks/restore.md",
    );
  }
  if (outcome === "unchanged") throw new Error(stdout.trim() || `the restore ended with exit code ${exitCode}`);
}

/** The restore was killed in the one moment in which nobody else can tell what it did. */
class UndecidedError extends UserError {}

/**
 * Which data a volume has after a restore.
 * @param said all it told, line by line, without its name
 */
export function restoreOutcome(exitCode: number, said: readonly string[]): "restored" | "unchanged" | "undecided" {
  if (exitCode === 0 || said.includes(EXCHANGE_ENDS)) return "restored";
  // With 1 it ends by itself, and has undone what it began.
  return exitCode !== 1 && said.includes(EXCHANGE_BEGINS) ? "undecided" : "unchanged";
}

async function backUp(primary: Docker.Container): Promise<void> {
  const { exitCode, stdout } = await execIn(primary, ["entrypoint.sh", "backups", "backup", "incr"], BACKUP_WITHIN_MS);
  if (exitCode === 0) return;
  throw new UserError(
    `the database is restored, but there is no good backup of it: ${stdout.trim()}`,
    "docs/runbooks/backups-failing.md; the data of before are kept until then",
  );
}

function nodeName({ Labels }: Docker.ContainerInfo): string {
  return Labels[LABELS.node] ?? "";
}

/** Not to be interrupted: the old data are gone by then, and what is begun has to come to its end. */
async function healthy(container: Docker.Container, name: string, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const { State: state } = await container.inspect();
    if (state.Running && state.Health?.Status === "healthy") return;
    if (!state.Running || performance.now() > deadline) {
      const log = await lastLogLines(container);
      throw new UserError(
        `the data are restored, but ${name} does not serve them (${state.Health?.Status ?? state.Status}). Its last lines:\n${log}`,
        "docs/runbooks/restore.md",
      );
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
