-- Figures of each company over time: requests, errors and response times, merged over all workers and instances.

CREATE TABLE company_metrics (
  -- No foreign key: figures outlive what they are about, and writing them must never fail.
  -- '*' is all companies together.
  company_id TEXT NOT NULL,
  -- Five minutes, hour, day or ISO week. Every delta is added to its row of each, so all are up to date and none is derived later.
  period TEXT NOT NULL CHECK (period IN ('window', 'hour', 'day', 'week')),
  starts_at TEXT NOT NULL,
  requests BIGINT NOT NULL,
  client_errors BIGINT NOT NULL,
  server_errors BIGINT NOT NULL,
  limited BIGINT NOT NULL,
  reads BIGINT NOT NULL,
  writes BIGINT NOT NULL,
  uploads BIGINT NOT NULL,
  chats BIGINT NOT NULL,
  -- Sum of all durations, whole milliseconds.
  total_ms BIGINT NOT NULL,
  -- Durations as counts by value, see observability/tenant-metrics-digest.
  digest TEXT NOT NULL,
  PRIMARY KEY (company_id, period, starts_at)
);

-- All companies of one period, and what is older than its retention.
CREATE INDEX company_metrics_period ON company_metrics (period, starts_at, company_id);
