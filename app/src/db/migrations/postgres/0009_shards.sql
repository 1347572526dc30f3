-- Several databases (DATABASE_SHARDS): the first one knows where each company is, and to which company an address logs in. Empty, and
-- never read, where there is one database.

-- Companies that were made since there are several databases. One without a row is in the first.
CREATE TABLE company_shards (
  company_id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  shard TEXT COLLATE "C" NOT NULL
);

-- Which company an e-mail address belongs to, or was promised to: written before the user, who may be in another database.
CREATE TABLE company_logins (
  email TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL,
  claimed_at TEXT COLLATE "C" NOT NULL
);

-- One row, in each of several databases: what DATABASE_SHARDS calls this one. Addresses that were exchanged are noticed by it.
CREATE TABLE shard_name (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  name TEXT NOT NULL
);
