-- Patients, products, order items, exams, tax computations, filings, chat, and what each company has used of its plan.
-- One index for each sort, alone and under each combination of the filters its list offers.
-- Collation C: text sorts by its bytes, as in SQLite, so that a list has the same order in every phase.

ALTER TABLE orders ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX orders_company_id ON orders (company_id, id);

-- Rows of a resource that count towards the plan's quota. Changed in the same transaction as the rows, so it is never off.
CREATE TABLE quota_usage (
  company_id TEXT COLLATE "C" NOT NULL REFERENCES companies (id),
  resource TEXT COLLATE "C" NOT NULL CHECK (resource IN ('users', 'patients', 'orders', 'products', 'exams')),
  used BIGINT NOT NULL CHECK (used >= 0),
  PRIMARY KEY (company_id, resource)
);

INSERT INTO quota_usage (company_id, resource, used)
  SELECT company_id, 'users', count(*) FROM users WHERE status = 'active' GROUP BY company_id;
INSERT INTO quota_usage (company_id, resource, used)
  SELECT company_id, 'orders', count(*) FROM orders GROUP BY company_id;

CREATE TABLE patients (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL REFERENCES companies (id),
  given_name TEXT COLLATE "C" NOT NULL CHECK (length(given_name) BETWEEN 1 AND 200),
  family_name TEXT COLLATE "C" NOT NULL CHECK (length(family_name) BETWEEN 1 AND 200),
  -- A calendar date, YYYY-MM-DD.
  birth_date TEXT COLLATE "C" NOT NULL CHECK (length(birth_date) = 10),
  email TEXT,
  phone TEXT,
  status TEXT COLLATE "C" NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'archived')),
  notes TEXT NOT NULL DEFAULT '',
  version INTEGER NOT NULL DEFAULT 1,
  created_by TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (company_id, id),
  FOREIGN KEY (company_id, created_by) REFERENCES users (company_id, id)
);

CREATE INDEX patients_company_created ON patients (company_id, created_at, id);
CREATE INDEX patients_company_family ON patients (company_id, family_name, id);
CREATE INDEX patients_company_status_created ON patients (company_id, status, created_at, id);
CREATE INDEX patients_company_status_family ON patients (company_id, status, family_name, id);
-- Checked whenever a user would be deleted.
CREATE INDEX patients_company_creator ON patients (company_id, created_by);

CREATE TABLE products (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL REFERENCES companies (id),
  sku TEXT COLLATE "C" NOT NULL CHECK (length(sku) BETWEEN 1 AND 64),
  name TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  category TEXT COLLATE "C" NOT NULL CHECK (category IN ('frame', 'lens', 'contact-lens', 'accessory', 'service')),
  price_cents BIGINT NOT NULL CHECK (price_cents >= 0),
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  version INTEGER NOT NULL DEFAULT 1,
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (company_id, id),
  UNIQUE (company_id, sku)
);

CREATE INDEX products_company_created ON products (company_id, created_at, id);
CREATE INDEX products_company_name ON products (company_id, name, id);
CREATE INDEX products_company_price ON products (company_id, price_cents, id);
CREATE INDEX products_company_category_created ON products (company_id, category, created_at, id);
CREATE INDEX products_company_category_name ON products (company_id, category, name, id);
CREATE INDEX products_company_category_price ON products (company_id, category, price_cents, id);

CREATE TABLE order_items (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL,
  order_id TEXT COLLATE "C" NOT NULL,
  -- 1, 2, 3, … within the order.
  position INTEGER NOT NULL,
  product_id TEXT COLLATE "C" NOT NULL,
  -- Name and price at the time of the order: what the product becomes later does not change what was sold.
  name TEXT COLLATE "C" NOT NULL,
  unit_price_cents BIGINT NOT NULL CHECK (unit_price_cents >= 0),
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  FOREIGN KEY (company_id, order_id) REFERENCES orders (company_id, id) ON DELETE CASCADE,
  FOREIGN KEY (company_id, product_id) REFERENCES products (company_id, id)
);

CREATE INDEX order_items_company_order ON order_items (company_id, order_id, position, id);
-- Checked whenever a product would be deleted.
CREATE INDEX order_items_company_product ON order_items (company_id, product_id);

CREATE TABLE exams (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL REFERENCES companies (id),
  patient_id TEXT COLLATE "C" NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('refraction', 'tonometry', 'fundus', 'contact-lens-fitting')),
  status TEXT COLLATE "C" NOT NULL DEFAULT 'scheduled' CHECK (status IN ('scheduled', 'completed', 'cancelled')),
  scheduled_at TEXT COLLATE "C" NOT NULL,
  findings TEXT NOT NULL DEFAULT '',
  version INTEGER NOT NULL DEFAULT 1,
  created_by TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL,
  FOREIGN KEY (company_id, patient_id) REFERENCES patients (company_id, id),
  FOREIGN KEY (company_id, created_by) REFERENCES users (company_id, id)
);

CREATE INDEX exams_company_scheduled ON exams (company_id, scheduled_at, id);
CREATE INDEX exams_company_status_scheduled ON exams (company_id, status, scheduled_at, id);
CREATE INDEX exams_company_patient_scheduled ON exams (company_id, patient_id, scheduled_at, id);
CREATE INDEX exams_company_patient_status_scheduled ON exams (company_id, patient_id, status, scheduled_at, id);
CREATE INDEX exams_company_creator ON exams (company_id, created_by);

