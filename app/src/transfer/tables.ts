/** Tables that a transfer carries to the other database: parents before the tables that refer to them, so that every batch keeps all rules. */
export const CARRIED_TABLES = [
  "companies",
  "users",
  // Whoever is logged in stays logged in: the cookie's secret stays the same.
  "sessions",
  "quota_usage",
  "patients",
  "products",
  "orders",
  "order_items",
  "exams",
  "tax_computations",
  "filings",
  "filing_transitions",
  "chat_conversations",
  "chat_messages",
  // The acceptance of jobs: those without an outcome are put into the other side's queue by the app.
  "company_jobs",
  "documents",
  "document_usage",
  // Whoever repeats a request after the move gets the first answer, and nothing is created twice.
  "idempotency_keys",
  // Numbers go on where they were, and what was not published yet still is.
  "event_streams",
  "event_outbox",
  // Events that come again after the move have no second effect.
  "event_handled",
  "company_activity",
  "order_statistics",
  "company_metrics",
  // Entries of a shared cache from before the move are told from current ones by these, also on the way back.
  "cache_generations",
] as const;

export type CarriedTable = (typeof CARRIED_TABLES)[number];

/** Tables that stay behind, and why. */
export const LEFT_TABLES: Readonly<Record<string, string>> = {
  schema_migrations: "the other side's own migrations write it",
  leases: "who held a lease belongs to the deployment that is left; a lease ends by itself",
  queued_jobs: "the queue of the deployment that is left; the app puts every job without an outcome (company_jobs) into its new queue",
  paused_queues: "a pause is of the queue that is left; pause the new one if it is still wanted",
  company_shards: "where companies are among several databases is of the deployment that is left; what is carried is in one",
  company_logins: "users are found by their address again where they are carried to",
  shard_fences: "moves between several databases are of the deployment that is left",
  shard_moves: "moves between several databases are of the deployment that is left",
  shard_changes: "moves between several databases are of the deployment that is left",
  shard_name: "which of several databases one is, is written by its own migrations",
  redis_fence: "not copied but raised above both sides, so that nothing an old Redis still holds is ever believed",
};

/** What the transfer itself keeps in the database that is filled; see `state.ts`. */
export const OWN_TABLES = ["data_transfer", "data_transfer_tables"] as const;
