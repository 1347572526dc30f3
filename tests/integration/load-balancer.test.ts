import assert from "node:assert/strict";
import fc from "fast-check";
import { type HaproxySettings, renderHaproxyConfig } from "../../components/local/load-balancer/haproxy-config";
import { docker, type LoadBalancerRig, loadBalancerRig, until } from "../support/load-balancer-rig";

/** An upstream that tells what reached it, and hangs up once on a path. */
const UPSTREAM = `
  const http = require("node:http"); let hits = 0;
  http.createServer((request, response) => {
    if (request.url === "/ready") return response.end();
    if (request.url === "/hang-up-once" && hits++ === 0) return request.socket.destroy();
    if (request.url === "/hits") return response.end(String(hits));
    response.setHeader("content-type", "application/json").end(JSON.stringify({ url: request.url, headers: request.headers, pad: "x".repeat(2000) }));
  }).listen(3001);`;

describe("load balancer on real Docker (B1)", function () {
  this.timeout(180_000);
  let rig: LoadBalancerRig;
  let url: string;

  before(async () => {
    rig = await loadBalancerRig(
      { apiLimit: { requestsPerSecond: 40, burst: 20 }, chatLimit: { requestsPerSecond: 5, burst: 5 } },
      UPSTREAM,
    );
    url = rig.url;
  });

  after(() => rig.remove());

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
        docker(["exec", "--interactive", rig.name, "haproxy", "-c", "-q", "-f", "/dev/stdin"], renderHaproxyConfig(given));
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
    docker(["restart", "--time", "1", `${rig.name}-app-0`]);
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
    // Whoever has the stack's token stands for many clients; the address has used its allowance up meanwhile.
    const asOperator = async (token: string): Promise<number[]> => {
      const headers = { "x-rate-limit-bypass": token };
      const answers = await Promise.all(Array.from({ length: 100 }, () => fetch(`${url}/api/orders`, { headers })));
      return [...new Set(answers.map(({ status }) => status))].sort();
    };
    assert.deepEqual(await asOperator(rig.operatorToken), [200]);
    assert.ok((await asOperator(`${rig.operatorToken}x`)).includes(429));
    assert.ok((await asOperator("")).includes(429));
  });

  it("writes one JSON line a request, without the query", async () => {
    await until("the limit has passed", async () => (await fetch(`${url}/echo?secret=canary`)).status === 200);
    let line: Record<string, unknown> | undefined;
    await until("the line is there", () => {
      const lines = docker(["logs", "--tail", "5", rig.name])
        .split("\n")
        .filter((text) => text.startsWith("{"));
      line = lines
        .map((text) => JSON.parse(text) as Record<string, unknown>)
        .findLast(({ path: seen, status }) => seen === "/echo" && status === 200);
      return line !== undefined;
    });
    assert.deepEqual([line?.["method"], line?.["path"]], ["GET", "/echo"]);
    assert.ok(!docker(["logs", rig.name]).includes("canary"));
  });

  it("answers 503 as a problem document with Retry-After when no instance answers, and is unhealthy itself", async () => {
    docker(["stop", "--time", "1", `${rig.name}-app-0`]);
    let response: Response | undefined;
    // A request on a connection that ends with the instance may be cut off; those after it are answered.
    await until("it notices", async () => (response = await fetch(`${url}/echo`).catch(() => undefined))?.status === 503);
    assert.equal(response?.headers.get("content-type"), "application/problem+json");
    assert.equal(response?.headers.get("retry-after"), "2");
    await until("it is unhealthy", () => rig.healthStatus() === "unhealthy");
  });
});
