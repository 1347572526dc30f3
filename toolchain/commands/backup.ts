import type { Command } from "commander";
import { execIn, reachableDocker } from "../lib/docker";
import { stackContainers } from "../lib/docker-app";
import { UserError } from "../lib/errors";
import { onSignal } from "../lib/interrupt";
import { openStack, textOutput } from "../lib/outputs";
import { knownPostgres, operatorOf } from "../lib/postgres-operator";
import { postgresNode, readRepository } from "../lib/postgres-restore";
import { colours, formatBytes } from "../lib/table";

interface BackupOptions {
  readonly stack?: string;
  readonly full?: boolean;
  readonly check?: boolean;
}

/** How `verify` in the container ends when it has found damage; see components/local/postgres/backup_jobs.py. */
const DAMAGED = 3;

/** A large database takes its time, and another backup may be under way. */
const LONGEST_MS = 24 * 3_600_000;

/** `npm run backup`: a backup of Postgres now, beside those that are made by themselves (F8, B15). */
export function register(program: Command): void {
  program
    .command("backup")
    .description("make a backup of Postgres now: what has changed since the last one, or all of it")
    .option("-s, --stack <name>", "stack to work on (default: dev)")
    .option("--full", "all of it, whatever there is already")
    .option("--check", "make none, but read every file of the repository and compare its checksum")
    .addHelpText(
      "after",
      `
Backups are made by themselves, and the log is archived all the time; npm run status tells how they are. A backup under way goes on when
this command is interrupted.

Examples:
  npm run backup
  npm run backup -- --full
  npm run backup -- --check`,
    )
    .action(run);
}

async function run(options: BackupOptions): Promise<void> {
  if (options.full === true && options.check === true)
    throw new UserError("--full makes a backup and --check makes none; give one of them");
  const stack = await openStack(options.stack);
  const phase = textOutput(await stack.outputs(), "phase") ?? stack.phase;
  if (phase !== "database") throw new UserError(`stack ${stack.name} is in phase ${phase}, in which no Postgres of this project runs`);
  const docker = await reachableDocker(stack.dockerHost);
  const containers = await stackContainers(docker, await stack.onDocker());
  if (containers.length === 0) throw new UserError(`stack ${stack.name} is down: there is nothing to back up`, stack.command("up"));
  const operator = operatorOf(docker, containers);
  const { leader, backups: before, backupsUnknown } = await knownPostgres(operator);
  if (leader === null) throw new UserError("Postgres has no primary, whose backup this would be", "docs/runbooks/no-primary.md");
  // Wanted, and never begun: then this may tell why.
  if (before === null && backupsUnknown === null) {
    throw new UserError(`stack ${stack.name} makes no backups, or has just begun to`, stack.command("up", "--config", "backups=true"));
  }
  const node = docker.getContainer(postgresNode(containers, leader).Id);
  const command = options.check === true ? ["verify"] : ["backup", options.full === true ? "full" : "incr"];
  // The program in the container goes on by itself; the first Ctrl-C ends the waiting for it.
  const release = onSignal(() => process.exit(130));
  try {
    const started = performance.now();
    const tell = (line: string): void => console.error(colours.dim(line.replace(/^backups: /, "")));
    const { exitCode, stdout } = await execIn(node, ["entrypoint.sh", "backups", ...command], LONGEST_MS, tell);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (exitCode !== 0) {
      const checked = exitCode === DAMAGED ? "the repository is damaged" : "the repository could not be checked";
      const what = options.check === true ? checked : "the backup failed";
      throw new UserError(`${what}: ${stdout.trim() || `exit code ${exitCode}`}`, "docs/runbooks/backups-failing.md");
    }
    if (options.check === true) {
      console.log(`${colours.green("✔")} every file of the repository is what it was (${seconds} s)`);
      return;
    }
    const { backups } = await readRepository(node);
    const made = backups.at(-1);
    const size =
      made === undefined
        ? ""
        : `${made.type} backup ${made.label}: ${formatBytes(made.sizeBytes)}, ${formatBytes(made.storedBytes)} stored`;
    console.log(`${colours.green("✔")} ${size} (${seconds} s)`);
  } finally {
    release();
  }
}
