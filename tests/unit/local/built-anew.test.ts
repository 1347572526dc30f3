import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { builtAnew } from "../../../components/local/image/built-anew";
import { contextTag } from "../../../components/local/image/context-hash";
import { ROOT } from "../../../toolchain/lib/paths";

const context = (dockerfile: string) => [
  { path: "Dockerfile", content: Buffer.from(dockerfile), executable: false },
  { path: "start.sh", content: Buffer.from("FROM nowhere\n"), executable: true },
];
const anew = (dockerfile: string, word = "2026-11"): string =>
  Buffer.from(builtAnew(context(dockerfile), word).find((file) => file.path === "Dockerfile")!.content).toString();
const ARGUMENT = "ARG IMAGES_OF=2026-11";

/** The project's own Dockerfiles, by path. */
const own = [path.join(ROOT, "app"), path.join(ROOT, "components/local")]
  .flatMap((directory) => readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => path.join(directory, name)))
  .filter((file) => path.basename(file) === "Dockerfile" && !file.includes("node_modules"))
  .map((file) => [path.relative(ROOT, file), readFileSync(file, "utf8")] as const);

describe("B15 images that are built anew", () => {
  it("without a word stay what they are, to the byte", () => {
    const files = context("FROM debian:trixie-slim\nRUN apt-get update\n");
    assert.equal(builtAnew(files, undefined), files);
  });

  it("with another word have another tag", () => {
    const word = fc.stringMatching(/^[A-Za-z0-9.-]{1,32}$/);
    fc.assert(
      fc.property(word, word, (one, other) => {
        const tag = (text: string): string => contextTag(builtAnew(context("FROM scratch\n"), text));
        assert.equal(tag(one) === tag(other), one === other);
      }),
    );
  });

  it("declare it in every stage, before whatever it runs, and touch no other file", () => {
    const text = "# syntax\nFROM a AS one\nRUN x\n\nfrom \\\n  # which\n  b AS two\nCOPY --from=one /x /x\nRUN y\n";
    assert.equal(
      anew(text),
      `# syntax\nFROM a AS one\n${ARGUMENT}\nRUN x\n\nfrom \\\n  # which\n  b AS two\n${ARGUMENT}\nCOPY --from=one /x /x\nRUN y\n`,
    );
    assert.deepEqual(builtAnew(context(text), "2026-11")[1], context(text)[1]);
  });

  it("take no FROM for a stage that is in a comment, a continued line or a here-document", () => {
    for (const text of [
      "# FROM a\nRUN x\n",
      "RUN psql -c 'SELECT 1 \\\nFROM orders'\n",
      "RUN psql <<'END'\nSELECT 1\nFROM orders\nEND\nRUN y\n",
      "COPY <<-ONE <<TWO /x/\n\tFROM a\n\tONE\nFROM b\nTWO\n",
    ])
      assert.equal(anew(text), text);
    assert.equal(anew("RUN <<END\nFROM x\nEND\nFROM a\n"), `RUN <<END\nFROM x\nEND\nFROM a\n${ARGUMENT}\n`);
  });

  for (const [name, dockerfile] of own)
    it(`${name}: nothing runs before the word is known`, () => {
      const lines = anew(dockerfile).split("\n");
      const stages = lines.flatMap((line, index) => (/^FROM /.test(line) ? [index] : []));
      assert.ok(stages.length > 0);
      for (const index of stages) assert.equal(lines[index + 1], ARGUMENT);
      assert.equal(lines.filter((line) => line !== ARGUMENT).join("\n"), dockerfile, "something else was changed");
    });
});
