import assert from "node:assert/strict";
import { Client } from "pg";
import { numberedParameters } from "../../app/src/db/postgres-sql";
import { openMigrated } from "../support/database";
import { allLists, listStatements } from "../support/list-plans";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";

/** 10,000 companies with a user and four orders each; one of them with many. */
const SEED = `
  INSERT INTO companies (id, name, created_at, updated_at)
    SELECT 'c' || i, 'Company', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z' FROM generate_series(1, 10000) AS i;
  INSERT INTO users (id, company_id, email, name, role, password_hash, created_at, updated_at)
    SELECT 'u' || i, 'c' || i, 'u' || i || '@example.org', 'User', 'admin', 'x', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z'
    FROM generate_series(1, 10000) AS i;
  INSERT INTO orders (id, company_id, number, customer_name, status, total_cents, currency, created_by, created_at, updated_at)
    SELECT 'o' || i, 'c' || company, i, 'Customer', (ARRAY['pending', 'confirmed', 'shipped', 'delivered', 'cancelled'])[1 + i % 5], i % 1000, 'EUR',
      'u' || company, '2026-01-01T00:00:' || (i % 60), '2026-01-01T00:00:' || (i % 50)
    FROM (SELECT i, CASE WHEN i <= 40000 THEN 1 + i % 10000 ELSE 1 END AS company FROM generate_series(1, 50000) AS i) AS numbered;
  ANALYZE`;

const SEEDED = new Set(["users", "orders"]);

describe("D10 query plans of every list on Postgres", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  before(async () => (postgres = await startPostgres()));
  const closing: (() => Promise<void>)[] = [];
  after(async () => {
    for (const close of closing) await close();
    await postgres.remove();
  });

  it("with 10,000 companies: no list, filter or sort scans a table, and each can do without a sort", async () => {
    const database = await openMigrated(postgres.url, { pool: { statementTimeoutMs: 0 } });
    await database.transaction((transaction) => transaction.script(SEED), { lock: "seed" });
    const lists = allLists();
    const statements = listStatements(database, lists);
    const client = new Client({ connectionString: postgres.url });
    await client.connect();
    closing.push(
      () => client.end(),
      () => database.close(),
    );
    const plan = async (sql: string, values: readonly unknown[]): Promise<string> => {
      const { rows } = await client.query<{ "QUERY PLAN": string }>(`EXPLAIN ${numberedParameters(sql)}`, [...values]);
      return rows.map((row) => row["QUERY PLAN"]).join("\n");
    };
    // As the planner likes it, for tables with rows; the large company and small ones.
    for (const { list, table, sql, values } of statements.filter((statement) => SEEDED.has(statement.table))) {
      for (const company of ["c1", "c777"]) {
        const text = await plan(sql, [company, ...values.slice(1)]);
        assert.doesNotMatch(text, new RegExp(`Seq Scan on ${table}`), `${list}: ${sql}\n${text}`);
      }
    }
    // A prepared statement may get a plan for whatever company comes, which cannot know that one of them is large.
    for (const { list, table, sql } of statements.filter((statement) => SEEDED.has(statement.table))) {
      const { rows } = await client.query<{ "QUERY PLAN": string }>(`EXPLAIN (GENERIC_PLAN) ${numberedParameters(sql)}`);
      const text = rows.map((row) => row["QUERY PLAN"]).join("\n");
      assert.match(text, /\$1/, text);
      assert.doesNotMatch(text, new RegExp(`Seq Scan on ${table}`), `${list}, generic: ${sql}\n${text}`);
    }
    // An empty table is scanned whatever its indexes; made expensive, a scan or a sort is only left where no index can replace it.
    for (const what of ["seqscan", "bitmapscan", "sort", "incremental_sort"]) await client.query(`SET enable_${what} = off`);
    for (const { list, sql, values } of statements) {
      const text = await plan(sql, values);
      assert.doesNotMatch(text, /Seq Scan|Sort/, `${list}: ${sql}\n${text}`);
      assert.match(text, /Index (Only )?Scan/, text);
    }
    assert.ok(lists.length >= 2 && statements.length > 50);
  });
});
