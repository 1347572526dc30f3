import assert from "node:assert/strict";
import { Part } from "../../../app/src/console/part";

/** A look that ends when the test says so. */
function pending<Found>(): {
  readonly look: () => Promise<Found>;
  readonly begun: () => number;
  readonly end: (found: Found | Error) => void;
} {
  let begun = 0;
  let settle: ((found: Found | Error) => void) | undefined;
  return {
    look: () => {
      begun += 1;
      return new Promise((resolve, reject) => (settle = (found) => (found instanceof Error ? reject(found) : resolve(found))));
    },
    begun: () => begun,
    end: (found) => {
      assert.ok(settle, "nobody looked");
      settle(found);
    },
  };
}

describe("console: a part that may be away", () => {
  let warnings: unknown[];
  const logger = { warn: (...line: unknown[]) => void warnings.push(line) };
  beforeEach(() => (warnings = []));

  it("E7 is what was found, and missing with a line in the log after an error", async () => {
    assert.deepEqual(await new Part(0, "queues", () => Promise.resolve(["one"]), logger).get(), ["one"]);
    assert.deepEqual(warnings, []);
    const away = new Error("away");
    assert.equal(await new Part(0, "queues", () => Promise.reject(away), logger).get(), null);
    assert.deepEqual(warnings, [[{ err: away, what: "queues" }, "the console shows a part as missing"]]);
  });

  it("E7 is missing while a look hangs: nobody begins another one, and what it finds at last is told", async () => {
    const { look, begun, end } = pending<string>();
    const part = new Part(60_000, "companies", look, logger, 20);
    assert.deepEqual(await Promise.all([part.get(), part.get()]), [null, null]);
    assert.equal(await part.get(), null);
    assert.equal(begun(), 1);
    end("found");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await part.get(), "found");
    assert.deepEqual([begun(), warnings], [1, []]);
  });

  it("E7 makes nobody wait once a look is late, however long it takes", async () => {
    const { look, end } = pending<string>();
    const part = new Part(0, "companies", look, logger, 20);
    await part.get();
    // A turn of the event loop decides, not a clock: whoever waited for a timer would come after it.
    const first = await Promise.race([part.get(), new Promise((resolve) => setImmediate(resolve, "waited"))]);
    assert.equal(first, null);
    end("found");
  });
});
