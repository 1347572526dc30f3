import { type S3Repository, s3Options } from "./s3-repository";

/** When backups of a cluster are made, and how long they are kept. */
export interface BackupSettings {
  /** Hours after the last backup at which the next one is made: of what has changed since (incremental). */
  readonly everyHours: number;
  /** Days after the last full backup at which the next one is made. */
  readonly fullEveryDays: number;
  /** Days of which every moment can be restored. What is older is deleted after a full backup, once there is another one from before them. */
  readonly keepDays: number;
}

/** Where every node has the repository, unless it is elsewhere: a volume that all of them share. */
export const BACKUP_DIRECTORY = "/var/lib/pgbackrest";

/**
 * Memory of what looks after the backups, MiB of a node: measured were 12 of its own for the program that watches, 16 for pgBackRest while it
 * makes a backup, and 9 while it archives a segment of the log. It shares the container's limit with Postgres.
 */
export const BACKUP_MB = 40;

/**
 * The same with the repository in S3, where each process has TLS and the part it uploads: 10 for pgBackRest, 29 for its other process that
 * reads the database, and 25 while it archives a segment; 59 together were the most.
 */
export const S3_BACKUP_MB = 72;

const defaults = {
  /** Without a schedule nothing is made, and so nothing deleted; pgBackRest warns when it is told nothing. */
  keepDays: 7,
} as const;

/**
 * Settings with which Postgres hands its log to pgBackRest. A segment that is not full is archived after a minute: what was written later
 * would be lost together with all volumes of the nodes.
 */
export const ARCHIVE_SETTINGS = {
  archive_mode: "on",
  archive_command: "pgbackrest --stanza=postgres archive-push %p",
  archive_timeout: "60s",
} as const;

/**
 * Configuration of pgBackRest 2.55 in every node. It has no secret: keys come as a file, see s3-repository.ts.
 *
 * The log waits for a repository that does not take it, at most a gigabyte: then it is dropped, because a full disk would stop the primary.
 * That is noticed, and the next backup begins anew; see backups.py.
 */
export function renderPgbackrestConfig(settings: BackupSettings | undefined, repository?: S3Repository): string {
  const lines = {
    ...(repository === undefined ? { "repo1-path": BACKUP_DIRECTORY } : s3Options(repository)),
    // By time: two full backups in a row do not drive out those of a week.
    "repo1-retention-full-type": "time",
    "repo1-retention-full": settings?.keepDays ?? defaults.keepDays,
    // Small files together in one, and of large ones only the blocks that changed.
    "repo1-bundle": "y",
    "repo1-block": "y",
    "compress-type": "zst",
    "compress-level": 3,
    // A backup begins with a checkpoint; one that was broken off does not keep the next from starting.
    "start-fast": "y",
    "stop-auto": "y",
    // One core at most: the host has others to serve.
    "process-max": 1,
    "archive-push-queue-max": "1GiB",
    // The root of a container is read-only.
    "lock-path": "/tmp/pgbackrest",
    "spool-path": "/tmp/pgbackrest/spool",
    "log-level-console": "warn",
    "log-level-file": "off",
  };
  const node = {
    "pg1-path": "/var/lib/postgresql/data/node",
    "pg1-socket-path": "/var/run/postgresql",
    "pg1-user": "postgres",
    "pg1-database": "postgres",
  };
  const section = (name: string, values: object): string =>
    [`[${name}]`, ...Object.entries(values).map(([key, value]) => `${key}=${value}`), ""].join("\n");
  return `${section("global", lines)}\n${section("postgres", node)}`;
}

/** What backups.py goes by, as JSON: `null` where no backups are wanted. @throws RangeError for what is no schedule. */
export function renderBackupSchedule(settings: BackupSettings | undefined): string {
  for (const [field, value] of Object.entries(settings ?? {}) as [string, number][]) {
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`backups.${field}: ${value} is not allowed; use a whole number from 1.`);
  }
  return `${JSON.stringify(settings ?? null)}\n`;
}
