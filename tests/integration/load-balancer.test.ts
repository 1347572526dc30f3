import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { writeContext } from "../../components/local/image/write-context";
import { loadBalancerContext } from "../../components/local/load-balancer";
import { type HaproxySettings, renderHaproxyConfig } from "../../components/local/load-balancer/haproxy-config";
import { freePort } from "../support/project";

const PREFIX = `${process.env["PHASED_TEST_PREFIX"] ?? "test-local"}-lb-${randomBytes(3).toString("hex")}`;
const IMAGE = `localhost/${PREFIX}:1`;
/** The sweep of an interrupted run finds containers and networks by this label. */
const LABEL = `phased-stack.stack=${PREFIX}`;

/** An upstream that tells what reached it, and can be told to be unready or to hang up on a request. */
const UPSTREAM = `
  const http = require("node:http"); let ready = true, hits = 0;
  http.createServer((request, response) => {
    if (request.url === "/ready") return response.writeHead(ready ? 200 : 503).end();
    if (request.url === "/unready") { ready = false; return response.end("unready"); }
    if (request.url === "/hang-up-once" && hits++ === 0) return request.socket.destroy();
    if (request.url === "/hits") return response.end(String(hits));
    response.setHeader("content-type", "application/json").end(JSON.stringify({ url: request.url, headers: request.headers, pad: "x".repeat(2000) }));
  }).listen(3001);`;

