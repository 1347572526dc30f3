-- A company on its way from one of several databases to another, which are Postgres. Empty here.

ALTER TABLE company_shards ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

CREATE TABLE shard_fences (
  company_id TEXT PRIMARY KEY NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('leaving', 'arriving', 'left'))
) STRICT;

CREATE INDEX shard_fences_moving ON shard_fences (company_id) WHERE state <> 'left';

CREATE TABLE shard_moves (
  company_id TEXT PRIMARY KEY NOT NULL,
  source TEXT NOT NULL,
  tables_done INTEGER NOT NULL,
  last_key TEXT,
  rows_copied INTEGER NOT NULL
) STRICT;

CREATE TABLE shard_changes (
  position INTEGER PRIMARY KEY,
  company_id TEXT NOT NULL,
  table_name TEXT NOT NULL,
  row_key TEXT NOT NULL
) STRICT;

CREATE INDEX shard_changes_company ON shard_changes (company_id, position);
