/** One parameter of a group, as RDS takes it. */
export interface Parameter {
  readonly name: string;
  readonly value: string;
  readonly applyMethod: "immediate" | "pending-reboot";
}

/** Statements that take longer are logged, milliseconds. */
const SLOW_STATEMENT_MS = 1000;

/**
 * A transaction that waits for its client for longer is ended, milliseconds: it holds locks and keeps dead rows. The app's statements end
 * after 10 s.
 */
const IDLE_TRANSACTION_MS = 60_000;

/**
 * Parameters of the server, for the primary and its replicas alike: a replica that allowed fewer connections than its primary would not start.
 * The rest is RDS' own choice for the size of the instance.
 * @param maxConnections connections a server accepts; a change waits for the next restart
 */
export function serverParameters(maxConnections: number): readonly Parameter[] {
  return [
    { name: "rds.force_ssl", value: "1", applyMethod: "immediate" },
    { name: "max_connections", value: String(maxConnections), applyMethod: "pending-reboot" },
    { name: "log_statement", value: "ddl", applyMethod: "immediate" },
    { name: "log_min_duration_statement", value: String(SLOW_STATEMENT_MS), applyMethod: "immediate" },
    { name: "log_lock_waits", value: "1", applyMethod: "immediate" },
    { name: "idle_in_transaction_session_timeout", value: String(IDLE_TRANSACTION_MS), applyMethod: "immediate" },
    { name: "shared_preload_libraries", value: "pg_stat_statements", applyMethod: "pending-reboot" },
  ];
}

/** Family of parameter groups of an engine version: `17` and `17.4` are `postgres17`. */
export function parameterFamily(engineVersion: string): string {
  return `postgres${engineVersion.split(".")[0] ?? ""}`;
}
