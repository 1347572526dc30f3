import { DatabaseSync } from "node:sqlite";
import { assetDirectory } from "../assets";
import { readMigrations } from "../db/migrate";
import { CARRIED_TABLES } from "./tables";

/** An index that no rule of the schema depends on: it can be made later. */
export interface SqliteIndex {
  readonly name: string;
  readonly table: string;
  /** Makes it. */
  readonly sql: string;
}

// One that is unique is a rule, and may be what a foreign key refers to; one without a text belongs to a key.
const PLAIN = `SELECT schema.name, schema.tbl_name, schema.sql FROM sqlite_schema AS schema
  JOIN pragma_index_list(schema.tbl_name) AS list ON list.name = schema.name
  WHERE schema.type = 'index' AND schema.sql IS NOT NULL AND NOT list."unique" ORDER BY schema.rowid`;

/**
 * The indexes of the carried tables that the app's migrations make, but for unique ones. By the migrations and not by the file that is filled: of
 * one that was interrupted they are gone, and an index that somebody made by hand is not ours to make.
 */
export function plainIndexes(): readonly SqliteIndex[] {
  const schema = new DatabaseSync(":memory:");
  try {
    for (const { sql } of readMigrations(assetDirectory("migrations/sqlite"))) schema.exec(sql);
    return schema
      .prepare(PLAIN)
      .all()
      .map((row) => ({ name: String(row["name"]), table: String(row["tbl_name"]), sql: String(row["sql"]) }))
      .filter(({ table }) => CARRIED_TABLES.some((carried) => carried === table));
  } finally {
    schema.close();
  }
}
