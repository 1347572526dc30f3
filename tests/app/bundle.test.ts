import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { bundleApp } from "../../components/local/image/bundle";
import { writeContext } from "../../components/local/image/write-context";
import { freePort } from "../support/project";

describe("the bundle that goes into the image", function () {
  this.timeout(60_000);
  const directory = mkdtempSync(path.join(tmpdir(), "phased-bundle-"));

  after(() => rmSync(directory, { recursive: true, force: true }));

  it("starts far from node_modules with no configuration but a port, serves, and ends on SIGTERM", async () => {
    writeContext(directory, await bundleApp(path.resolve("app")));
    const port = await freePort();
    const child = spawn(process.execPath, ["main.js"], {
      cwd: directory,
      env: { PATH: process.env["PATH"], NODE_ENV: "production", PORT: String(port), WORKERS: "1", DRAIN_DELAY_MS: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    const ended = once(child, "exit");
    const deadline = Date.now() + 30_000;
    const ready = async (): Promise<boolean> => (await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined))?.status === 200;
    while (!(await ready())) {
      assert.equal(child.exitCode, null, printed);
      assert.ok(Date.now() < deadline, printed);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null], printed);
  });
});
