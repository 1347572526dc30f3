import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { promisesWithoutTraces } from "../../../stacks/lib/promise-traces";

/** Traces that a promise noted when it was made, with `debug` as the SDK has it. */
function noted(debug: boolean): string | undefined {
  let trace: string | undefined;
  const sdk = {
    debugPromiseLeaks: debug,
    debuggablePromise: (promise: Promise<unknown>): Promise<unknown> => {
      trace = new Error("made").stack;
      return promise;
    },
  };
  promisesWithoutTraces(sdk);
  void sdk.debuggablePromise(Promise.resolve());
  return trace;
}

describe("promisesWithoutTraces", () => {
  it("spares the frames of a promise, and leaves those of errors after it", () => {
    assert.equal(noted(false), "Error: made");
    assert.match(new Error("later").stack ?? "", /promise-traces\.test/);
  });

  it("puts the frames back when the SDK throws", () => {
    const sdk = {
      debugPromiseLeaks: false,
      debuggablePromise: (): Promise<unknown> => {
        throw new Error("no");
      },
    };
    promisesWithoutTraces(sdk);
    assert.throws(() => sdk.debuggablePromise(), /no/);
    assert.match(new Error("later").stack ?? "", /promise-traces\.test/);
  });

  it("takes them where leaks are looked for", () => {
    assert.match(noted(true) ?? "", /promise-traces\.test/);
  });

  it("keeps the SDK's own account: a promise that is left fails the program", () => {
    const program = `
      const { promisesWithoutTraces } = require("./stacks/lib/promise-traces");
      promisesWithoutTraces();
      const { debuggablePromise } = require("@pulumi/pulumi/runtime/debuggable");
      void debuggablePromise(new Promise(() => {}), process.argv[1]);
      void debuggablePromise(Promise.resolve(), "done");`;
    const run = spawnSync(process.execPath, ["--import", "tsx", "--eval", program, "left"], { encoding: "utf8" });
    assert.equal(run.status, 1);
    assert.match(run.stderr, /leak/i);
  });
});