CREATE TABLE tax_computations (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL REFERENCES companies (id),
  tax_year INTEGER NOT NULL,
  filing_status TEXT NOT NULL CHECK (filing_status IN ('single', 'married-jointly', 'married-separately', 'head-of-household')),
  gross_income_cents BIGINT NOT NULL CHECK (gross_income_cents >= 0),
  adjustments_cents BIGINT NOT NULL CHECK (adjustments_cents >= 0),
  deduction_kind TEXT NOT NULL CHECK (deduction_kind IN ('standard', 'itemized')),
  deduction_cents BIGINT NOT NULL CHECK (deduction_cents >= 0),
  taxable_income_cents BIGINT NOT NULL CHECK (taxable_income_cents >= 0),
  tax_cents BIGINT NOT NULL CHECK (tax_cents >= 0),
  -- Hundredths of a percent.
  marginal_rate_bp INTEGER NOT NULL,
  effective_rate_bp INTEGER NOT NULL,
  -- What fell into each bracket, as JSON.
  brackets TEXT NOT NULL,
  created_by TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (company_id, id),
  FOREIGN KEY (company_id, created_by) REFERENCES users (company_id, id)
);

CREATE INDEX tax_computations_company_created ON tax_computations (company_id, created_at, id);
CREATE INDEX tax_computations_company_tax ON tax_computations (company_id, tax_cents, id);
CREATE INDEX tax_computations_company_year_created ON tax_computations (company_id, tax_year, created_at, id);
CREATE INDEX tax_computations_company_year_tax ON tax_computations (company_id, tax_year, tax_cents, id);
CREATE INDEX tax_computations_company_creator ON tax_computations (company_id, created_by);

CREATE TABLE filings (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL REFERENCES companies (id),
  taxpayer_name TEXT NOT NULL CHECK (length(taxpayer_name) BETWEEN 1 AND 200),
  tax_year INTEGER NOT NULL,
  -- A calendar date, YYYY-MM-DD.
  due_on TEXT COLLATE "C" NOT NULL CHECK (length(due_on) = 10),
  computation_id TEXT COLLATE "C",
  status TEXT COLLATE "C" NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'submitted', 'accepted', 'rejected', 'withdrawn')),
  version INTEGER NOT NULL DEFAULT 1,
  created_by TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (company_id, id),
  FOREIGN KEY (company_id, computation_id) REFERENCES tax_computations (company_id, id),
  FOREIGN KEY (company_id, created_by) REFERENCES users (company_id, id)
);

CREATE INDEX filings_company_created ON filings (company_id, created_at, id);
CREATE INDEX filings_company_due ON filings (company_id, due_on, id);
CREATE INDEX filings_company_status_created ON filings (company_id, status, created_at, id);
CREATE INDEX filings_company_status_due ON filings (company_id, status, due_on, id);
CREATE INDEX filings_company_year_created ON filings (company_id, tax_year, created_at, id);
CREATE INDEX filings_company_year_due ON filings (company_id, tax_year, due_on, id);
CREATE INDEX filings_company_status_year_created ON filings (company_id, status, tax_year, created_at, id);
CREATE INDEX filings_company_status_year_due ON filings (company_id, status, tax_year, due_on, id);
CREATE INDEX filings_company_computation ON filings (company_id, computation_id);
CREATE INDEX filings_company_creator ON filings (company_id, created_by);

-- Every change of a filing's status: who, when, from what to what.
CREATE TABLE filing_transitions (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL,
  filing_id TEXT COLLATE "C" NOT NULL,
  from_status TEXT NOT NULL,
  to_status TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  created_by TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  FOREIGN KEY (company_id, filing_id) REFERENCES filings (company_id, id) ON DELETE CASCADE,
  FOREIGN KEY (company_id, created_by) REFERENCES users (company_id, id)
);

CREATE INDEX filing_transitions_company_filing ON filing_transitions (company_id, filing_id, created_at, id);
CREATE INDEX filing_transitions_company_creator ON filing_transitions (company_id, created_by);

CREATE TABLE chat_conversations (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL,
  user_id TEXT COLLATE "C" NOT NULL,
  title TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
  -- Messages so far; the position of the last one.
  message_count INTEGER NOT NULL DEFAULT 0,
  created_at TEXT COLLATE "C" NOT NULL,
  updated_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (company_id, id),
  FOREIGN KEY (company_id, user_id) REFERENCES users (company_id, id)
);

CREATE INDEX chat_conversations_company_user_updated ON chat_conversations (company_id, user_id, updated_at, id);

CREATE TABLE chat_messages (
  id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
  company_id TEXT COLLATE "C" NOT NULL,
  conversation_id TEXT COLLATE "C" NOT NULL,
  -- 1, 2, 3, … within the conversation.
  position INTEGER NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
  -- An answer that its reader did not wait for is kept as far as it came.
  status TEXT COLLATE "C" NOT NULL CHECK (status IN ('complete', 'cancelled', 'failed')),
  content TEXT NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  FOREIGN KEY (company_id, conversation_id) REFERENCES chat_conversations (company_id, id) ON DELETE CASCADE
);

CREATE INDEX chat_messages_company_conversation ON chat_messages (company_id, conversation_id, position, id);
