import type { BackupStatus } from "../../../components/local/postgres-operator/src/status-types";
import { formatBytes } from "../../lib/table";
import { primaryNode, psql } from "../primary";
import { fail, pass, skip, verdict, type Check, type Outcome } from "../types";
import { until } from "../until";

/** Seconds until log that was just written is in the repository: Postgres waits 60 s after an attempt that failed, one that works takes a second. */
const ARCHIVE_SECONDS = 60;

/** Minutes after the start in which the first backup, and the first reading of the repository, need not be done: the primary waits for two. */
const SETTLING_MINUTES = 15;

const WITHOUT = "no backups are made: backups is false";

/** A row in the log, so that there is something to archive; then the segment it is in is closed before it is full. */
const CLOSE_SEGMENT = [
  "SELECT pg_logical_emit_message(true, 'phased-stack', 'verify') IS NOT NULL;",
  "SELECT pg_walfile_name(pg_current_wal_insert_lsn());",
  "SELECT pg_switch_wal() IS NOT NULL;",
].join("\n");

/** F8, B15: whether the data could be had back. That a restore works is proved by doing it: `npm run restore`, and its tests. */
export const backupChecks: readonly Check[] = [
  {
    id: "F8",
    title: "backups",
    target: "repository usable, last backup in time",
    phases: ["database"],
    async run(context) {
      const { expected, postgres } = context;
      if (!expected.backups) return skip(WITHOUT);
      const { backups } = await postgres();
      return backupsOutcome(backups, Date.now(), await startedAt(context));
    },
  },
  {
    id: "B15",
    title: "the repository of the backups was read",
    target: "every file as it was written",
    phases: ["database"],
    async run({ expected, postgres }) {
      return expected.backups ? verificationOutcome((await postgres()).backups, Date.now()) : skip(WITHOUT);
    },
  },
  {
    id: "F8",
    title: "what is written now reaches the archive",
    target: `within ${ARCHIVE_SECONDS} s`,
    phases: ["database"],
    async run(context) {
      if (!context.expected.backups) return skip(WITHOUT);
      const node = await primaryNode(context);
      const segment = (await psql(node, CLOSE_SEGMENT)).find((line) => /^[0-9A-F]{24}$/.test(line));
      if (segment === undefined) return fail("the primary does not say where its log is");
      const started = performance.now();
      const archived = await until(ARCHIVE_SECONDS, async () => {
        const [last = ""] = await psql(node, "SELECT last_archived_wal FROM pg_stat_archiver;");
        return isArchived(segment, last) ? (performance.now() - started) / 1000 : undefined;
      });
      return archived === undefined
        ? fail(`${segment} is not archived after ${ARCHIVE_SECONDS} s`)
        : pass(`after ${archived.toFixed(1)} s`);
    },
  },
];

/** When the primary's container started, ms. */
async function startedAt(context: Parameters<typeof primaryNode>[0]): Promise<number> {
  return Date.parse((await (await primaryNode(context)).inspect()).State.StartedAt);
}

/** Segments are archived in order; a history file says nothing. @param last as `pg_stat_archiver` has it */
export function isArchived(segment: string, last: string): boolean {
  return /^[0-9A-F]{24}(\.|$)/.test(last) && last.slice(0, 24) >= segment;
}

/** @param now @param primarySince both in ms */
export function backupsOutcome(backups: BackupStatus | null, now: number, primarySince: number): Outcome {
  if (backups === null) return fail("nobody knows of any: the primary tells nothing of backups");
  const [problem] = backups.problems;
  if (problem !== undefined) return fail(backups.problems.map((one) => one.replace(/\.$/, "")).join("; "));
  const last = backups.backups.at(-1);
  if (last === undefined) {
    const young = minutesSince(primarySince, now) < SETTLING_MINUTES;
    if (backups.running !== null) return skip(`the first one is being made (${backups.running})`);
    return young
      ? skip("the first one is begun two minutes after the primary's start; npm run backup makes it now")
      : fail("there is none");
  }
  const { archivedAt } = backups.archive;
  const archive = archivedAt === null ? "nothing archived yet" : `archive ${ageOf(archivedAt, now)} old`;
  return pass(
    `${backups.backups.length}, the last (${last.type}, ${formatBytes(last.sizeBytes)}) ${ageOf(last.stoppedAt, now)} old, ${archive}`,
  );
}

/** @param now in ms */
export function verificationOutcome(backups: BackupStatus | null, now: number): Outcome {
  if (backups === null) return fail("nobody knows of any backups");
  const { verified, running } = backups;
  if (verified !== null) {
    return verdict(verified.ok ? [] : [`damaged: ${verified.message ?? "no reason given"}`], `${ageOf(verified.at, now)} ago, whole`);
  }
  const first = backups.backups[0];
  if (first === undefined) return skip("there is no backup to read yet");
  if (running === "verification") return skip("it is being read for the first time");
  return minutesSince(Date.parse(first.stoppedAt), now) < SETTLING_MINUTES
    ? skip("it is read for the first time after the first backup; npm run backup -- --check reads it now")
    : fail("it has never been read");
}

function minutesSince(time: number, now: number): number {
  return (now - time) / 60_000;
}

/** For people: `40 s`, `12 min`, `5.0 h`. */
function ageOf(time: string, now: number): string {
  const minutes = minutesSince(Date.parse(time), now);
  if (minutes < 1) return `${Math.max(0, minutes * 60).toFixed(0)} s`;
  return minutes < 120 ? `${minutes.toFixed(0)} min` : `${(minutes / 60).toFixed(1)} h`;
}
