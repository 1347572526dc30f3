import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Database, SqlValue } from "../../app/src/db/database";
import type { TableDefinition } from "../../app/src/db/tables";
import { TenantScope } from "../../app/src/db/tenant";
import type { ListDefinition } from "../../app/src/http/pagination";

const SOURCE = path.resolve(__dirname, "../../app/src");

interface AnyRow {
  readonly id: string;
  readonly [property: string]: SqlValue;
}

/** A list of the API and the table it pages through. */
export interface KnownList {
  readonly name: string;
  readonly list: ListDefinition<AnyRow>;
  readonly table: TableDefinition<AnyRow>;
}

/** One statement that a request may cause. */
export interface ListStatement {
  readonly list: string;
  readonly table: string;
  /** Columns that its index has to narrow down to, in any order. */
  readonly filtered: readonly string[];
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

/** Lists for operators, which no tenant's table is behind; the plans of each are looked at beside it: tests/app/events/activity.test.ts. */
const OF_ALL_COMPANIES: ReadonlySet<string> = new Set(["ACTIVITY_LIST"]);

/**
 * Every list of the app, found in its source: whatever is exported as `X_LIST` with the table whose name ends with the plural of X. A new
 * list is covered without being named here, and one without a table fails.
 */
export function allLists(): KnownList[] {
  const lists: [name: string, list: ListDefinition<AnyRow>][] = [];
  const tables: [name: string, table: TableDefinition<AnyRow>][] = [];
  for (const entry of readdirSync(SOURCE, { recursive: true, encoding: "utf8" })) {
    if (!entry.endsWith(".ts") || !/: (ListDefinition|TableDefinition)</.test(readFileSync(path.join(SOURCE, entry), "utf8"))) continue;
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- which modules there are is only known at run time
    for (const [name, value] of Object.entries(require(path.join(SOURCE, entry)) as Record<string, unknown>)) {
      if (typeof value !== "object" || value === null) continue;
      if ("sorts" in value && "filters" in value && !OF_ALL_COMPANIES.has(name)) lists.push([name, value as ListDefinition<AnyRow>]);
      else if ("tenantColumn" in value) tables.push([name, value as TableDefinition<AnyRow>]);
    }
  }
  return lists.map(([name, list]) => {
    const plural = `${name
      .replace(/_LIST$/, "")
      .replaceAll("_", "")
      .toLowerCase()}s`;
    const fitting = tables.filter(([table]) => table.toLowerCase().endsWith(plural));
    const exact = fitting.find(([table]) => table.toLowerCase() === plural) ?? fitting[0];
    assert.ok(exact, `${name} has no table whose name ends with "${plural}"`);
    return { name, list, table: exact[1] };
  });
}

/** Every statement the lists can cause: each sort, both directions, each combination of filters, by offset and by cursor, and the counts. */
export function listStatements(database: Database, lists: readonly KnownList[]): ListStatement[] {
  const scope = new TenantScope(database, "01890000-0000-7000-8000-000000000000");
  return lists.flatMap(({ name, list, table }) => {
    const filters = Object.entries(list.filters as Record<string, readonly SqlValue[] | "id" | undefined>).map(
      ([property, values]) =>
        [property, Array.isArray(values) ? (values as SqlValue[])[0] : "01890000-0000-7000-8000-000000000001"] as const,
    );
    const combinations = Array.from({ length: 2 ** filters.length }, (_, bits) => filters.filter((__, index) => (bits >> index) % 2 === 1));
    const always = (list.within ?? []).map((property) => [property, "01890000-0000-7000-8000-000000000002"] as const);
    return combinations.flatMap((chosen) => {
      const combination = [...always, ...chosen];
      const where = Object.fromEntries(combination) as Partial<AnyRow>;
      const filtered = [table.tenantColumn, ...combination.map(([property]) => table.columns[property] ?? "")];
      const rows = scope.table(table);
      const pages = list.sorts.flatMap((sort) =>
        [true, false].flatMap((descending) => [
          rows.pageStatement({ where, sort, descending, limit: 21 }),
          rows.pageStatement({
            where,
            sort,
            descending,
            limit: 21,
            after: { value: /cents|number|position|stock|year|size|bytes|count/i.test(sort) ? 5 : "2026-01-01T00:00:00.000Z", id: "x" },
          }),
        ]),
      );
      return [...pages, rows.countStatement(where, 10_000)].map(({ sql, values }) => ({
        list: name,
        table: table.table,
        filtered,
        sql,
        values,
      }));
    });
  });
}
