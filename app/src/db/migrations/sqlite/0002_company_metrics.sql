-- Figures of each company over time: requests, errors and response times, merged over all workers and instances.

CREATE TABLE company_metrics (
  -- No foreign key: figures outlive what they are about, and writing them must never fail.
  -- '*' is all companies together.
  company_id TEXT NOT NULL,
  -- Five minutes, hour, day or ISO week. Every delta is added to its row of each, so all are up to date and none is derived later.
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

-- All companies of one period, and what is older than its retention.
CREATE INDEX company_metrics_period ON company_metrics (period, starts_at, company_id);
