-- Events on their way to Kafka, and what consumers make of them. Times are ISO 8601 text in UTC with milliseconds.

-- How many events each company has published. Updating its row is what puts the transactions of one company in line, so that the order
-- of their events is the order of their commits.
CREATE TABLE event_streams (
  company_id TEXT PRIMARY KEY NOT NULL REFERENCES companies (id),
  last_number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Written in the transaction of the change that an event tells of, deleted once Kafka has acknowledged it. No foreign key: an event
-- outlives what it tells of.
CREATE TABLE event_outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  company_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  type TEXT NOT NULL,
  payload TEXT NOT NULL,
  occurred_at TEXT NOT NULL,
  UNIQUE (company_id, number)
) STRICT;

-- Work that one process of all instances does at a time. Both times are the database's clock.
CREATE TABLE leases (
  name TEXT PRIMARY KEY NOT NULL,
  owner TEXT NOT NULL,
  expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Written in the transaction of an event's effect: an event that comes again finds itself here and has no second one.
CREATE TABLE event_handled (
  event_id TEXT PRIMARY KEY NOT NULL,
  handled_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX event_handled_at ON event_handled (handled_at);

-- What happened in a company, for its admins.
CREATE TABLE company_activity (
  id TEXT PRIMARY KEY NOT NULL,
  company_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  type TEXT NOT NULL,
  summary TEXT NOT NULL,
  occurred_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX company_activity_occurred ON company_activity (company_id, occurred_at, id);

-- Orders created a day (UTC) and currency.
CREATE TABLE order_statistics (
  company_id TEXT NOT NULL,
  day TEXT NOT NULL,
  currency TEXT NOT NULL,
  orders INTEGER NOT NULL,
  total_cents INTEGER NOT NULL,
  PRIMARY KEY (company_id, day, currency)
) STRICT, WITHOUT ROWID;

CREATE INDEX company_activity_age ON company_activity (occurred_at);
