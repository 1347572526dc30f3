import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CHECKOV_VERSION, checkovStep, findCheckov } from "../../../toolchain/machine/checkov";

describe("machine step: Checkov", () => {
  let cache: string;
  const before = process.env["PHASED_STACK_CACHE"];
  beforeEach(() => {
    cache = mkdtempSync(path.join(tmpdir(), "checkov-cache-"));
    process.env["PHASED_STACK_CACHE"] = cache;
  });
  afterEach(() => {
    if (before === undefined) delete process.env["PHASED_STACK_CACHE"];
    else process.env["PHASED_STACK_CACHE"] = before;
    rmSync(cache, { recursive: true });
  });

  it("takes the program that CHECKOV names, and no other when that is not there", () => {
    assert.equal(findCheckov({ CHECKOV: process.execPath }), process.execPath);
    assert.equal(findCheckov({ CHECKOV: "/nowhere/checkov" }), undefined);
  });

  it("takes one of the cache only when its installation has ended", async () => {
    const directory = path.join(cache, `checkov-${CHECKOV_VERSION}`);
    const program = path.join(directory, "bin", "checkov");
    mkdirSync(path.dirname(program), { recursive: true });
    writeFileSync(program, "");
    assert.equal(findCheckov({}), undefined, "it may have been interrupted");
    writeFileSync(path.join(directory, "complete"), "");
    assert.equal(findCheckov({}), program);
    if (process.env["CHECKOV"] === undefined) assert.deepEqual(await checkovStep().check(), { kind: "ok", detail: program });
  });

  it("says how to get one", async () => {
    if (process.env["CHECKOV"] !== undefined) return;
    const state = await checkovStep().check();
    assert.equal(state.kind, "missing");
    assert.match(state.kind === "missing" ? state.fix : "", /npm test -- --only checkov/);
  });
});
