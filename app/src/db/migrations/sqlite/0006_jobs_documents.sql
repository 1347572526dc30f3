-- Jobs of companies, the embedded job queue, and documents.

-- What a company asked for. The row is the acceptance: whatever happens to a queue, its job is put there again until it has an outcome.
CREATE TABLE company_jobs (
  id TEXT PRIMARY KEY NOT NULL,
  company_id TEXT NOT NULL REFERENCES companies (id),
  queue TEXT NOT NULL CHECK (queue IN ('tax-computation', 'ocr-processing', 'document-processing')),
  outcome TEXT NOT NULL DEFAULT 'open' CHECK (outcome IN ('open', 'completed', 'failed', 'cancelled')),
  priority TEXT NOT NULL CHECK (priority IN ('high', 'normal', 'low')),
  -- JSON.
  payload TEXT NOT NULL,
  result TEXT,
  error TEXT,
  -- What it is about: the id of a document or of a computation.
  subject_id TEXT NOT NULL,
  idempotency_key TEXT,
  created_by TEXT NOT NULL,
  -- Not to be started before; absent: at once.
  not_before TEXT,
  created_at TEXT NOT NULL,
  finished_at TEXT,
  FOREIGN KEY (company_id, created_by) REFERENCES users (company_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX company_jobs_company_created ON company_jobs (company_id, created_at, id);
CREATE INDEX company_jobs_company_outcome_created ON company_jobs (company_id, outcome, created_at, id);
CREATE INDEX company_jobs_company_queue_created ON company_jobs (company_id, queue, created_at, id);
CREATE INDEX company_jobs_company_outcome_queue_created ON company_jobs (company_id, outcome, queue, created_at, id);
CREATE INDEX company_jobs_company_subject ON company_jobs (company_id, subject_id);
-- Checked whenever a user would be deleted.
CREATE INDEX company_jobs_company_creator ON company_jobs (company_id, created_by);
CREATE UNIQUE INDEX company_jobs_idempotency ON company_jobs (company_id, queue, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Jobs that a queue may have lost, and outcomes that are old enough to go.
CREATE INDEX company_jobs_outcome_created ON company_jobs (outcome, created_at);

-- The queue itself, where neither Redis nor Postgres keeps it.
CREATE TABLE queued_jobs (
  id TEXT PRIMARY KEY NOT NULL,
  queue TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'delayed', 'active', 'completed', 'failed', 'cancelled')),
  -- 1 is first.
  priority INTEGER NOT NULL,
  payload TEXT NOT NULL,
  run_at TEXT NOT NULL,
  attempts_started INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL,
  progress INTEGER NOT NULL DEFAULT 0,
  -- Who runs it, and until when nobody else may.
  lease_owner TEXT,
  lease_expires_at TEXT,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  result TEXT,
  error TEXT,
  created_at TEXT NOT NULL,
  started_at TEXT,
  finished_at TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX queued_jobs_next ON queued_jobs (queue, state, priority, run_at, id);
CREATE INDEX queued_jobs_due ON queued_jobs (state, run_at);
CREATE INDEX queued_jobs_leases ON queued_jobs (state, lease_expires_at);
CREATE INDEX queued_jobs_finished ON queued_jobs (queue, state, finished_at, id);

CREATE TABLE paused_queues (
  queue TEXT PRIMARY KEY NOT NULL,
  paused_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
  id TEXT PRIMARY KEY NOT NULL,
  company_id TEXT NOT NULL REFERENCES companies (id),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  media_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
  -- Of the content, 64 hex digits; also where the content lies.
  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
  -- Metadata and checksum check.
  status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processed', 'failed')),
  pages INTEGER,
  width INTEGER,
  height INTEGER,
  text_status TEXT NOT NULL CHECK (text_status IN ('pending', 'extracted', 'unsupported', 'failed')),
  extracted_text TEXT,
  -- The text was longer than what is kept.
  text_truncated INTEGER NOT NULL DEFAULT 0,
  created_by TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (company_id, id),
  FOREIGN KEY (company_id, created_by) REFERENCES users (company_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX documents_company_created ON documents (company_id, created_at, id);
CREATE INDEX documents_company_name ON documents (company_id, name, id);
CREATE INDEX documents_company_size ON documents (company_id, size_bytes, id);
CREATE INDEX documents_company_status_created ON documents (company_id, status, created_at, id);
CREATE INDEX documents_company_status_name ON documents (company_id, status, name, id);
CREATE INDEX documents_company_status_size ON documents (company_id, status, size_bytes, id);
CREATE INDEX documents_company_sha256 ON documents (company_id, sha256);
CREATE INDEX documents_company_creator ON documents (company_id, created_by);

-- What a company's documents take up; changed in the same transaction as they are.
CREATE TABLE document_usage (
  company_id TEXT PRIMARY KEY NOT NULL REFERENCES companies (id),
  documents INTEGER NOT NULL CHECK (documents >= 0),
  bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT, WITHOUT ROWID;
