import assert from "node:assert/strict";
import { REQUEST_LIMITS } from "../../../app/src/http/request-guard";
import { TestApp, type Problem } from "../http/support";
import { INTERNALS, raw, statuses } from "./support";

describe("hardening: requests no honest client sends", () => {
  let app: TestApp;
  let token: string;
  before(async () => {
    app = await TestApp.start({ RATE_LIMITS: "off" });
    ({ token } = await app.signUp());
  });
  after(() => app.remove());

  const close = "Connection: close\r\n";

  async function refused(status: number, text: string): Promise<Problem> {
    const received = await raw(app, text);
    assert.deepEqual(statuses(received), [status], received.slice(0, 300));
    assert.match(received, /application\/problem\+json/);
    assert.doesNotMatch(received, INTERNALS);
    return JSON.parse(received.slice(received.indexOf("\r\n\r\n") + 4)) as Problem;
  }

  it("request smuggling: whatever two readers could take for different requests is refused, and nothing after it is read", async () => {
    const inner = "GET /api/admin/metrics/summary HTTP/1.1\r\nHost: x\r\n\r\n";
    for (const head of [
      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
      "Transfer-Encoding: chunked, identity\r\n",
      "Transfer-Encoding: xchunked\r\n",
      "Content-Length: 4\r\nContent-Length: 5\r\n",
      "Content-Length: +4\r\n",
      "Content-Length: 4, 4\r\n",
      "Content-Length : 4\r\n",
      "Transfer-Encoding : chunked\r\n",
      " Content-Length: 4\r\n",
    ]) {
      const received = await raw(app, `POST /api/auth/login HTTP/1.1\r\nHost: x\r\n${head}\r\n0\r\n\r\n${inner}`);
      assert.deepEqual(statuses(received), [400], `${head}${received}`);
    }
    // A bare line feed ends no header line, and chunk sizes are what they say.
    for (const text of [
      `GET / HTTP/1.1\nHost: x\n\n`,
      `POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n`,
      `POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n`,
    ]) {
      assert.deepEqual(statuses(await raw(app, text)), [400], text);
    }
  });

  it("one Host, one Authorization, one Content-Type", async () => {
    for (const header of ["Host: y", "Authorization: Bearer a\r\nAuthorization: Bearer b", "Content-Type: a/b\r\ncontent-type: c/d"]) {
      const problem = await refused(400, `GET /api/orders HTTP/1.1\r\nHost: x\r\n${close}${header}\r\n\r\n`);
      assert.equal(problem.status, 400);
    }
    assert.deepEqual(statuses(await raw(app, `GET / HTTP/1.1\r\n${close}\r\n`)), [400], "none at all");
  });

  it("header floods: too many and too long ones get 431, a long query 414", async () => {
    const many = Array.from({ length: REQUEST_LIMITS.headers }, (_, index) => `X-${index}: 1\r\n`).join("");
    const problem = await refused(431, `GET / HTTP/1.1\r\nHost: x\r\n${close}${many}\r\n`);
    assert.match(problem.detail, /100 header fields/);
    await refused(431, `GET / HTTP/1.1\r\nHost: x\r\n${close}X-Long: ${"x".repeat(20_000)}\r\n\r\n`);
    await refused(414, `GET /api/orders?q=${"x".repeat(REQUEST_LIMITS.urlCharacters)} HTTP/1.1\r\nHost: x\r\n${close}\r\n`);
    const longest = await app.request("GET", `/api/orders?limit=${"9".repeat(REQUEST_LIMITS.urlCharacters - 30)}`, { token });
    assert.equal(longest.status, 400);
  });

  it("path traversal in every spelling finds nothing", async () => {
    for (const path of [
      "/../../../../etc/passwd",
      "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
      "/..%2f..%2f..%2fetc%2fpasswd",
      "/..%5c..%5cetc%5cpasswd",
      "/....//....//etc/passwd",
      "/%00/etc/passwd",
      "/index.html%00.txt",
      "/..%c0%af..%c0%afetc/passwd",
      "/.git/config",
      "/.env",
      "/../package.json",
      "/src/main.ts",
    ]) {
      const received = await raw(app, `GET ${path} HTTP/1.1\r\nHost: x\r\n${close}\r\n`);
      assert.match(String(statuses(received)), /^(400|403|404)$/, path);
      assert.doesNotMatch(received, /root:|\[core\]|"scripts"|import /, path);
      assert.doesNotMatch(received, INTERNALS, path);
    }
  });

  it("request targets that are no path are refused", async () => {
    await refused(400, `GET http://elsewhere/ HTTP/1.1\r\nHost: x\r\n${close}\r\n`);
    assert.deepEqual(statuses(await raw(app, `GET \\etc HTTP/1.1\r\nHost: x\r\n${close}\r\n`)), [400]);
    assert.deepEqual(statuses(await raw(app, "CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n")), [], "a proxy it is not");
  });

  it("405 names the methods there are; no header changes the method", async () => {
    const put = await app.request<Problem>("PUT", "/api/orders", { token });
    assert.deepEqual([put.status, put.headers.get("allow")], [405, "GET, HEAD, POST"]);
    const one = await app.request<Problem>("POST", "/api/orders/1", { token, json: {} });
    assert.deepEqual([one.status, one.headers.get("allow")], [405, "DELETE, GET, HEAD, PATCH"]);
    assert.equal((await app.request("DELETE", "/health")).headers.get("allow"), "GET, HEAD");
    assert.equal((await app.request("POST", "/style.css")).headers.get("allow"), "GET, HEAD");
    const order = await app.request<{ id: string }>("POST", "/api/orders", { token, json: { customerName: "C", totalCents: 1 } });
    for (const header of ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]) {
      await app.refusal(405, "POST", `/api/orders/${order.body.id}?_method=DELETE`, { token, json: {}, headers: { [header]: "DELETE" } });
    }
    assert.equal((await app.request("GET", `/api/orders/${order.body.id}`, { token })).status, 200);
    assert.match(String((await app.request("PROPFIND", "/api/orders", { token })).status), /^40[45]$/);
  });

  it("CRLF in headers and in the path neither splits an answer nor forges a line of the log", async () => {
    app.log.length = 0;
    const forged = '{"level":"info","msg":"forged"}';
    await raw(app, `GET /%0d%0aSet-Cookie:%20evil=1%0d%0a${encodeURIComponent(forged)} HTTP/1.1\r\nHost: x\r\n${close}\r\n`);
    const answer = await app.request("GET", "/nope", {
      token,
      headers: { "X-Request-Id": `a"},${forged}`, "User-Agent": forged, "X-Forwarded-For": `1.1.1.1","x":"${forged}` },
    });
    assert.equal(answer.headers.get("set-cookie"), null);
    const created = await app.request("POST", "/api/orders", { token, json: { customerName: "x\r\nSet-Cookie: a=b", totalCents: 1 } });
    assert.equal(created.status, 400);
    const lines = app.log.filter(({ msg }) => msg === "forged");
    assert.deepEqual(lines, []);
    assert.equal(app.log.filter(({ msg }) => msg === "request").length, 3);
  });

  it("a body may not be larger than the route's limit, deeper than sense, or no JSON: a problem each time, and no stack", async () => {
    const headers = { "Content-Type": "application/json" };
    const deep = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
    for (const body of [deep(2000), `${"[".repeat(7000)}${"]".repeat(7000)}`, `{"customerName":${"[".repeat(7000)}${"]".repeat(7000)}}`]) {
      const problem = await app.refusal(400, "POST", "/api/orders", { token, raw: body, headers });
      assert.ok(JSON.stringify(problem).length < 2000);
    }
    await app.refusal(413, "POST", "/api/orders", { token, raw: deep(20_000), headers });
    for (const body of ['{"a":1', "\u0000", "NaN", '{"a":1}}', "'x'", "1"]) {
      await app.refusal(400, "POST", "/api/orders", { token, raw: body, headers });
    }
    // Compressed on the way: the limit counts what comes out.
    const { gzipSync } = await import("node:zlib");
    const bomb = gzipSync(Buffer.alloc(5_000_000, "x"));
    const answer = await fetch(`${app.url}/api/orders`, {
      method: "POST",
      headers: { ...headers, Authorization: `Bearer ${token}`, "Content-Encoding": "gzip" },
      body: bomb,
    });
    assert.equal(answer.status, 413);
    await answer.body?.cancel();
  });

  it("prototype pollution: such keys are refused by name and change nothing", async () => {
    const headers = { "Content-Type": "application/json" };
    for (const body of [
      '{"__proto__":{"polluted":true},"customerName":"C","totalCents":1}',
      '{"constructor":{"prototype":{"polluted":true}},"customerName":"C","totalCents":1}',
      '{"customerName":"C","totalCents":1,"prototype":{"polluted":true}}',
    ]) {
      const problem = await app.refusal(400, "POST", "/api/orders", { token, raw: body, headers });
      assert.match(problem.errors?.[0]?.field ?? "", /__proto__|constructor|prototype/);
    }
    for (const query of [
      "__proto__[polluted]=1",
      "__proto__=1",
      "constructor[prototype][polluted]=1",
      "limit[__proto__]=1",
      "limit=1&limit=2",
    ]) {
      await app.refusal(400, "GET", `/api/orders?${query}`, { token });
    }
    assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
  });
});
