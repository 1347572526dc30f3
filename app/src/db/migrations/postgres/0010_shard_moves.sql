-- A company on its way from one of several databases to another. Empty otherwise.

-- Grows with every change of place, and with every write while a place is about to change: whoever moves a company sees by it that nobody
-- wrote since.
ALTER TABLE company_shards ADD COLUMN version BIGINT NOT NULL DEFAULT 1;

-- In the database a company leaves, is about to arrive at, or has left: here the directory has to be asked before every statement.
CREATE TABLE shard_fences (
  company_id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  state TEXT COLLATE "C" NOT NULL CHECK (state IN ('leaving', 'arriving', 'left'))
);

CREATE INDEX shard_fences_moving ON shard_fences (company_id) WHERE state <> 'left';

-- In the database a company arrives at: how far its rows have come.
CREATE TABLE shard_moves (
  company_id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  source TEXT NOT NULL,
  -- Number of tables that are here as a whole, and the key of the last row of the next one, as JSON.
  tables_done INTEGER NOT NULL,
  last_key TEXT,
  rows_copied BIGINT NOT NULL
);

-- In the database a company leaves: which of its rows were changed since its rows are being copied. Keys are JSON.
CREATE TABLE shard_changes (
  position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id TEXT COLLATE "C" NOT NULL,
  table_name TEXT NOT NULL,
  row_key TEXT NOT NULL
);

CREATE INDEX shard_changes_company ON shard_changes (company_id, position);

-- For triggers on the tables of a company that is being moved: the company, then the columns of the key.
CREATE FUNCTION note_shard_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  changed jsonb;
  key jsonb := '[]';
BEGIN
  IF TG_OP = 'DELETE' THEN changed := to_jsonb(OLD); ELSE changed := to_jsonb(NEW); END IF;
  FOR argument IN 1 .. TG_NARGS - 1 LOOP
    key := key || jsonb_build_array(changed -> TG_ARGV[argument]);
  END LOOP;
  INSERT INTO shard_changes (company_id, table_name, row_key) VALUES (TG_ARGV[0], TG_TABLE_NAME, key::text);
  RETURN NULL;
END
$$;
