import assert from "node:assert/strict";
import fc from "fast-check";
import { isRead, numberedParameters } from "../../../app/src/db/postgres-sql";

describe("C1 statements for Postgres", () => {
  it("numbers parameters, and leaves question marks in strings, names and comments", () => {
    const cases: readonly (readonly [string, string])[] = [
      ["SELECT 1", "SELECT 1"],
      ["SELECT ?, ? FROM t WHERE a = ?", "SELECT $1, $2 FROM t WHERE a = $3"],
      ["SELECT '?', ?", "SELECT '?', $1"],
      ["SELECT 'it''s ?', ?", "SELECT 'it''s ?', $1"],
      ["SELECT '\\', ?", "SELECT '\\', $1"],
      ["SELECT E'\\'?', ?", "SELECT E'\\'?', $1"],
      ["SELECT e'\\\\', ?", "SELECT e'\\\\', $1"],
      ["SELECT made'\\', ?", "SELECT made'\\', $1"],
      ['SELECT "who?" FROM t WHERE a = ?', 'SELECT "who?" FROM t WHERE a = $1'],
      ['SELECT "a""?" , ?', 'SELECT "a""?" , $1'],
      ["SELECT 1 -- why?\n, ?", "SELECT 1 -- why?\n, $1"],
      ["SELECT 1 /* a? /* b? */ c? */, ?", "SELECT 1 /* a? /* b? */ c? */, $1"],
      ["SELECT $$ ? $$, $x$ ? $$ ? $x$, ?", "SELECT $$ ? $$, $x$ ? $$ ? $x$, $1"],
      ["SELECT a$b$ + ? - c$b$", "SELECT a$b$ + $1 - c$b$"],
      ["SELECT 1 - ? / ?", "SELECT 1 - $1 / $2"],
      ["SELECT 'never closed ?", "SELECT 'never closed ?"],
    ];
    for (const [sql, expected] of cases) assert.equal(numberedParameters(sql), expected);
  });

  it("whatever stands between quoted parts, every mark outside is numbered in order and nothing else changes (property)", () => {
    const plain = fc.stringMatching(/^[a-z =,()]{0,8}$/).map((text) => ` ${text} `);
    const inner = fc.stringMatching(/^[a-z? ]{0,8}$/);
    const quoted = fc.oneof(
      inner.map((text) => `'${text}''${text}'`),
      inner.map((text) => `"${text}"`),
      inner.map((text) => `/*${text}*/`),
      inner.map((text) => `--${text}\n`),
      inner.map((text) => `$q$${text}$q$`),
    );
    const piece = fc.oneof(
      plain.map((text) => ({ text, mark: false })),
      quoted.map((text) => ({ text, mark: false })),
      fc.constant({ text: "?", mark: true }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        let count = 0;
        // A space between, so that no two pieces make a third.
        const expected = pieces.map(({ text, mark }) => (mark ? `$${(count += 1)}` : text)).join(" ");
        assert.equal(numberedParameters(pieces.map(({ text }) => text).join(" ")), expected);
      }),
      { numRuns: 500 },
    );
  });

  it("tells reads, which may be repeated, from everything else", () => {
    for (const sql of ["SELECT 1", " \n select 1", "VALUES (1)", "EXPLAIN SELECT 1"]) assert.ok(isRead(sql), sql);
    for (const sql of ["UPDATE t SET a = 1 RETURNING a", "WITH x AS (DELETE FROM t) SELECT 1", "SELECTED", "INSERT INTO t VALUES (1)"])
      assert.ok(!isRead(sql), sql);
  });
});
