import type { Etcd } from "./etcd";
import { reasonOf } from "./log";
import type { Settings } from "./settings";
import type { BackupReport, BackupStatus } from "./status-types";

/** Age of the report, s, from which on nobody looks after the backups: it is written every 10 s. A long failover takes half of it. */
const STALE_SECONDS = 120;

/** A backup may take its time and may be tried again; after so much more than its interval, hours, it is late. */
const LATE_HOURS = 2;

/** A repository that can be used has its first backup after so many hours, unless that is under way: it is begun within minutes. */
const FIRST_HOURS = 1;

/** For how long nobody need tell of backups that are wanted, s: while a stack is made, or a primary sought. */
const UNKNOWN_SECONDS = 300;

const NO_REPORT = "the primary has not begun to look after them.";

/** What is known of the backups. */
export interface KnownBackups {
  readonly backups: BackupStatus | null;
  readonly backupsUnknown: string | null;
}

/**
 * What the primary tells of the backups. Who looked and found nothing must not pass for one who found nothing wrong: the last report counts
 * until there is a newer one, and none at all is a problem where backups are wanted.
 */
export class BackupWatch {
  #report: BackupReport | undefined;
  /** When there was a report last, or the operator began; ms. */
  #knownAt: number;

  /** @param now in ms */
  constructor(
    private readonly etcd: Pick<Etcd, "get">,
    private readonly settings: Pick<Settings, "scope" | "backups">,
    private readonly now: () => number = Date.now,
  ) {
    this.#knownAt = now();
  }

  /** Never rejects. */
  async read(): Promise<KnownBackups> {
    const failure = await this.#look();
    const now = this.now();
    if (this.#report !== undefined) {
      return { backups: { ...this.#report, problems: backupProblems(this.#report, now) }, backupsUnknown: null };
    }
    const late = this.settings.backups && now - this.#knownAt > UNKNOWN_SECONDS * 1000;
    return { backups: null, backupsUnknown: late ? `Backups are wanted, and nobody tells of any: ${failure ?? NO_REPORT}` : null };
  }

  /** Why nothing is known of what is in etcd. */
  async #look(): Promise<string | undefined> {
    try {
      const found = await this.etcd.get(`/phased-stack/${this.settings.scope}/backups`);
      this.#report = found === undefined ? undefined : (JSON.parse(found.value) as BackupReport);
      if (found !== undefined) this.#knownAt = this.now();
      return undefined;
    } catch (error) {
      return sentence(reasonOf(error));
    }
  }
}

/** One sentence for everything that is not as it should be, the gravest first. @param now in ms */
export function backupProblems(report: BackupReport, now: number): string[] {
  const { at, node, repository, backups, archive, failure, verified, gap, everyHours, emptySince, running } = report;
  const hoursSince = (time: string): number => (now - Date.parse(time)) / 3_600_000;
  const stale = hoursSince(at) * 3600 > STALE_SECONDS;
  const newest = backups.at(-1);
  const age = newest === undefined ? 0 : Math.floor(hoursSince(newest.stoppedAt));
  const empty = newest === undefined && typeof emptySince === "string" ? hoursSince(emptySince) : 0;
  const checks: (string | false)[] = [
    repository !== null && `The repository of the backups cannot be used: ${sentence(repository)}`,
    archive.failing && `The log is not archived (${archive.waiting} segments wait): what is written now is in no backup.`,
    gap !== null && `The log from ${gap} on is not in the archive: no moment after that can be restored until there is a new backup.`,
    newest?.damaged === true &&
      `Files of the database itself are damaged: backup ${newest.label} has pages with an invalid checksum; until one is whole, no backup is deleted.`,
    failure !== null && `The last ${failure.what} failed at ${failure.at}: ${sentence(failure.message)}`,
    newest !== undefined && age >= everyHours + LATE_HOURS && `The last backup is ${age} hours old; one is wanted every ${everyHours}.`,
    empty >= (running === null ? FIRST_HOURS : everyHours + LATE_HOURS) &&
      `There is no backup, ${hours(Math.floor(empty))} after the first one could be made${running === null ? "" : ` (${running} is under way)`}.`,
    verified?.ok === false && `The repository is damaged, as of ${verified.at}: ${sentence(verified.message ?? "")}`,
    stale && `Nobody has looked after the backups since ${at}, when ${node} did.`,
  ];
  return checks.filter((problem) => problem !== false);
}

function hours(count: number): string {
  return count === 1 ? "an hour" : `${count} hours`;
}

function sentence(text: string): string {
  return `${text.replace(/[.:]$/, "")}.`;
}
