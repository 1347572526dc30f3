import assert from "node:assert/strict";
import fc from "fast-check";
import { LineBuffer } from "../../../app/src/observability/line-buffer";

describe("lines of the log", () => {
  it("arrive whole, in order, and in parts that a pipe keeps in one piece (property)", () => {
    const line = fc.string({ unit: "grapheme", maxLength: 60 }).map((text) => `${text.replaceAll("\n", " ")}\n`);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 40 }), fc.integer({ min: 20, max: 200 }), fc.nat(), (lines, most, flushedAt) => {
        const parts: string[] = [];
        const buffer = new LineBuffer(most, (part) => parts.push(part));
        for (const [index, text] of lines.entries()) {
          buffer.write(text);
          if (index === flushedAt) buffer.flush();
        }
        buffer.flush();
        assert.equal(parts.join(""), lines.join(""));
        for (const part of parts) {
          assert.ok(part.endsWith("\n"), part);
          // A single line may be longer than a part.
          if (Buffer.byteLength(part) > most) assert.equal(part.indexOf("\n"), part.length - 1, part);
        }
      }),
    );
  });

  it("collects until there is enough, and hands on nothing when there is nothing", () => {
    const parts: string[] = [];
    const buffer = new LineBuffer(10, (part) => parts.push(part));
    buffer.flush();
    buffer.write("one\n");
    buffer.write("two\n");
    assert.deepEqual(parts, []);
    buffer.write("three\n");
    assert.deepEqual(parts, ["one\ntwo\n"]);
  });
});
