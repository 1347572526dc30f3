import assert from "node:assert/strict";
import { chromiumStep, findChromium } from "../../../toolchain/machine/chromium";

describe("machine step: Chromium", () => {
  it("takes the program that CHROMIUM names, and no other when that is not there", () => {
    assert.equal(findChromium({ CHROMIUM: process.execPath }), process.execPath);
    assert.equal(findChromium({ CHROMIUM: "/nowhere/chromium" }), undefined);
  });

  it("says what was found, or how to get one", async () => {
    const state = await chromiumStep().check();
    if (findChromium() === undefined) {
      assert.equal(state.kind, "missing");
      assert.match(state.kind === "missing" ? state.fix : "", /npm test installs it|set CHROMIUM/);
    } else {
      assert.deepEqual(state, { kind: "ok", detail: findChromium() });
    }
  });
});
