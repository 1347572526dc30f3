import assert from "node:assert/strict";
import fc from "fast-check";
import { formatBytes, formatDuration, renderTable, visibleWidth } from "../../../toolchain/lib/table";

describe("tables", () => {
  it("align their columns and carry no frame", () => {
    const text = renderTable(
      ["service", "state"],
      [
        ["app", "running"],
        ["load-balancer", "exited"],
      ],
      80,
    );
    assert.deepEqual(text.split("\n"), ["service        state", "app            running", "load-balancer  exited"]);
  });

  it("wrap the last column instead of the terminal's edge", () => {
    const text = renderTable(["id", "measured"], [["C7", "one two three four five six seven eight nine ten eleven twelve"]], 40);
    const lines = text.split("\n");
    assert.ok(lines.length > 2, text);
    assert.ok(
      lines.every((line) => line.length <= 40),
      text,
    );
    assert.equal(text.replace(/\s+/g, " "), "id measured C7 one two three four five six seven eight nine ten eleven twelve");
  });

  it("keep every cell, whatever is in it", () => {
    const cell = fc.stringMatching(/^[a-z0-9 .:/-]{1,30}$/).map((text) => text.trim() || "x");
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), (rows) => {
        const lines = renderTable(["a", "b"], rows, 0).split("\n");
        assert.equal(lines.length, rows.length + 1);
        rows.forEach(([first, second], index) => {
          const line = lines[index + 1] ?? "";
          assert.ok(line.startsWith(first) && line.endsWith(second), `${JSON.stringify(line)} lost ${first} or ${second}`);
        });
      }),
    );
  });

  it("measure a coloured text by what is seen", () => {
    assert.equal(visibleWidth("\u001b[31mred\u001b[39m"), 3);
    assert.equal(visibleWidth("one\nlonger"), 6);
  });

  it("print sizes and times for people", () => {
    assert.deepEqual([0, 999, 1024, 1536, 10 * 1024, 73 * 1024 ** 2, 5.5 * 1024 ** 3].map(formatBytes), [
      "0 B",
      "999 B",
      "1.0 kB",
      "1.5 kB",
      "10 kB",
      "73 MB",
      "5.5 GB",
    ]);
    assert.deepEqual([0, 119.9, 120, 7199, 7200, 172_799, 172_800].map(formatDuration), [
      "0 s",
      "119 s",
      "2 min",
      "119 min",
      "2 h",
      "47 h",
      "2 d",
    ]);
  });
});
