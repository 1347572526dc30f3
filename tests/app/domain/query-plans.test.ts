import assert from "node:assert/strict";
import { createId } from "../../../app/src/db/id";
import { TenantScope } from "../../../app/src/db/tenant";
import { PAGE_SIZES } from "../../../app/src/http/pagination";
import { withDatabase } from "../db/support";
import { LISTS, listStatements } from "./lists";

describe("D10 query plans of every list", () => {
  it("each sort under each combination of filters reads one range of an index: no scan, no sort", function () {
    this.timeout(20_000);
    return withDatabase(async (database) => {
      const statements = listStatements(new TenantScope(database, createId()));
      assert.ok(statements.length > 200, String(statements.length));
      for (const { sql, values, fixed, table } of statements) {
        const plan = (await database.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, values)).map(({ detail }) => detail).join("; ");
        assert.doesNotMatch(plan, new RegExp(`SCAN ${table}|TEMP B-TREE`), `${sql}: ${plan}`);
        const equalities = /INDEX \w+ \(([^)]*(?:\([^)]*\)[^)]*)*)\)/.exec(plan)?.[1]?.match(/\w+=\?/g) ?? [];
        assert.equal(equalities.length, fixed + 1, `the index answers the company and all filters; ${sql}: ${plan}`);
      }
    });
  });

  it("E5 each list has a size class, and none is unbounded", () => {
    for (const { list, definition } of LISTS) {
      const { default: usual, most } = PAGE_SIZES[list.size];
      assert.ok(usual <= most && most <= 1000, definition.table);
    }
    assert.deepEqual([...new Set(LISTS.map(({ list }) => list.size))].sort(), ["large", "medium", "small", "xlarge"]);
  });
});
