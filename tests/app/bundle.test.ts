import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { bundleApp } from "../../components/local/image/bundle";
import { writeContext } from "../../components/local/image/write-context";
import { freePort } from "../support/project";
import { eventually } from "../support/services/container";
import { assertInvoice, invoiceImage } from "./documents/images";

/** D5: the programs of the threads, the recogniser and its language are found beside the bundle. */
async function readsAnImage(url: string): Promise<void> {
  const account = { companyName: "Company", name: "Admin", email: "admin@example.org", password: "correct horse battery" };
  const json = { "Content-Type": "application/json" };
  const signup = await fetch(`${url}/api/auth/signup`, { method: "POST", headers: json, body: JSON.stringify(account) });
  const { token } = (await signup.json()) as { token: string };
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "image/png" };
  const body = new Uint8Array(invoiceImage("invoice.png"));
  const uploaded = await fetch(`${url}/api/documents?name=invoice.png`, { method: "POST", headers, body });
  const { document } = (await uploaded.json()) as { document: { id: string } };
  let text = "";
  await eventually("the text is there", async () => {
    const answer = await fetch(`${url}/api/documents/${document.id}/text`, { headers });
    ({ text } = (await answer.json()) as { text: string });
    return answer.status === 200;
  });
  assertInvoice(text);
}

describe("the bundle that goes into the image", function () {
  this.timeout(60_000);
  const directory = mkdtempSync(path.join(tmpdir(), "phased-bundle-"));

  after(() => rmSync(directory, { recursive: true, force: true }));

  it("D5 starts far from node_modules with no configuration but a port, serves, reads an image, and ends on SIGTERM", async () => {
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
    await readsAnImage(`http://127.0.0.1:${port}`);
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null], printed);
  });
});
