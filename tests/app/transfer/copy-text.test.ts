import assert from "node:assert/strict";
import { copyText } from "../../../app/src/transfer/copy-text";

describe("F1 rows as COPY takes them", () => {
  it("what separates or escapes does not stand in a value as it is, NULL is no text, and bytes are hexadecimal", () => {
    assert.equal(
      copyText(
        ["text", "integer", "bytes"],
        [
          ["a\tb\nc\rd\\e", "-5", "00ff"],
          [null, null, null],
          ["", "0", ""],
          ["\\N", "1", "0a"],
        ],
      ),
      ["a\\tb\\nc\\rd\\\\e\t-5\t\\\\x00ff", "\\N\t\\N\t\\N", "\t0\t\\\\x", "\\\\N\t1\t\\\\x0a", ""].join("\n"),
    );
  });

  it("a value that is missing at the end of a row is NULL", () => {
    assert.equal(copyText(["text", "text"], [["a"]]), "a\t\\N\n");
  });
});
