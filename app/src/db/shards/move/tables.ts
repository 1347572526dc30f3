/** A table with rows of companies, as a move carries it. */
export interface MovedTable {
  readonly name: string;
  /** Column with the company's id. */
  readonly company: string;
  /** Columns that tell the company's rows apart; all of them text. Empty: the company has one row. */
  readonly key: readonly string[];
  readonly primaryKey: readonly string[];
  /** A column that must be unique: a row may have the value that another one had before. @default none */
  readonly exchangeable?: string;
}

/** Parents before the tables that refer to them, so that every batch keeps all rules. */
export const MOVED_TABLES: readonly MovedTable[] = [
  { name: "companies", company: "id", key: [], primaryKey: ["id"] },
  table("users"),
  table("sessions", ["id_hash"]),
  table("quota_usage", ["resource"]),
  table("patients"),
  { ...table("products"), exchangeable: "sku" },
  table("orders"),
  table("order_items"),
  table("exams"),
  table("tax_computations"),
  table("filings"),
  table("filing_transitions"),
  table("chat_conversations"),
  table("chat_messages"),
  { ...table("company_jobs"), exchangeable: "idempotency_key" },
  table("documents"),
  table("document_usage", []),
  table("idempotency_keys", ["user_id", "key"]),
  table("cache_generations", ["name"]),
  table("event_streams", []),
];

/** Events that are not published yet: carried at the very end, so that they stay in their order and behind what is published. */
export const OUTBOX: MovedTable = table("event_outbox");

/** Tables whose rows stay where they are, and why. */
export const UNMOVED_TABLES: Readonly<Record<string, string>> = {
  company_metrics: "figures of all companies are in the first database, wherever their rows are",
  event_handled: "effects of events are in the first database, wherever the company is",
  company_activity: "the activity log of all companies is in the first database",
  order_statistics: "effects of events are in the first database, wherever the company is",
  company_shards: "the directory is in the first database; the move changes it",
  company_logins: "the directory is in the first database; the move completes it",
  shard_name: "tells which database this is",
  shard_fences: "tells of moves themselves",
  shard_moves: "tells of moves themselves",
  shard_changes: "tells of moves themselves",
  leases: "belong to processes of this database, and to no company",
  queued_jobs: "the embedded queue is in the first database; jobs of companies are in company_jobs",
  paused_queues: "a queue is of all companies, and in the first database",
  redis_fence: "belongs to Redis, and is in the first database",
  schema_migrations: "written by the migrations of each database",
};

function table(name: string, key: readonly string[] = ["id"]): MovedTable {
  const isUnique = key.length === 1 && (key[0] === "id" || key[0] === "id_hash");
  return { name, company: "company_id", key, primaryKey: isUnique ? key : ["company_id", ...key] };
}
