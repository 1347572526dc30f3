import type Docker from "dockerode";
import type { Command } from "commander";
import type { PostgresStatus } from "../../components/local/postgres-operator/src/status-types";
import { confirmByName } from "../lib/confirm";
import { LABELS, reachableDocker } from "../lib/docker";
import { SERVICES, stackContainers } from "../lib/docker-app";
import { UserError } from "../lib/errors";
import { onSignal, stopIfInterrupted } from "../lib/interrupt";
import { openStack, textOutput } from "../lib/outputs";
import { operatorOf, postgresStatus } from "../lib/postgres-operator";
import {
  postgresNode,
  postgresNodes,
  readRepository,
  readRepositoryBeside,
  refuseDuringRestore,
  restorePostgres,
  type RepositoryState,
} from "../lib/postgres-restore";
import { checkGap, checkOwner, gapOf, restorePlan } from "../lib/restore-plan";
import { colours } from "../lib/table";

interface RestoreOptions {
  readonly stack?: string;
  readonly to?: string;
  readonly yes?: boolean;
  readonly keepOld?: boolean;
  readonly fromRepository?: boolean;
  readonly acceptGap?: boolean;
}

/** `npm run restore`: Postgres as it was at a moment in the past (F8). */
export function register(program: Command): void {
  program
    .command("restore")
    .description("bring Postgres back to a moment in the past; what was written since is gone from the database")
    .option("-s, --stack <name>", "stack to work on (default: dev)")
    .option("--to <time>", "the moment, in ISO 8601 with a zone, or latest: all that is in the archive")
    .option("-y, --yes", "do not ask")
    .option("--keep-old", "keep the data of before, in a directory beside the restored ones")
    .option("--from-repository", "take over the database of another stack, whose backups are where this stack's are to be (backupUrl)")
    .option("--accept-gap", "restore also where log is missing in the archive; the data of before are kept")
    .addHelpText(
      "after",
      `
Postgres is stopped, and the app answers requests that need it with 503, until the restored data are in place. They are made beside the old
ones: whatever fails before, Ctrl-C as well, ends with Postgres as it was. Only Postgres is restored: not Redis, Kafka or uploaded files.
What was written since stays in the archive, so that another restore can bring it back; but not where log is missing there (npm run status
says so), until there is a newer backup. Then the data of before are kept, and what would end at the gap is refused without --accept-gap.
A backup with damaged pages (status tells) is only taken where no whole one leads to the moment.

On a new host: bring up a stack with the backupUrl and the backupPassphrase of the one that is lost. It touches the backups of the other
database only when it is told to take that over, with --from-repository; then it goes on where that ended, and its own data are gone.

Examples:
  npm run restore -- --to 2026-01-31T12:00:00Z
  npm run restore -- --to 2026-01-31T13:00:00+01:00 --keep-old
  npm run restore -- --to latest --yes
  npm run restore -- --to latest --from-repository`,
    )
    .action(run);
}

