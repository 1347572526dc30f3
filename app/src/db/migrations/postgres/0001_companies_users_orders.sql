-- Tenants, their users, sessions and orders. Times are ISO 8601 text in UTC with milliseconds, so that text order is time order.
-- Collation C: text sorts by its bytes, as in SQLite, so that lists have the same order in every phase.

CREATE TABLE companies (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  name TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  plan TEXT COLLATE "C" NOT NULL DEFAULT 'FREE' CHECK (plan IN ('FREE', 'BASIC', 'PROFESSIONAL', 'ENTERPRISE')),
  last_order_number BIGINT NOT NULL DEFAULT 0,
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL
);

CREATE TABLE users (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL REFERENCES companies (id),
  -- Lower case. One address belongs to one company, so that logging in needs no company.
  email TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  role TEXT COLLATE "C" NOT NULL CHECK (role IN ('user', 'admin')),
  status TEXT COLLATE "C" NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'deactivated')),
  password_hash TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (company_id, id)
);

CREATE UNIQUE INDEX users_email ON users (email);
-- One index for each sort, and for each sort under the status filter.
CREATE INDEX users_company_created ON users (company_id, created_at, id);
CREATE INDEX users_company_email ON users (company_id, email, id);
CREATE INDEX users_company_status_created ON users (company_id, status, created_at, id);
CREATE INDEX users_company_status_email ON users (company_id, status, email, id);

CREATE TABLE sessions (
  -- SHA-256 of the session id: whoever reads this table cannot log in with it.
  id_hash TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  expires_at TEXT COLLATE "C" NOT NULL,
  FOREIGN KEY (company_id, user_id) REFERENCES users (company_id, id)
);

CREATE INDEX sessions_user ON sessions (company_id, user_id);
CREATE INDEX sessions_expires ON sessions (expires_at);

CREATE TABLE orders (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL REFERENCES companies (id),
  -- 1, 2, 3, … within the company, without gaps at creation.
  number BIGINT NOT NULL,
  customer_name TEXT COLLATE "C" NOT NULL CHECK (length(customer_name) BETWEEN 1 AND 200),
  status TEXT COLLATE "C" NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')),
  total_cents BIGINT NOT NULL CHECK (total_cents >= 0),
  currency TEXT COLLATE "C" NOT NULL CHECK (length(currency) = 3),
  notes TEXT COLLATE "C" NOT NULL DEFAULT '',
  created_by TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (company_id, number),
  -- The pair, not the id alone: an order cannot name a user of another company.
  FOREIGN KEY (company_id, created_by) REFERENCES users (company_id, id)
);

CREATE INDEX orders_company_created ON orders (company_id, created_at, id);
CREATE INDEX orders_company_updated ON orders (company_id, updated_at, id);
CREATE INDEX orders_company_total ON orders (company_id, total_cents, id);
CREATE INDEX orders_company_status_created ON orders (company_id, status, created_at, id);
CREATE INDEX orders_company_status_updated ON orders (company_id, status, updated_at, id);
CREATE INDEX orders_company_status_total ON orders (company_id, status, total_cents, id);
-- Checked whenever a user would be deleted.
CREATE INDEX orders_company_creator ON orders (company_id, created_by);