function docker(args: readonly string[], input?: string): string {
  return execFileSync("docker", args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
}

describe("load balancer on real Docker (B1)", function () {
  this.timeout(180_000);
  let url: string;
  const context = mkdtempSync(path.join(tmpdir(), "phased-lb-"));

  before(async () => {
    const limit = { requestsPerSecond: 40, burst: 20 };
    writeContext(
      context,
      loadBalancerContext({ upstream: "app", apiLimit: limit, chatLimit: { requestsPerSecond: 5, burst: 5 }, maxBodyMb: 1 }),
    );
    // The host's network: an engine without a default bridge builds as well.
    docker(["build", "--quiet", "--network", "host", "--tag", IMAGE, context]);
    docker(["network", "create", "--label", LABEL, PREFIX]);
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const common = ["run", "--detach", "--label", LABEL, "--network", PREFIX];
    docker([...common, "--name", `${PREFIX}-app`, "--network-alias", "app", "node:24-trixie-slim", "node", "-e", UPSTREAM]);
    docker([...common, "--name", PREFIX, "--read-only", "--cap-drop", "ALL", "--publish", `127.0.0.1:${port}:8080`, IMAGE]);
    await until(
      "the load balancer is healthy",
      () => docker(["inspect", "--format", "{{.State.Health.Status}}", PREFIX]).trim() === "healthy",
    );
  });

  after(() => {
    rmSync(context, { recursive: true, force: true });
    docker(["rm", "--force", "--volumes", PREFIX, `${PREFIX}-app`]);
    docker(["network", "rm", PREFIX]);
    docker(["image", "rm", IMAGE]);
  });

  it("accepts every configuration that can be rendered", () => {
    const rate = fc.record({ requestsPerSecond: fc.nat(1_000_000), burst: fc.nat(1_000_000) });
    const settings: fc.Arbitrary<HaproxySettings> = fc.record({
      upstream: fc.constant("app"),
      slots: fc.integer({ min: 1, max: 300 }),
      apiLimit: rate,
      chatLimit: rate,
      maxBodyBytes: fc.integer({ min: 1, max: 2 ** 40 }),
      maxConnections: fc.integer({ min: 1, max: 10_000 }),
    });
    fc.assert(
      fc.property(settings, (given) => {
        docker(["exec", "--interactive", PREFIX, "haproxy", "-c", "-q", "-f", "/dev/stdin"], renderHaproxyConfig(given));
      }),
      { numRuns: 15 },
    );
  });

  it("tells the app the client's address, whatever the client claims", async () => {
    const headers = { "x-forwarded-for": "6.6.6.6", forwarded: "for=6.6.6.6", "x-real-ip": "6.6.6.6" };
    const { headers: seen } = (await (await fetch(`${url}/echo`, { headers })).json()) as { headers: Record<string, string> };
    assert.ok(!JSON.stringify(seen).includes("6.6.6.6"), JSON.stringify(seen));
    assert.match(seen["x-forwarded-for"] ?? "", /^[0-9.]+$/);
  });

  it("gives every request an id, keeps a harmless one, and replaces any other", async () => {
    const idOf = async (given?: string): Promise<string> => {
      const response = await fetch(`${url}/echo`, given === undefined ? {} : { headers: { "x-request-id": given } });
      const { headers } = (await response.json()) as { headers: Record<string, string> };
      assert.equal(headers["x-request-id"], response.headers.get("x-request-id"));
      return headers["x-request-id"] ?? "";
    };
    assert.match(await idOf(), /^[0-9a-f-]{36}$/);
    assert.equal(await idOf("order.42_a-b"), "order.42_a-b");
    assert.match(await idOf("<script>"), /^[0-9a-f-]{36}$/);
  });

  it("hides metrics, however they are spelled", async () => {
    for (const spelled of ["/metrics", "/metrics/", "/METRICS", "//metrics", "/%6Detrics", "/metrics/x", "/metrics?x"]) {
      assert.equal((await fetch(`${url}${spelled}`)).status, 404, spelled);
    }
    assert.equal((await fetch(`${url}/metricsx`)).status, 200);
  });

  it("sends a GET again when an instance hangs up, a POST never", async () => {
    assert.equal((await fetch(`${url}/hang-up-once`)).status, 200);
    docker(["restart", "--time", "1", `${PREFIX}-app`]);
    await until("the app is back", async () => (await fetch(`${url}/echo`)).status === 200);
    // On a connection that was new the client reads 502; on a pooled one HAProxy hangs up as well, as RFC 9112 (9.3.1) foresees.
    const post = fetch(`${url}/hang-up-once`, { method: "POST", body: "x" });
    const outcome = await post.then(
      ({ status }) => String(status),
      (error: unknown) => String((error as Error).cause),
    );
    assert.match(outcome, /^502$|other side closed/);
    assert.equal(await (await fetch(`${url}/hits`)).text(), "1");
  });

  it("compresses text, sets security headers, refuses large bodies", async () => {
    const response = await fetch(`${url}/echo`, { headers: { "accept-encoding": "gzip" } });
    assert.equal(response.headers.get("content-encoding"), "gzip");
    assert.equal(response.headers.get("x-content-type-options"), "nosniff");
    assert.equal(response.headers.get("x-frame-options"), "DENY");
    assert.equal(response.headers.get("strict-transport-security"), null);
    const large = await fetch(`${url}/echo`, { method: "POST", body: new Uint8Array(1024 * 1024 + 1) });
    assert.equal(large.status, 413);
    assert.equal(large.headers.get("content-type"), "application/problem+json");
  });

  it("B1 lets a client's burst through and refuses the rest with 429 and Retry-After; chat has its own limit", async () => {
    const count = async (target: string, requests: number): Promise<{ passed: number; retryAfter: string | null }> => {
      const responses = await Promise.all(Array.from({ length: requests }, () => fetch(target)));
      const refused = responses.filter(({ status }) => status === 429);
      assert.equal(responses.filter(({ status }) => status === 200).length + refused.length, requests);
      return { passed: requests - refused.length, retryAfter: refused[0]?.headers.get("retry-after") ?? null };
    };
    const chat = await count(`${url}/api/chat/messages`, 60);
    // Ten at once; a second that begins meanwhile may let some more through, and never as many as were sent.
    assert.ok(chat.passed >= 10 && chat.passed < 30, JSON.stringify(chat));
    assert.equal(chat.retryAfter, "1");
    const api = await count(`${url}/api/orders`, 200);
    assert.ok(api.passed >= 40 && api.passed < 140, JSON.stringify(api));
  });

  it("writes one JSON line a request, without the query", async () => {
    await until("the limit has passed", async () => (await fetch(`${url}/echo?secret=canary`)).status === 200);
    let line: Record<string, unknown> | undefined;
    await until("the line is there", () => {
      const lines = docker(["logs", "--tail", "5", PREFIX])
        .split("\n")
        .filter((text) => text.startsWith("{"));
      line = lines
        .map((text) => JSON.parse(text) as Record<string, unknown>)
        .findLast(({ path: seen, status }) => seen === "/echo" && status === 200);
      return line !== undefined;
    });
    assert.deepEqual([line?.["method"], line?.["path"]], ["GET", "/echo"]);
    assert.ok(!docker(["logs", PREFIX]).includes("canary"));
  });

  it("answers 503 as a problem document with Retry-After when no instance is ready, and is unhealthy itself", async () => {
    await until("the limit lets it through", async () => (await (await fetch(`${url}/unready`)).text()) === "unready");
    let response: Response | undefined;
    await until("it notices", async () => (response = await fetch(`${url}/echo`)).status === 503);
    assert.equal(response?.headers.get("content-type"), "application/problem+json");
    assert.equal(response?.headers.get("retry-after"), "2");
    await until("it is unhealthy", () => docker(["inspect", "--format", "{{.State.Health.Status}}", PREFIX]).trim() === "unhealthy");
  });
});

/** Waits for a condition, at most 30 s. */
async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) assert.fail(`not within 30 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
