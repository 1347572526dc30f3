import { z } from "zod";
import type { Backup, Fork } from "../../components/local/postgres-operator/src/status-types";
import { UserError } from "./errors";

/** What there is to restore. */
export interface Repository {
  /** Oldest first. */
  readonly backups: readonly Backup[];
  readonly restores: readonly Fork[];
}

/** How a moment is restored. */
export interface RestorePlan {
  /** Label of the backup to begin with. */
  readonly set: string;
  /** Timeline to follow from there, or `latest`. */
  readonly timeline: number | "latest";
  /** As Postgres reads it, or `latest`. */
  readonly target: string;
  /** Whether pages of that backup have an invalid checksum, and there is no whole one to begin with. */
  readonly damaged: boolean;
}

/** A stack that is written to archives every minute: within this time of the last segment it may still run. An idle one is not seen. */
const STILL_USED_MS = 180_000;

/** Whose backups they are. */
export interface RepositoryOwner {
  /** Of another database than the stack's. */
  readonly foreign: boolean;
  readonly writtenAt: string | null;
}

/**
 * Whether they may be restored: those of another database only when that is wanted, and when nobody else goes on with it. Two stacks with one
 * database would both add to the repository, each what the other does not have.
 * @param restore the command that restores the same moment of this stack, with these words, for what repairs it
 * @param now in ms
 * @throws UserError when not.
 */
export function checkOwner(
  { foreign, writtenAt }: RepositoryOwner,
  restore: (...words: readonly string[]) => string,
  fromRepository: boolean,
  now: number,
): void {
  if (!foreign) {
    if (fromRepository) throw new UserError("--from-repository: the backups are this stack's own already", restore());
    return;
  }
  if (!fromRepository) {
    throw new UserError(
      "the repository has the backups of another database than this stack's, whose data would be replaced by it",
      restore("--from-repository"),
    );
  }
  const ageMs = writtenAt === null ? Infinity : now - Date.parse(writtenAt);
  if (ageMs < STILL_USED_MS) {
    throw new UserError(
      `somebody archived log in the repository ${Math.max(0, Math.round(ageMs / 1000))} s ago: the stack whose backups these are still runs`,
      `bring it down, and try again ${STILL_USED_MS / 60_000} minutes later`,
    );
  }
}

/**
 * Since when log is missing in the archive that no backup makes up for; `undefined` when nobody knows.
 * @param told by a node; `undefined` of an image from before it told that
 * @param noticed by the primary, as the operator passes it on: until the next backup by schedule, whoever made one meanwhile
 */
export function gapOf(
  told: string | null | undefined,
  noticed: string | null | undefined,
  backups: readonly Backup[],
): string | null | undefined {
  if (told !== undefined) return told;
  if (typeof noticed !== "string") return noticed;
  return backups.some(({ startedAt }) => Date.parse(startedAt) > Date.parse(noticed)) ? null : noticed;
}

/** What is known of log that the archive does not have. */
export interface KnownGap {
  /** The moment to go back to, as it was given. */
  readonly to: string;
  /** Since when log is missing that no newer backup makes up for; `undefined` when that could not be found out. */
  readonly gap: string | null | undefined;
  /** Whether the backups are those of another database, of which nothing newer is here. */
  readonly foreign: boolean;
  /** Whether the operator has said that the restore may end at the gap. */
  readonly accepted: boolean;
}

/**
 * Whether the data of before have to be kept: they, and nothing else, may have what was written after the gap. Replay ends at a gap as it
 * does at the end of the log, so that a restore to the latest moment would not tell.
 * @param restore the command that restores the same moment although there is a gap
 * @throws UserError when it would end there, and nobody has said that it may.
 */
export function checkGap({ to, gap, foreign, accepted }: KnownGap, restore: () => string): boolean {
  const moment = parseMoment(to);
  if (typeof gap === "string" && !accepted && (moment === "latest" || moment.ms > Date.parse(gap))) {
    const hole = `log is missing in the archive from ${gap} on`;
    if (moment !== "latest") {
      throw new UserError(`${hole}, and --to ${to} is after that`, `choose an earlier moment; ${restore()} tries it nevertheless`);
    }
    throw foreign
      ? new UserError(`${hole}: a restore to the latest moment ends there`, restore())
      : new UserError(
          `${hole}: a restore to the latest moment ends there, and what was written since is nowhere but in the data it would replace`,
          `npm run backup, where Postgres serves: from that backup on all is there again. Otherwise ${restore()}, which keeps those data`,
        );
  }
  return gap !== null && !foreign;
}

