/*
 * What `node main.js status` of the operator prints as one line of JSON, and `GET /status` answers. Sizes are bytes, times ISO 8601.
 * `null` stands for what could not be found out.
 */

/** What a node does now, asked of its own Patroni. */
export interface MemberStatus {
  /** `pg-1`, … */
  readonly name: string;
  /** `unknown` when its Patroni does not answer. */
  readonly role: "primary" | "standby" | "unknown";
  /** Of the server, in Patroni's words (`running`, `streaming`, `starting`, `stopped`, `crashed` …), or `unreachable`. */
  readonly state: string;
  /** Rises by one with every change of the primary; of all nodes that follow the same. */
  readonly timeline: number | null;
  /** Log the primary has written and this node has not replayed yet; 0 for the primary. */
  readonly lagBytes: number | null;
  /**
   * Whether commits wait for it, as the primary sees it: `quorum` and `sync` do, `potential` may, `async` does not. `null` for the primary
   * itself and for who does not stream from it.
   */
  readonly sync: "quorum" | "sync" | "potential" | "async" | null;
  /** A changed setting waits for a restart of the server. */
  readonly pendingRestart: boolean;
}

/** One pool of PgBouncer: a database and a user. */
export interface PoolStatus {
  readonly database: string;
  readonly user: string;
  /** Clients whose transaction has a connection to the server, or that are idle. */
  readonly clientsActive: number;
  /** Clients that wait for a connection. */
  readonly clientsWaiting: number;
  /** Connections to the server that are in use. */
  readonly serversActive: number;
  readonly serversIdle: number;
  /** For how long the first of the waiting clients has waited, milliseconds. */
  readonly longestWaitMs: number;
  /** Whether it holds back all statements: a switchover is under way, or somebody said `PAUSE`. */
  readonly paused: boolean;
}

/** The part of the operator that frees the lease of a dead primary. */
export interface ReaperStatus {
  /** Rounds are completed: etcd answers. */
  readonly healthy: boolean;
  /** Rounds completed and failed since the operator started. */
  readonly rounds: number;
  readonly failedRounds: number;
  /** Rounds in a row, up to now, in which the primary looked dead. */
  readonly suspiciousRounds: number;
  /** Leases taken from dead primaries since the operator started. */
  readonly reaped: number;
}

/** A backup in the repository. */
export interface Backup {
  /** Its name: the moment it began, and of an incremental one that of the full backup it rests on first. */
  readonly label: string;
  readonly type: "full" | "diff" | "incr";
  readonly startedAt: string;
  readonly stoppedAt: string;
  /** Of the primary it was made of. */
  readonly timeline: number;
  /** Of the database, and of what this backup added to the repository. */
  readonly sizeBytes: number;
  readonly storedBytes: number;
  /** Whether pages of the database had another checksum than theirs; left out by nodes of older images, which do not tell of such backups. */
  readonly damaged?: boolean | undefined;
  /** Label of the whole backup that a restore takes instead of a damaged one, if there is one; told only to who restores. */
  readonly instead?: string | null | undefined;
}

/** A timeline that began when another one ended: with a change of the primary, or with a restore. */
export interface Fork {
  readonly timeline: number;
  readonly parent: number;
  readonly at: string;
  /** With a restore to a moment: that moment. Whatever its parent has from then to {@link at} is on the parent only. */
  readonly to: string | null;
}

/** What the primary tells of the backups every 10 s, by way of etcd: components/local/postgres/backups.py writes it. */
export interface BackupReport {
  readonly at: string;
  /** Who told it. */
  readonly node: string;
  readonly everyHours: number;
  readonly fullEveryDays: number;
  readonly keepDays: number;
  /** Why the repository cannot be read. */
  readonly repository: string | null;
  /** Oldest first. */
  readonly backups: readonly Backup[];
  readonly restores: readonly Fork[];
  readonly archive: {
    readonly archivedAt: string | null;
    /** For longer than Postgres takes to try again. */
    readonly failing: boolean;
    /** Since the server's statistics began. */
    readonly failures: number;
    /** Segments that are not archived yet. */
    readonly waiting: number;
  };
  /** What is under way, e.g. `full backup`. */
  readonly running: string | null;
  /** The last backup, when it failed. */
  readonly failure: { readonly at: string; readonly what: string; readonly message: string } | null;
  /** When the whole repository was last read. */
  readonly verified: { readonly at: string; readonly ok: boolean; readonly message: string | null } | null;
  /** When log was dropped that could not be archived, until there is a backup made after that. */
  readonly gap: string | null;
  /** Since when the repository can be used and has no backup; left out by nodes of older images. */
  readonly emptySince?: string | null;
}

/** {@link BackupReport} with what is wrong, as the operator sees it. */
export interface BackupStatus extends BackupReport {
  /** One sentence each. They are not among the problems of {@link PostgresStatus}: the database itself is well. */
  readonly problems: readonly string[];
}

/** How a planned switchover ended; also what `POST /switchover` answers. */
export interface SwitchoverResult {
  readonly ok: boolean;
  /** One sentence for people: what happened, or why nothing did. */
  readonly message: string;
  readonly from: string | null;
  readonly to: string | null;
  /** For how long writes were held back, milliseconds. 0 when nothing was paused. */
  readonly heldMs: number;
  readonly at: string;
}

/** The database as a whole. */
export interface PostgresStatus {
  readonly at: string;
  /** A primary that nobody doubts, a standby that has every acknowledged write, and all nodes follow: {@link problems} is empty. */
  readonly healthy: boolean;
  /** One sentence each, the gravest first. */
  readonly problems: readonly string[];
  /** Who holds the lease in etcd. */
  readonly leader: string | null;
  /** Patroni was told to leave everything as it is (`patronictl pause`): no failover. */
  readonly automaticFailover: boolean | null;
  /** All nodes of the stack, in order, whether they answer or not. */
  readonly members: readonly MemberStatus[];
  /** `null` when PgBouncer does not answer. */
  readonly pools: readonly PoolStatus[] | null;
  readonly reaper: ReaperStatus;
  /** A switchover is under way. */
  readonly switchoverRunning: boolean;
  /** The last one since the operator started. */
  readonly lastSwitchover: SwitchoverResult | null;
  /** As the primary told it last; `null` when it never did. */
  readonly backups: BackupStatus | null;
  /** One sentence when backups are wanted, and nobody has told of any for too long. */
  readonly backupsUnknown: string | null;
}
