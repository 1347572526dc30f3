import assert from "node:assert/strict";
import { type Change, carried, changeRow, changeSection } from "../../../toolchain/bench/phase-change/figures";

const CHANGE: Change = {
  ...{ from: "cluster", to: "database", updateMs: 61_234, rows: 1_000_000, rowsSeconds: 25, gapMs: 5678 },
  ...{ acknowledged: 900, failedWrites: 100, failedReads: 0, lost: 0 },
};

describe("figures of a change of phase", () => {
  it("rows and seconds are those that the moving container tells", () => {
    const log =
      "  orders: 3 rows, abc\n70012 rows from /data/app.db to pg-1/app in 4.25 s, both sides compared, no difference (complete)\nthe former file is kept as x";
    assert.deepEqual(carried(log), { rows: 70_012, rowsSeconds: 4.25 });
    assert.throws(() => carried("there is no app.db: nothing to move"), /does not say how many it moved: there is no app\.db/);
  });

  it("a row has rates and shares, and a section its circumstances", () => {
    assert.deepEqual(changeRow(CHANGE), [
      "cluster → database",
      "1,000,000",
      "25.0 s",
      "40,000",
      "61.2 s",
      "5.7 s",
      "100 of 1000",
      "0",
      "0",
    ]);
    const section = changeSection([CHANGE], 20, { date: "2026-11-22", machine: "2 cores", node: "24", pinned: true });
    assert.match(section, /^### 2026-11-22, 2 cores\n\nNode 24\. .* write 20 orders a second/);
    assert.match(section, /\n\| cluster → database \| 1,000,000 \|.*\| 0 \|\n$/);
  });
});
