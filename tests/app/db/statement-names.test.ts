import assert from "node:assert/strict";
import fc from "fast-check";
import { isPreparable, MOST_NAMES, statementName, StatementNames } from "../../../app/src/db/statement-names";

describe("C1 names of prepared statements", () => {
  it("the same text has the same name in every process, another text another one, and all fit into 63 characters (property)", () => {
    assert.equal(statementName("SELECT 1"), "s_4ATr1bVTKkuFmEpi-K1IqB");
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ maxLength: 300 }), { maxLength: 20 }), (texts) => {
        const names = texts.map(statementName);
        assert.equal(new Set(names).size, texts.length);
        for (const name of names) assert.match(name, /^s_[\w-]{22}$/);
      }),
    );
  });

  it("only single statements that are planned are prepared", () => {
    for (const sql of [
      "SELECT id FROM orders WHERE id = $1",
      "\n  select 1",
      "INSERT INTO orders (id) VALUES ($1)",
      "UPDATE orders SET id = $1",
      "DELETE FROM orders",
      "WITH a AS (INSERT INTO b VALUES (1) RETURNING id) SELECT id FROM a",
      "VALUES (1)",
      "SELECT into_stock FROM products",
    ])
      assert.equal(isPreparable(sql), true, sql);
    for (const sql of [
      "SELECT 1; SELECT 2",
      "SELECT 1;",
      "BEGIN",
      "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL lock_timeout = 1",
      "COMMIT",
      "ROLLBACK",
      "SAVEPOINT a",
      "SET LOCAL lock_timeout = 1",
      "COPY orders FROM STDIN",
      "CREATE TABLE a (id BIGINT)",
      "ALTER TABLE a ADD b TEXT",
      "DROP TABLE a",
      "TRUNCATE a",
      "SELECT id INTO b FROM a",
      "LISTEN a",
      "VACUUM",
      "EXPLAIN SELECT 1",
      "DEALLOCATE ALL",
      "SELECTED",
      "",
    ])
      assert.equal(isPreparable(sql), false, sql);
  });

  it("a statement gets its name with its fifth use, and keeps it", () => {
    const names = new StatementNames();
    const sql = "SELECT id FROM orders WHERE id = $1";
    for (let use = 1; use < 5; use++) assert.equal(names.of(sql), undefined);
    assert.deepEqual(names.of(sql), { name: statementName(sql), text: sql, sql, generation: 0 });
    assert.equal(names.of(sql), names.of(sql));
    assert.equal(names.given, 1);
    for (let use = 1; use < 9; use++) assert.equal(names.of("COMMIT"), undefined);
  });

  it("never more names than the cap, whatever comes and however often it is renewed; it tells so once (property)", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ text: fc.nat(30), renew: fc.boolean() }), { maxLength: 300 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 3 }),
        (steps, most, uses) => {
          const told: string[] = [];
          const names = new StatementNames({ most, uses, onLimit: (why) => told.push(why) });
          const seen = new Map<string, string>();
          for (const { text, renew } of steps) {
            const sql = `SELECT ${text}`;
            const named = names.of(sql);
            if (named === undefined) continue;
            assert.ok(named.name === statementName(named.text) && named.sql === sql && named.text.startsWith(sql));
            assert.equal(seen.get(named.name) ?? named.text, named.text, "one name, one text");
            seen.set(named.name, named.text);
            if (renew) names.renew(named);
          }
          assert.ok(seen.size <= most && names.given <= most);
          assert.equal(told.length, names.given === most ? 1 : 0);
        },
      ),
    );
    const generic = 35;
    assert.ok(MOST_NAMES * generic < 2048, "a server's connection keeps less than it takes without them, KB");
  });

  it("texts that are used once and differ each time take no name, nor memory, from those that are used often", () => {
    const names = new StatementNames({ most: 5 });
    for (let index = 0; index < 10_000; index++) names.of(`SELECT ${index}`);
    assert.equal(names.given, 0);
    for (let use = 0; use < 5; use++) names.of("SELECT often");
    assert.notEqual(names.of("SELECT often"), undefined);
  });

  it("renewed once, however many connections come with the same news; the text differs, too, for a pooler that knows it by that", () => {
    const names = new StatementNames({ uses: 1 });
    const first = names.of("SELECT a") ?? assert.fail();
    for (let connection = 0; connection < 10; connection++) names.renew(first);
    const second = names.of("SELECT a") ?? assert.fail();
    assert.equal(names.given, 2);
    assert.notEqual(second.name, first.name);
    assert.equal(second.text, "SELECT a\n-- 1");
    names.renew(second);
    assert.equal(names.of("SELECT a")?.text, "SELECT a\n-- 2");
  });

  it("lost ten times, there are no names any more, and it tells so once", () => {
    const told: string[] = [];
    const names = new StatementNames({ uses: 1, onLimit: (why) => told.push(why) });
    for (let time = 0; time < 9; time++) names.lost();
    assert.notEqual(names.of("SELECT 1"), undefined);
    for (let time = 0; time < 5; time++) names.lost();
    assert.equal(names.of("SELECT 1"), undefined);
    assert.equal(told.length, 1);
  });
});
