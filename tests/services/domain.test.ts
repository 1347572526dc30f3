import assert from "node:assert/strict";
import { quotaUsage } from "../../app/src/db/domain-tables";
import { TenantScope } from "../../app/src/db/tenant";
import { listStatements } from "../app/domain/lists";
import { newPatient } from "../app/domain/support";
import { ConformingClient } from "../app/http/conformance";
import { useEveryOperation } from "../app/http/every-operation";
import { TestApp } from "../app/http/support";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";

const COMPANIES = 10_000;

/** So many in one statement: the app gives up a statement after ten seconds. */
const BATCH = 1000;

/** Two users and a few rows of everything for each company, written by the server itself. */
const fill = (from: number, to: number): string[] => [
  `INSERT INTO companies (id, name, plan, created_at, updated_at)
     SELECT 'c' || n, 'C', 'FREE', '2026-01-01', '2026-01-01' FROM generate_series(${from}, ${to}) n`,
  `INSERT INTO users (id, company_id, email, name, role, password_hash, created_at, updated_at)
     SELECT 'u' || n || '-' || k, 'c' || n, 'u' || n || '-' || k || '@example.org', 'U', 'user', 'x', '2026-01-0' || k, '2026-01-01'
     FROM generate_series(${from}, ${to}) n, generate_series(1, 2) k`,
  `INSERT INTO orders (id, company_id, number, customer_name, total_cents, currency, created_by, created_at, updated_at)
     SELECT 'o' || n || '-' || k, 'c' || n, k, 'B', k, 'EUR', 'u' || n || '-1', '2026-01-0' || k, '2026-01-01'
     FROM generate_series(${from}, ${to}) n, generate_series(1, 3) k`,
  `INSERT INTO products (id, company_id, sku, name, category, price_cents, currency, created_at, updated_at)
     SELECT 'p' || n || '-' || k, 'c' || n, 'S' || k, 'P' || k, 'frame', k, 'EUR', '2026-01-0' || k, '2026-01-01'
     FROM generate_series(${from}, ${to}) n, generate_series(1, 3) k`,
  `INSERT INTO patients (id, company_id, given_name, family_name, birth_date, created_by, created_at, updated_at)
     SELECT 'p' || n || '-' || k, 'c' || n, 'G', 'F' || k, '1984-05-17', 'u' || n || '-1', '2026-01-0' || k, '2026-01-01'
     FROM generate_series(${from}, ${to}) n, generate_series(1, 3) k`,
  `INSERT INTO exams (id, company_id, patient_id, kind, scheduled_at, created_by, created_at, updated_at)
     SELECT 'e' || n || '-' || k, 'c' || n, 'p' || n || '-' || k, 'fundus', '2026-01-0' || k, 'u' || n || '-1', '2026-01-01', '2026-01-01'
     FROM generate_series(${from}, ${to}) n, generate_series(1, 3) k`,
  `INSERT INTO tax_computations (id, company_id, tax_year, filing_status, gross_income_cents, adjustments_cents, deduction_kind,
       deduction_cents, taxable_income_cents, tax_cents, marginal_rate_bp, effective_rate_bp, brackets, created_by, created_at)
     SELECT 't' || n || '-' || k, 'c' || n, 2025, 'single', k, 0, 'standard', 0, k, k, 1000, 1000, '[]', 'u' || n || '-1', '2026-01-0' || k
     FROM generate_series(${from}, ${to}) n, generate_series(1, 3) k`,
  `INSERT INTO filings (id, company_id, taxpayer_name, tax_year, due_on, created_by, created_at, updated_at)
     SELECT 'f' || n || '-' || k, 'c' || n, 'T', 2025, '2026-04-0' || k, 'u' || n || '-1', '2026-01-0' || k, '2026-01-01'
     FROM generate_series(${from}, ${to}) n, generate_series(1, 3) k`,
  `INSERT INTO chat_conversations (id, company_id, user_id, title, created_at, updated_at)
     SELECT 'v' || n || '-' || k, 'c' || n, 'u' || n || '-1', 'T', '2026-01-01', '2026-01-0' || k
     FROM generate_series(${from}, ${to}) n, generate_series(1, 3) k`,
  `INSERT INTO chat_messages (id, company_id, conversation_id, position, role, status, content, created_at)
     SELECT 'm' || n || '-' || k, 'c' || n, 'v' || n || '-1', k, 'user', 'complete', 'Q', '2026-01-01'
     FROM generate_series(${from}, ${to}) n, generate_series(1, 3) k`,
];

/** Tables of {@link fill}; the others are as good as empty, where any plan is right. */
const FILLED = /users|orders|products|patients|exams|tax_computations|filings|chat_/;

describe("E5 E6 D10 the domain on Postgres", function () {
  this.timeout(240_000);
  let postgres: PostgresGroup;
  let app: TestApp;
  let other: TestApp;
  before(async () => {
    postgres = await startPostgres();
    const shared = { ...postgres.environment, CHAT_LATENCY_MS: "0", SESSION_SECRET: "one secret for both of the instances" };
    app = await TestApp.start(shared);
    other = await TestApp.start(shared);
  });
  after(async () => {
    await other.remove();
    await app.remove();
    await postgres.remove();
  });

  it("E5 every operation answers as the OpenAPI description says, as on SQLite", async () => {
    app.container.jobs.start();
    await useEveryOperation(await ConformingClient.of(app));
  });

  it("E6 quotas are exact under 200 concurrent creates through two instances", async () => {
    const { token, companyId } = await app.signUp();
    await app.container.database.run("INSERT INTO quota_usage (company_id, resource, used) VALUES (?, 'patients', 459)", [companyId]);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        (index % 2 === 0 ? app : other).request("POST", "/api/patients", { token, json: newPatient() }),
      ),
    );
    const counts = [201, 402].map((status) => answers.filter((answer) => answer.status === status).length);
    assert.deepEqual(counts, [41, 159], answers.find(({ status }) => status !== 201 && status !== 402)?.text);
    assert.equal((await new TenantScope(app.container.database, companyId).table(quotaUsage).find("patients"))?.used, 500);
  });

  it("D10 at 10,000 companies no list, under any filter, in any order, scans a table", async () => {
    const { database } = app.container;
    for (let from = 1; from <= COMPANIES; from += BATCH) {
      for (const sql of fill(from, from + BATCH - 1)) await database.run(sql);
    }
    for (const table of [
      "users",
      "orders",
      "products",
      "patients",
      "exams",
      "tax_computations",
      "filings",
      "chat_conversations",
      "chat_messages",
    ]) {
      await database.run(`ANALYZE ${table}`);
    }
    const statements = listStatements(new TenantScope(database, "c77"), { userId: "u77-1", conversationId: "v77-1" });
    let looked = 0;
    for (const { sql, values, table } of statements.filter((statement) => FILLED.test(statement.table))) {
      const rows = await database.all<Record<string, unknown>>(`EXPLAIN (FORMAT JSON) ${sql}`, values);
      const plan = JSON.stringify(rows);
      assert.doesNotMatch(plan, /Seq Scan/, `${sql}: ${plan}`);
      assert.match(plan, new RegExp(`Index[^}]*${table}_`), sql);
      looked += 1;
    }
    assert.ok(looked > 150, String(looked));
  });
});
