import assert from "node:assert/strict";
import { type PassThrough, Readable } from "node:stream";
import type Docker from "dockerode";
import { reloadInstance } from "../../../toolchain/lib/docker-app";
import { UserError } from "../../../toolchain/lib/errors";

/** An app container of a stack that is a single process. */
function singleProcess(stack: string): Docker.Container {
  const cluster = {
    ...{ clustering: false, primary: { pid: 7, uptimeSeconds: 70 }, workersWanted: 1, workers: [], respawns: { total: 0 } },
    reloads: { completed: 0, failed: 0, running: false, last: null },
  };
  const scaling = { eventLoop: { utilization: 0.25, delayP99Ms: 3.4 }, recommendation: { action: "none", reason: "fine" } };
  const report = JSON.stringify({ full: { status: "ok", components: { cluster } }, scaling });
  const fake = {
    modem: { demuxStream: (from: Readable, out: PassThrough) => void from.on("data", (part: Buffer) => out.write(part)) },
    exec: () => Promise.resolve({ start: () => Promise.resolve(Readable.from([report])), inspect: () => Promise.resolve({ ExitCode: 0 }) }),
    inspect: () => Promise.resolve({ Config: { Labels: { "phased-stack.stack": stack } } }),
    kill: () => assert.fail("it was told to reload"),
  };
  return fake as unknown as Docker.Container;
}

describe("restart of an app", () => {
  it("F3 a single process that is alone is left as it is, with what to type for its own stack", async () => {
    for (const [stack, command] of [
      ["dev", "npm run up -- --config workers=2"],
      ["shop", "npm run up -- --stack shop --config workers=2"],
    ] as const) {
      await assert.rejects(reloadInstance(singleProcess(stack), "shop-app-1"), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, /^shop-app-1 runs as a single process/);
        assert.equal(error.hint, `Run it with workers: ${command}`);
        return true;
      });
    }
  });
});
