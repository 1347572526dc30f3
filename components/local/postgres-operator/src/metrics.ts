import type { KnownBackups } from "./backups";
import type { BackupStatus, ReaperStatus } from "./status-types";
import type { Switchover } from "./switchover";

function metric(name: string, type: string, help: string, ...samples: (readonly [labels: string, value: number])[]): string {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map(([labels, value]) => `${name}${labels} ${value}`), ""].join(
    "\n",
  );
}

/** What Prometheus is told. Where no backups are made, there is no figure of them; where nobody tells of those that are wanted, one problem. */
export function renderMetrics(
  reaper: ReaperStatus,
  switchover: Pick<Switchover, "counts" | "last" | "running">,
  { backups, backupsUnknown }: KnownBackups,
): string {
  return [
    metric("postgres_reaper_healthy", "gauge", "Whether rounds are completed.", ["", reaper.healthy ? 1 : 0]),
    metric("postgres_reaper_rounds_total", "counter", "Rounds completed.", ["", reaper.rounds]),
    metric("postgres_reaper_failed_rounds_total", "counter", "Rounds that failed.", ["", reaper.failedRounds]),
    metric("postgres_reaper_suspicious_rounds", "gauge", "Rounds in a row in which the primary looked dead.", [
      "",
      reaper.suspiciousRounds,
    ]),
    metric("postgres_reaper_reaped_total", "counter", "Leases taken from dead primaries.", ["", reaper.reaped]),
    metric(
      "postgres_switchovers_total",
      "counter",
      "Planned switchovers asked for, by what came of them.",
      ...Object.entries(switchover.counts).map(([outcome, count]) => [`{outcome="${outcome}"}`, count] as const),
    ),
    metric("postgres_switchover_running", "gauge", "Whether one is under way.", ["", switchover.running === undefined ? 0 : 1]),
    metric("postgres_switchover_held_seconds", "gauge", "For how long the last one held writes back.", [
      "",
      (switchover.last?.heldMs ?? 0) / 1000,
    ]),
    ...(backups === null ? (backupsUnknown === null ? [] : [problemsMetric(1)]) : backupMetrics(backups)),
  ].join("");
}

function problemsMetric(count: number): string {
  return metric("postgres_backup_problems", "gauge", "Sentences npm run status has about the backups.", ["", count]);
}

function backupMetrics({ problems, backups, archive, verified }: BackupStatus): string[] {
  const seconds = (time: string): number => Date.parse(time) / 1000;
  const whole = backups.filter(({ damaged }) => damaged !== true);
  const [newest, full] = [whole.at(-1), whole.findLast(({ type }) => type === "full")];
  const last = [
    ...(newest === undefined ? [] : [['{type="any"}', seconds(newest.stoppedAt)] as const]),
    ...(full === undefined ? [] : [['{type="full"}', seconds(full.stoppedAt)] as const]),
  ];
  const archived = archive.archivedAt === null ? [] : [["", seconds(archive.archivedAt)] as const];
  return [
    problemsMetric(problems.length),
    metric(
      "postgres_backup_last_success_timestamp_seconds",
      "gauge",
      "When the last backup without damaged pages ended, Unix time.",
      ...last,
    ),
    metric("postgres_backup_stored_bytes", "gauge", "What all backups take in the repository, without the log.", [
      "",
      backups.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    ]),
    metric("postgres_backup_repository_damaged", "gauge", "Whether the last verification found damage.", [
      "",
      verified?.ok === false ? 1 : 0,
    ]),
    metric("postgres_archive_failing", "gauge", "Whether the log is not archived.", ["", archive.failing ? 1 : 0]),
    metric("postgres_archive_waiting_segments", "gauge", "Segments of 16 MiB that are not archived yet.", ["", archive.waiting]),
    metric("postgres_archive_last_success_timestamp_seconds", "gauge", "When log was last archived, Unix time.", ...archived),
  ];
}