async function run(options: RestoreOptions): Promise<void> {
  const { to } = options;
  if (to === undefined) throw new UserError("--to is missing: the moment to go back to", "npm run restore -- --to 2026-01-31T12:00:00Z");
  const stack = await openStack(options.stack);
  const phase = textOutput(await stack.outputs(), "phase") ?? stack.phase;
  if (phase !== "database") throw new UserError(`stack ${stack.name} is in phase ${phase}, in which no Postgres of this project runs`);
  const docker = await reachableDocker(stack.dockerHost);
  const containers = await stackContainers(docker, await stack.onDocker());
  refuseDuringRestore(containers);
  const nodes = postgresNodes(containers);
  const [first] = nodes;
  if (first === undefined) throw new UserError(`stack ${stack.name} is down: there is nothing to restore into`, stack.command("up"));

  const status = await statusOf(docker, containers);
  if (status?.switchoverRunning === true) throw new UserError("a switchover is under way; nothing was changed", stack.command("status"));
  // Without a primary any volume will do: it gets what is in the repository.
  const leader = status?.leader ?? undefined;
  const primary = leader === undefined ? first : postgresNode(containers, leader);
  const repository = await repositoryOf(docker, nodes, primary);
  if (repository.repository !== null) {
    throw new UserError(`the repository of the backups cannot be used: ${repository.repository}`, "docs/runbooks/backups-failing.md");
  }
  const fromRepository = options.fromRepository === true;
  const again = (...words: readonly string[]): string => stack.command("restore", "--to", to, ...words);
  checkOwner(repository, again, fromRepository, Date.now());
  const plan = restorePlan(repository, to, Date.now());
  const { foreign } = repository;
  const gap = gapOf(repository.gap, status?.backups?.gap, repository.backups);
  const accept = (): string => again(...(fromRepository ? ["--from-repository"] : []), "--accept-gap");
  const keepAll = checkGap({ to, gap, foreign, accepted: options.acceptGap === true }, accept);
  console.log(
    repository.foreign
      ? `Stack ${colours.bold(stack.name)} takes over the database of the backups as it was at ${to}, from backup ${plan.set}.`
      : `Postgres of stack ${colours.bold(stack.name)} goes back to ${to}, from backup ${plan.set}.`,
  );
  if (keepAll) console.log(keptText(gap));
  if (plan.damaged) console.log(damagedText(plan.set, foreign));
  if (options.yes !== true) {
    await confirmByName({
      name: stack.name,
      warning: warningOf({ to, foreign, gap }),
      deed: "restore it",
      cannotAsk: `npm run restore cannot ask before it restores stack ${stack.name}`,
      nothing: "nothing was changed",
    });
    // While it was asked, somebody may have begun another one.
    refuseDuringRestore(await stackContainers(docker, await stack.onDocker()));
  }
  stopIfInterrupted();
  const started = performance.now();
  const oldData = `node.before-${new Date().toISOString().replace(/[-:]|\.\d+/g, "")}`;
  const keepOld = options.keepOld === true || keepAll || (plan.damaged && !foreign);
  const serves = leader !== undefined;
  // Without a primary nobody knows which node has the most. A node that tells of gaps can keep its data, too.
  const keepStandbys = keepAll && !serves && repository.gap !== undefined;
  // From here on Ctrl-C waits until Postgres runs again, with the data it had or the restored ones.
  const release = onSignal(() => undefined);
  try {
    const migrate = containers.find(({ Labels }) => Labels[LABELS.service] === SERVICES.migrate);
    const say = (line: string): void => console.log(line);
    await restorePostgres({ docker, nodes, primary, serves, plan, oldData, keepOld, keepStandbys, migrate, say });
  } finally {
    release();
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `\n${colours.green("✔")} Postgres is what it was at ${to}, after ${seconds} s. Redis, Kafka and files were left as they are.`,
  );
  const where = keepStandbys ? "every node" : (primary.Labels[LABELS.node] ?? "");
  if (keepOld) console.log(`The data of before are in ${oldData}, in the volume of ${where}: docs/runbooks/restore.md`);
}

function keptText(gap: string | null | undefined): string {
  const why =
    typeof gap === "string" ? `log is missing in the archive from ${gap} on` : "whether log is missing in the archive is not known";
  return colours.yellow(`The data of before are kept: ${why}, so that they may have what no backup has.`);
}

function damagedText(label: string, foreign: boolean): string {
  const kept = foreign ? "" : " The data of before are kept.";
  return colours.yellow(
    `Backup ${label} has pages with an invalid checksum, and no whole one can be taken instead: rows of the restored database may not be readable.${kept}`,
  );
}

interface Loss {
  readonly to: string;
  readonly foreign: boolean;
  readonly gap: string | null | undefined;
}

/** What will be gone, a sentence with a blank after it, or nothing. */
function warningOf({ to, foreign, gap }: Loss): string {
  if (foreign)
    return "All that is in this stack's Postgres now will be gone, and there is no backup of it. The stack that made the backups must not run any more. ";
  if (to !== "latest") return `What was written after ${to} will be gone from the database. `;
  return typeof gap === "string" ? `What was written after ${gap} will be gone from the database. ` : "";
}

/** `undefined` when the operator does not answer: a restore must not depend on it. */
async function statusOf(docker: Docker, containers: readonly Docker.ContainerInfo[]): Promise<PostgresStatus | undefined> {
  try {
    return await postgresStatus(operatorOf(docker, containers));
  } catch {
    return undefined;
  }
}

async function repositoryOf(
  docker: Docker,
  nodes: readonly Docker.ContainerInfo[],
  primary: Docker.ContainerInfo,
): Promise<RepositoryState> {
  const running = [primary, ...nodes].find(({ State }) => State === "running");
  return running === undefined ? readRepositoryBeside(docker, primary) : readRepository(docker.getContainer(running.Id));
}
