import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { StepList } from "../../../toolchain/lib/progress";

/** Up one line, erase to the end: what is written before running steps are drawn anew. */
const ERASE = "\u001b[1A\u001b[0J";

function output(terminal: boolean): { stream: PassThrough & { isTTY: boolean; columns: number }; text: () => string } {
  const chunks: string[] = [];
  const stream = Object.assign(new PassThrough(), { isTTY: terminal, columns: 60 });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk.toString()));
  return { stream, text: () => chunks.join("") };
}

describe("progress of steps", () => {
  it("without a terminal: one plain line a step, no control characters", async () => {
    const { stream, text } = output(false);
    const list = new StepList({ stream });
    list.note("Docker Engine", "20.10");
    const result = await list.run("Pulumi CLI", (progress) => {
      progress.detail("never shown");
      progress.line("official one not reachable");
      return Promise.resolve(7);
    });
    await assert.rejects(
      list.run("Plugins", () => Promise.reject(new Error("no"))),
      /^Error: no$/,
    );
    assert.equal(result, 7);
    const lines = text().trimEnd().split("\n");
    assert.match(lines[0] ?? "", /^\[ {3}\d\.\d s\] Docker Engine … 20\.10$/);
    assert.match(lines[1] ?? "", /^\[ {3}\d\.\d s\] Pulumi CLI: official one not reachable$/);
    assert.match(lines[2] ?? "", /^\[ {3}\d\.\d s\] Pulumi CLI … done \(\d+ ms\)$/);
    assert.match(lines[3] ?? "", /^\[ {3}\d\.\d s\] Plugins … failed \(\d+ ms\)$/);
    assert.equal(lines.length, 4);
  });

  it("on a terminal: running steps are redrawn below what stays, and never wrap", async () => {
    const { stream, text } = output(true);
    const list = new StepList({ stream, colors: false });
    await list.run("Base image", async (progress) => {
      progress.detail("x".repeat(200));
      await new Promise((resolve) => setTimeout(resolve, 450));
    });
    assert.match(text(), /Base image … running \(0 ms\) x+\n/);
    assert.ok(text().includes(ERASE), "erased before it is drawn again");
    for (const line of text().split("\n")) assert.ok(line.replaceAll(ERASE, "").length < 60, line);
    assert.match(text().split(ERASE).at(-1) ?? "", /^\[ {3}0\.\d s\] Base image … done \(\d+ ms\)\n$/);
  });
});
