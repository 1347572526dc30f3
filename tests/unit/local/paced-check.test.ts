import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const ROOT = path.resolve(__dirname, "../../..");
const SCRIPT = path.join(ROOT, "components/local/image/paced-check.sh");

describe("health checks that cost little while all is well", function () {
  this.timeout(20_000);
  let directory: string;
  let server: Server;
  let status: number | undefined;
  let port: string;
  let asked: number;

  beforeEach(async () => {
    directory = mkdtempSync(path.join(tmpdir(), "phased-paced-"));
    [status, asked] = [200, 0];
    server = createServer((_request, response) => {
      asked += 1;
      // One that accepts and does not answer.
      if (status !== undefined) response.writeHead(status).end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    port = String((server.address() as AddressInfo).port);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true });
  });

  const mark = (): string => path.join(directory, "well");
  const start = (...words: string[]): ChildProcess =>
    spawn("bash", [SCRIPT, ...words], {
      env: { ...process.env, PACE_SECONDS: "1", PACE_FILE: mark() },
      stdio: ["ignore", "pipe", "inherit"],
    });
  async function look(...words: string[]): Promise<{ code: number; text: string }> {
    const child = start(...words);
    let text = "";
    child.stdout!.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const [code] = (await once(child, "close")) as [number];
    return { code, text };
  }

  it("the first good look is over at once, the one after it waits before it asks", async () => {
    assert.equal((await look("http", port, "/ready")).code, 0);
    assert.equal(asked, 1);
    const begun = performance.now();
    assert.equal((await look("http", port, "/ready")).code, 0);
    assert.ok(performance.now() - begun >= 1000);
    assert.equal(asked, 2);
  });

  it("what is not well is told with its answer, and looked at again without waiting", async () => {
    assert.equal((await look("http", port, "/ready")).code, 0);
    status = 503;
    assert.deepEqual(await look("http", port, "/ready"), { code: 1, text: "/ready: HTTP/1.1 503 Service Unavailable\r\n" });
    assert.ok(!existsSync(mark()));
    const begun = performance.now();
    assert.equal((await look("http", port, "/ready")).code, 1);
    assert.ok(performance.now() - begun < 1000);
  });

  it("a server that accepts and does not answer is not well", async () => {
    status = undefined;
    assert.deepEqual(await look("http", port, "/ready"), { code: 1, text: "/ready: no answer\n" });
  });

  it("a port and a command are looked at as well, and nothing else", async () => {
    assert.equal((await look("tcp", port)).code, 0);
    rmSync(mark());
    assert.equal((await look("run", "test", "-e", SCRIPT)).code, 0);
    rmSync(mark());
    assert.equal((await look("run", "test", "-e", mark())).code, 1);
    server.closeAllConnections();
    server.close();
    await once(server, "close");
    assert.equal((await look("tcp", port)).code, 1);
    assert.deepEqual(await look("ftp", port), { code: 1, text: 'paced-check: "ftp" is unknown; use http, tcp or run.\n' });
  });

  it("every image of ours with a health check has the program and uses it", () => {
    const own = readdirSync(path.join(ROOT, "components/local"), { recursive: true, encoding: "utf8" })
      .filter((file) => path.basename(file) === "Dockerfile")
      .map((file) => path.join(ROOT, "components/local", file));
    for (const file of [...own, path.join(ROOT, "app/Dockerfile")]) {
      const text = readFileSync(file, "utf8");
      // Grafana's is the official image, which has no bash.
      if (!text.includes("HEALTHCHECK") || text.includes("FROM grafana/")) continue;
      assert.match(text, /^COPY paced-check\.sh \/usr\/local\/bin\/paced-check$/m, file);
      assert.match(text, /^HEALTHCHECK [^"]*--timeout=15s[^"]*CMD \["(?:paced-check"|bash", "-c", "paced-check )/m, file);
    }
  });
});
