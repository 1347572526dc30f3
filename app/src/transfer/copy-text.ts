import type { Value, ValueKind } from "./values";

/** What separates values and rows in the text format of COPY, or begins an escape, may not be in a value as it is. */
const SPECIAL = /[\\\t\n\r]/g;
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/**
 * Rows in the text format of Postgres' COPY (https://www.postgresql.org/docs/17/sql-copy.html, "Text Format").
 * @param kinds of the columns, in the order of the values
 * @param rows canonical values; see `values.ts`
 */
export function copyText(kinds: readonly ValueKind[], rows: readonly (readonly Value[])[]): string {
  let text = "";
  for (const row of rows) {
    for (const [index, kind] of kinds.entries()) {
      if (index > 0) text += "\t";
      text += fieldOf(kind, row[index] ?? null);
    }
    text += "\n";
  }
  return text;
}

function fieldOf(kind: ValueKind, value: Value): string {
  if (value === null) return "\\N";
  // Of a bytea the server reads `\x…`, whose backslash is escaped as any other.
  if (kind === "bytes") return `\\\\x${value}`;
  return value.replace(SPECIAL, (character) => ESCAPES[character] ?? character);
}
