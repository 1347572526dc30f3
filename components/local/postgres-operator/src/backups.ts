import type { Etcd } from "./etcd";
import type { BackupReport, BackupStatus } from "./status-types";

/** Age of the report, s, from which on nobody looks after the backups: it is written every 10 s. A long failover takes half of it. */
const STALE_SECONDS = 120;

/** A backup may take its time and may be tried again; after so much more than its interval, hours, it is late. */
const LATE_HOURS = 2;

/** What the primary tells of the backups, `null` when none are made. @throws Error when etcd does not answer. */
export async function readBackups(etcd: Pick<Etcd, "get">, scope: string): Promise<BackupStatus | null> {
  const found = await etcd.get(`/phased-stack/${scope}/backups`);
  if (found === undefined) return null;
  const report = JSON.parse(found.value) as BackupReport;
  return { ...report, problems: backupProblems(report, Date.now()) };
}

/** One sentence for everything that is not as it should be, the gravest first. @param now in ms */
export function backupProblems(report: BackupReport, now: number): string[] {
  const { at, node, repository, backups, archive, failure, verified, gap, everyHours } = report;
  const hoursSince = (time: string): number => (now - Date.parse(time)) / 3_600_000;
  const stale = hoursSince(at) * 3600 > STALE_SECONDS;
  const newest = backups.at(-1);
  const age = newest === undefined ? 0 : Math.floor(hoursSince(newest.stoppedAt));
  const checks: (string | false)[] = [
    repository !== null && `The repository of the backups cannot be used: ${sentence(repository)}`,
    archive.failing && `The log is not archived (${archive.waiting} segments wait): what is written now is in no backup.`,
    gap !== null && `The log from ${gap} on is not in the archive: no moment after that can be restored until there is a new backup.`,
    failure !== null && `The last ${failure.what} failed at ${failure.at}: ${sentence(failure.message)}`,
    newest !== undefined && age >= everyHours + LATE_HOURS && `The last backup is ${age} hours old; one is wanted every ${everyHours}.`,
    verified?.ok === false && `The repository is damaged, as of ${verified.at}: ${sentence(verified.message ?? "")}`,
    stale && `Nobody has looked after the backups since ${at}, when ${node} did.`,
  ];
  return checks.filter((problem) => problem !== false);
}

function sentence(text: string): string {
  return `${text.replace(/[.:]$/, "")}.`;
}
