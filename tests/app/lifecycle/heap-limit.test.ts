import assert from "node:assert/strict";
import { heapOptions, takeHeap, type HeapHost } from "../../../app/src/lifecycle/heap-limit";

/** A process that notes what it would become. */
function host(changes: Partial<HeapHost> = {}): HeapHost & { readonly became: unknown[][] } {
  const became: unknown[][] = [];
  return {
    became,
    ...{ execPath: "/usr/bin/node", argv0: "node", argv: ["/usr/bin/node", "/app/main.js", "--role=web"], env: { WORKERS: "1" } },
    execArgv: ["--max-semi-space-size=4"],
    execve: (...words: unknown[]) => {
      became.push(words);
      return undefined as never;
    },
    ...changes,
  };
}

describe("heap of a process", () => {
  it("A9 another limit gives way, in whichever spelling, and all else is inherited", () => {
    const inherited = ["--max-old-space-size=4096", "--import", "tsx", "--max_old_space_size=1", "--max-old-space-size-percentage=50"];
    assert.deepEqual(heapOptions(inherited, 128), ["--import", "tsx", "--max-old-space-size=128"]);
    assert.deepEqual(heapOptions(inherited, undefined), ["--import", "tsx"]);
  });

  it("A9 a single process becomes one with its limit, by the same name, with the same words", () => {
    const single = host();
    takeHeap(168, single);
    assert.deepEqual(single.became, [
      ["/usr/bin/node", ["node", "--max-semi-space-size=4", "--max-old-space-size=168", "/app/main.js", "--role=web"], { WORKERS: "1" }],
    ]);
  });

  it("A9 one that has it goes on, and so does one that is to have none", () => {
    const became = host({ execArgv: ["--max-semi-space-size=4", "--max-old-space-size=168"] });
    const [has, wantsNone] = [takeHeap(168, became), takeHeap(undefined, became)];
    assert.deepEqual([has, wantsNone, became.became], [true, true, []]);
    takeHeap(169, became);
    assert.equal(became.became.length, 1);
  });

  it("A9 where a process cannot become another it says that it has not got it", () => {
    const child = host({ channel: {} });
    assert.deepEqual([takeHeap(168, child), child.became], [false, []], "its parent would lose it");
    assert.equal(takeHeap(168, host({ execve: undefined })), false, "Windows");
  });
});
