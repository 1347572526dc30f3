import assert from "node:assert/strict";
import fc from "fast-check";

import { parseNodeOptions, splitWords } from "../../../toolchain/standins/language-nodejs/options";

describe("Language host stand-in: runtime options", () => {
  it("defaults are the official host's", () => {
    const defaults = { typescript: true, tsconfig: undefined, nodeargs: "", packagemanager: "auto", production: false };
    assert.deepEqual(parseNodeOptions({}), defaults);
  });

  it("takes the options of this project's Pulumi.yaml", () => {
    const options = parseNodeOptions({ typescript: false, nodeargs: "--import tsx" });
    assert.equal(options.typescript, false);
    assert.deepEqual(splitWords(options.nodeargs), ["--import", "tsx"]);
  });

  for (const [option, value, message] of [
    ["typescript", "false", "typescript option must be a boolean"],
    ["nodeargs", ["--import"], "nodeargs option must be a string"],
    ["tsconfig", 1, "tsconfig option must be a string"],
    ["production", "yes", "production option must be a boolean"],
    ["packagemanager", true, "packagemanager option must be a string"],
    ["packagemanager", "cargo", 'packagemanager option must be one of auto, npm, yarn, pnpm or bun, got "cargo"'],
  ] as const) {
    it(`refuses ${option}: ${JSON.stringify(value)}`, () => {
      assert.throws(() => parseNodeOptions({ [option]: value }), { message });
    });
  }

  for (const [line, words] of [
    ["", []],
    ["  --a   --b\t", ["--a", "--b"]],
    ["--title 'two words' x", ["--title", "two words", "x"]],
    ['--a="b c"d', ["--a=b cd"]],
    ["''", [""]],
    [String.raw`a\ b "c\"d" 'e\f'`, ["a b", 'c"d', String.raw`e\f`]],
    ["--a # a comment", ["--a"]],
    ["--a#b", ["--a#b"]],
  ] as const) {
    it(`splits ${JSON.stringify(line)} as a shell does`, () => {
      assert.deepEqual(splitWords(line), words);
    });
  }

  for (const [line, message] of [
    ["--a 'b", /opening ' without a closing one/],
    ['--a "b', /opening " without a closing one/],
    ["--a \\", /lone backslash/],
  ] as const) {
    it(`refuses ${line}`, () => assert.throws(() => splitWords(line), message));
  }

  it("any words survive quoting", () => {
    const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
    fc.assert(fc.property(fc.array(fc.string()), (words) => assert.deepEqual(splitWords(words.map(quoted).join(" ")), words)));
  });
});
