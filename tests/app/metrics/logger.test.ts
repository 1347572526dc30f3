import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";

describe("the log", function () {
  this.timeout(30_000);

  it("A14 what is logged right before a process comes to its end is written, however busy its threads are", () => {
    const { stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", path.join(__dirname, "log-at-exit.ts")], {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], UV_THREADPOOL_SIZE: "1" },
    });
    assert.match(stdout, /^\{"level":"info",[^\n]*"msg":"the last line"\}\n$/, stderr);
  });
});
