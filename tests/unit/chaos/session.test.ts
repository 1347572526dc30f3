import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Recorder } from "../../../toolchain/chaos/recorder";
import { Repairs } from "../../../toolchain/chaos/repairs";

describe("A7 chaos: what is broken is put right, and what was acknowledged is remembered", () => {
  it("the last fault is ended first, each once, and one that cannot be ended keeps no other from it", async () => {
    const repairs = new Repairs();
    const done: string[] = [];
    repairs.add("first", () => Promise.resolve(void done.push("first")));
    repairs.add("second", () => Promise.reject(new Error("no such container")));
    repairs.add("third", () => Promise.resolve(void done.push("third")));
    await assert.rejects(repairs.run(), /could not be put right: second: no such container/);
    assert.deepEqual(done, ["third", "first"]);
    assert.ok(repairs.isEmpty);
    await repairs.run();
    assert.deepEqual(done, ["third", "first"]);
  });

  it("gaps and failures are told apart by channel, and every id is in the file", async () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-chaos-"));
    try {
      const recorder = new Recorder(path.join(directory, "deep", "run.log"));
      for (const at of [1000, 1100, 1900]) recorder.acknowledge({ channel: "app", id: `order-${at}`, at, tookMs: 5 });
      recorder.acknowledge({ channel: "direct", id: "1", at: 1500, tookMs: 5 });
      recorder.fail({ channel: "read", at: 1600, why: "503" });
      const span = { from: 1000, to: 2000 };
      assert.equal(recorder.gap("app", span), 800);
      assert.equal(recorder.gap("direct", span), 500);
      assert.equal(recorder.failuresOf("read", span).length, 1);
      assert.equal(recorder.failuresOf("app", span).length, 0);
      assert.deepEqual(
        recorder.within("app", { from: 1100, to: 1500 }).map(({ id }) => id),
        ["order-1100"],
      );
      await recorder.close();
      const text = readFileSync(recorder.file, "utf8");
      assert.match(text, /1970-01-01T00:00:01\.100Z ack app order-1100 5ms\n/);
      assert.match(text, /fail read 503\n/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
