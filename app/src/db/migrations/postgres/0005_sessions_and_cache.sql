-- What caches compare with: each change of a company's rows gives the table's name another random generation, in the same transaction.
-- An entry made under another generation is out of date, whichever process made it.
CREATE TABLE cache_generations (
  company_id TEXT NOT NULL,
  -- A table or namespace, `*` for everything of the company, or one of a fixed number of buckets of tags: never one row per object.
  name TEXT NOT NULL,
  generation TEXT NOT NULL,
  PRIMARY KEY (company_id, name)
);

-- One row. The epoch is part of every Redis key of sessions and cache. Whoever could not delete something in Redis raises it,
-- so that what Redis still holds is never read again; so does whoever finds Redis restarted, which may have lost its last second.
CREATE TABLE redis_fence (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  epoch INTEGER NOT NULL,
  -- Redis' own id of its process, new at every start.
  run_id TEXT NOT NULL
);

INSERT INTO redis_fence (id, epoch, run_id) VALUES (1, 1, '');

-- Operators of the whole platform; given by the admin token only.
ALTER TABLE users ADD COLUMN platform_admin INTEGER NOT NULL DEFAULT 0 CHECK (platform_admin IN (0, 1));
