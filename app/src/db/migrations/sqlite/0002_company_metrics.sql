-- Figures of each company over time: requests, errors and response times, merged over all workers and instances.

CREATE TABLE company_metrics (
  -- No foreign key: figures outlive what they are about, and writing them must never fail.
  company_id TEXT NOT NULL,
  -- Length of the period; each is rolled up from the one before.
  period TEXT NOT NULL CHECK (period IN ('window', 'hour', 'day', 'week')),
  starts_at TEXT NOT NULL,
  requests INTEGER NOT NULL,
  client_errors INTEGER NOT NULL,
  server_errors INTEGER NOT NULL,
  limited INTEGER NOT NULL,
  reads INTEGER NOT NULL,
  writes INTEGER NOT NULL,
  uploads INTEGER NOT NULL,
  chats INTEGER NOT NULL,
  -- Sum of all durations, whole milliseconds.
  total_ms INTEGER NOT NULL,
  -- Durations as counts by value, see observability/tenant-metrics-digest.
  digest TEXT NOT NULL,
  PRIMARY KEY (company_id, period, starts_at)
) STRICT, WITHOUT ROWID;

-- All companies of one period (summary, roll-up), and what is older than its retention.
CREATE INDEX company_metrics_period ON company_metrics (period, starts_at, company_id);

-- Periods that were rolled up, or that someone rolls up right now.
CREATE TABLE company_metrics_rollups (
  period TEXT NOT NULL,
  starts_at TEXT NOT NULL,
  claimed_at TEXT NOT NULL,
  done_at TEXT,
  PRIMARY KEY (period, starts_at)
) STRICT, WITHOUT ROWID;
