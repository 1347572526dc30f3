import assert from "node:assert/strict";
import { allLists, listStatements } from "../../support/list-plans";
import { withDatabase } from "./support";

describe("D10 query plans of every list on SQLite", () => {
  it("with 10,000 companies: each list, sort and filter reads one range of an index, without a scan or a sort", function () {
    this.timeout(60_000);
    return withDatabase(async (database) => {
      await database.transaction((transaction) =>
        transaction.script(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
          INSERT INTO companies (id, name, created_at, updated_at) SELECT 'c' || i, 'Company', '2026', '2026' FROM n; ANALYZE`),
      );
      const lists = allLists();
      const statements = listStatements(database, lists);
      for (const { list, table, filtered, sql, values } of statements) {
        const plan = (await database.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, values)).map(({ detail }) => detail).join("; ");
        const what = `${list}: ${sql}\n${plan}`;
        assert.match(plan, new RegExp(`SEARCH ${table} USING`), what);
        assert.doesNotMatch(plan, new RegExp(`SCAN ${table}|TEMP B-TREE`), what);
        for (const column of filtered) assert.match(plan, new RegExp(`\\b${column}=\\?`), what);
      }
      assert.ok(lists.length >= 2 && statements.length > 50, `${lists.length} lists, ${statements.length} statements`);
    });
  });
});
