import assert from "node:assert/strict";
import path from "node:path";
import { readMigrations } from "../../app/src/db/migrate";
import { CARRIED_TABLES, LEFT_TABLES } from "../../app/src/transfer/tables";

const migrations = path.resolve(__dirname, "../../app/src/db/migrations");

/** Tables that the migrations of a dialect make, in their order, and what each refers to. */
function tablesOf(dialect: "sqlite" | "postgres"): Map<string, string[]> {
  const sql = readMigrations(path.join(migrations, dialect))
    .map((migration) => migration.sql.replace(/--.*$/gm, ""))
    .join("\n");
  const created = [...sql.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(([^;]*);/g)];
  return new Map(created.map(([, name = "", body = ""]) => [name, [...body.matchAll(/REFERENCES (\w+)/g)].map(([, other = ""]) => other)]));
}

describe("F1 tables of a transfer", () => {
  for (const dialect of ["sqlite", "postgres"] as const) {
    it(`each table of the ${dialect} migrations is carried, or left for a reason: a new one has to be decided in app/src/transfer/tables.ts`, () => {
      const made = ["schema_migrations", ...tablesOf(dialect).keys()].sort();
      assert.deepEqual([...CARRIED_TABLES, ...Object.keys(LEFT_TABLES)].sort(), made);
      for (const [table, reason] of Object.entries(LEFT_TABLES)) assert.ok(reason.length > 20, table);
    });

    it(`${dialect}: parents come before the tables that refer to them`, () => {
      const order: readonly string[] = CARRIED_TABLES;
      const tables = tablesOf(dialect);
      assert.ok(tables.size > 20);
      for (const [table, parents] of tables) {
        for (const parent of parents) assert.ok(order.indexOf(parent) < order.indexOf(table), `${parent} before ${table}`);
      }
    });
  }
});
