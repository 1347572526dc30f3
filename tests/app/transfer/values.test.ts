import assert from "node:assert/strict";
import fc from "fast-check";
import { Meter, progressLine } from "../../../app/src/transfer/progress";
import { canonical, columnKind, kindOfType, RowsChecksum, type Value } from "../../../app/src/transfer/values";

const checksum = (rows: readonly (readonly Value[])[]): string => {
  const sum = new RowsChecksum();
  for (const row of rows) sum.add(row);
  return sum.toString();
};

describe("F1 values of a transfer", () => {
  it("what SQLite and Postgres write differently has one form", () => {
    const pairs: readonly (readonly [Parameters<typeof canonical>[0], string, string])[] = [
      ["boolean", "1", "t"],
      ["boolean", "0", "f"],
      ["integer", "9007199254740993", "9007199254740993"],
      ["number", "0.1", "0.10"],
      ["number", "100.0", "1e2"],
      ["timestamp", "2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05.678+00"],
      ["timestamp", "2026-01-02T03:04:05.000Z", "2026-01-02 05:04:05+02"],
      ["json", '{"b":1,"a":[{"d":null,"c":"x"}]}', '{"a": [{"c": "x", "d": null}], "b": 1}'],
      ["bytes", "00ff", "\\x00FF"],
    ];
    for (const [kind, sqlite, postgres] of pairs) assert.equal(canonical(kind, sqlite), canonical(kind, postgres), kind);
    assert.equal(canonical("text", " 01 "), " 01 ");
    assert.throws(() => canonical("timestamp", "yesterday"), /"yesterday" is no time/);
  });

  it("a column is what the side says that has more types; two that have nothing in common are refused", () => {
    assert.equal(columnKind("t.c", kindOfType("INTEGER"), kindOfType("boolean")), "boolean");
    assert.equal(columnKind("t.c", kindOfType("timestamp with time zone"), kindOfType("TEXT")), "timestamp");
    assert.equal(columnKind("t.c", kindOfType("TEXT"), kindOfType("jsonb")), "json");
    assert.equal(columnKind("t.c", kindOfType("bigint"), kindOfType("INTEGER")), "integer");
    assert.throws(() => columnKind("t.c", "text", "integer"), /^TransferError: t\.c is text on one side and integer on the other/);
    assert.throws(() => kindOfType("point"), /type "point"/);
  });

  it("the checksum does not depend on order or on batches, and finds rows that are lost, doubled, or changed", () => {
    const value = fc.option(fc.string({ maxLength: 5 }));
    const rows = fc.array(fc.array(value, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(rows, fc.nat(), (given, at) => {
        const cut = at % given.length;
        const whole = checksum(given);
        assert.equal(checksum([...given].reverse()), whole);
        const first = new RowsChecksum();
        for (const row of given.slice(0, cut)) first.add(row);
        const rest = new RowsChecksum({ text: first.toString(), rows: first.rows });
        for (const row of given.slice(cut)) rest.add(row);
        assert.deepEqual([rest.toString(), rest.rows], [whole, given.length]);
        assert.notEqual(checksum(given.filter((_, index) => index !== cut)), whole);
        assert.notEqual(checksum([...given, given[cut] ?? []]), whole);
        const changed = given.map((row, index) => (index === cut ? [`${row[0] ?? ""}!`, row[1] ?? null] : row));
        assert.notEqual(checksum(changed), whole);
      }),
    );
  });

  it("values cannot move from one column to the next unnoticed, and NULL is not empty", () => {
    assert.notEqual(checksum([["ab", "c"]]), checksum([["a", "bc"]]));
    assert.notEqual(checksum([["1:a;", "b"]]), checksum([["1", "a;1:b"]]));
    assert.notEqual(checksum([[null, "x"]]), checksum([["", "x"]]));
  });
});

describe("F1 progress of a transfer", () => {
  it("tells rows a second over the last seconds, and the time left; rows of a former run count as done, not as speed", () => {
    let now = 0;
    const meter = new Meter(10_000, () => now);
    meter.add(4000, { earlier: true });
    assert.equal(meter.secondsLeft, undefined);
    now = 1000;
    meter.add(2000);
    assert.deepEqual([meter.rowsPerSecond, meter.secondsLeft], [2000, 2]);
    const line = progressLine({ step: "copying", table: "orders", rows: 6000, of: 10_000, rowsPerSecond: 2000, secondsLeft: 1.2 });
    assert.equal(line, "copying orders: 6,000 of 10,000 rows, 2,000 rows/s, 2 s left");
  });
});