const EXAMPLE = "2026-01-31T12:00:00Z or 2026-01-31T13:00:00.5+01:00";

/**
 * A moment as people give it, as Postgres reads it, in UTC and to the microsecond.
 * @throws UserError when it is no ISO 8601 time with a zone.
 */
export function parseMoment(text: string): { readonly ms: number; readonly target: string } | "latest" {
  if (text === "latest") return text;
  const parts = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,6}))?(?:Z|[+-]\d\d:\d\d)$/.exec(text);
  if (parts === null || !z.iso.datetime({ offset: true }).safeParse(text).success) {
    throw new UserError(`--to ${JSON.stringify(text)} is no time; allowed: ISO 8601 with a zone, such as ${EXAMPLE}, or latest`);
  }
  const ms = Date.parse(text);
  const seconds = new Date(ms).toISOString().slice(0, 19).replace("T", " ");
  return { ms, target: `${seconds}.${(parts[1] ?? "").padEnd(6, "0")}+00` };
}

/**
 * Chooses the backup and the timeline for a moment: what was the database then. A restore in the past began a timeline of its own; what was
 * written between the moment it went back to and the restore itself is on the timeline before, and is found there. A backup with damaged
 * pages is the last choice: with the log from an earlier one on they come out whole.
 *
 * @param to as {@link parseMoment} reads it
 * @param now in ms
 * @throws UserError with the range that can be restored.
 */
export function restorePlan({ backups, restores }: Repository, to: string, now: number): RestorePlan {
  const moment = parseMoment(to);
  const [oldest] = backups;
  if (oldest === undefined) throw new UserError("there is no backup to restore from", "npm run backup makes one");
  const restoredBy = restoredForks(restores);
  if (moment === "latest") {
    const path = backups.filter(({ stoppedAt }) => onPath(stoppedAt, restoredBy));
    return { ...chosen(path.at(-1) ?? oldest, path), timeline: "latest", target: "latest" };
  }
  const range = `allowed: from ${oldest.stoppedAt} to now (${new Date(now).toISOString()}), or latest`;
  if (moment.ms > now) throw new UserError(`--to ${to} is in the future; ${range}`);
  // Forks that had not been made at that moment are none of its past.
  const past = restoredBy.filter(({ at }) => Date.parse(at) <= moment.ms);
  const next = restoredBy.find(({ at }) => Date.parse(at) > moment.ms);
  const path = backups.filter(({ stoppedAt }) => Date.parse(stoppedAt) <= moment.ms && onPath(stoppedAt, past));
  const newest = path.at(-1);
  if (newest === undefined) throw new UserError(`--to ${to} is before what the backups cover; ${range}`);
  return { ...chosen(newest, path), timeline: next === undefined ? "latest" : timelineBefore(next, restores), target: moment.target };
}

/** That backup, or the whole one that there is instead of it, when that is on the path, too. */
function chosen(newest: Backup, path: readonly Backup[]): Pick<RestorePlan, "set" | "damaged"> {
  if (newest.damaged !== true) return { set: newest.label, damaged: false };
  const whole = path.find(({ label, damaged }) => label === newest.instead && damaged !== true);
  return { set: (whole ?? newest).label, damaged: whole === undefined };
}

/** The timeline that was the database's until that restore. Numbers only grow. */
function timelineBefore({ timeline }: Fork, forks: readonly Fork[]): number {
  return Math.max(1, ...forks.map((fork) => fork.timeline).filter((number) => number < timeline));
}

/** Timelines that began with a restore, by when. */
function restoredForks(restores: readonly Fork[]): (Fork & { readonly to: string })[] {
  return restores
    .filter((fork): fork is Fork & { readonly to: string } => fork.to !== null)
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

/** Whether what ended at that time was kept by the restores since: they left out what came after their moment and before themselves. */
function onPath(stoppedAt: string, forks: readonly (Fork & { readonly to: string })[]): boolean {
  const ended = Date.parse(stoppedAt);
  return !forks.some(({ at, to }) => ended > Date.parse(to) && ended < Date.parse(at));
}
