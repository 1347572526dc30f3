import assert from "node:assert/strict";
import http from "node:http";
import { gunzipSync, brotliDecompressSync } from "node:zlib";
import { DEFAULT_BODY_BYTES } from "../../../app/src/http/middleware/body";
import { DatabaseBusyError } from "../../../app/src/db/database";
import { TestApp, type Problem } from "./support";

describe("HTTP: refusals are problem documents (RFC 9457)", () => {
  let app: TestApp;
  let token: string;
  before(async () => {
    app = await TestApp.start();
    ({ token } = await app.signUp());
  });
  after(() => app.remove());

  const json = { "Content-Type": "application/json" };

  it("answers 404 for what does not exist", async () => {
    for (const path of ["/nope", "/.env", "/%2e%2e/%2e%2e/etc/passwd", "/healthy", "/readyz"]) {
      const problem = await app.refusal(404, "GET", path);
      assert.equal(problem.type, "urn:phased-stack:problem:not-found");
    }
    for (const path of ["/api/nope", "/api"]) {
      await app.refusal(404, "GET", path, { token });
      assert.equal(
        (await app.refusal(401, "GET", path)).type,
        "urn:phased-stack:problem:authentication-required",
        "strangers learn nothing",
      );
    }
    await app.refusal(405, "PUT", "/api/orders", { token });
    await app.refusal(405, "POST", "/");
    await app.refusal(404, "GET", "/%E0%A4%A");
    await app.refusal(400, "GET", "/api/orders/%E0%A4%A", { token });
  });

  it("answers 400 for malformed JSON without repeating it", async () => {
    for (const raw of ['{"customerName":', "not json", "[1,", "\0"]) {
      const problem = await app.refusal(400, "POST", "/api/orders", { token, raw, headers: json });
      assert.equal(problem.type, "urn:phased-stack:problem:malformed-json");
      assert.doesNotMatch(problem.detail, /customerName/);
    }
    await app.refusal(400, "POST", "/api/orders", { token, headers: json });
  });

  it("answers 413 for a body beyond the limit, also when it is announced wrongly", async () => {
    const raw = JSON.stringify({ customerName: "x".repeat(DEFAULT_BODY_BYTES) });
    const problem = await app.refusal(413, "POST", "/api/orders", { token, raw, headers: json });
    assert.match(problem.detail, /16384 bytes/);
    const chunked = await fetch(`${app.url}/api/orders`, {
      method: "POST",
      headers: { ...json, Authorization: `Bearer ${token}` },
      body: new Blob([raw]).stream(),
      duplex: "half",
    });
    assert.equal(chunked.status, 413);
    assert.equal(((await chunked.json()) as Problem).type, "urn:phased-stack:problem:body-too-large");
  });

  it("answers 415 for anything but JSON in UTF-8", async () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/json; charset=latin1",
    ]) {
      await app.refusal(415, "POST", "/api/auth/login", { raw: "{}", headers: { "Content-Type": type } });
    }
    await app.refusal(415, "POST", "/api/auth/login", { raw: "{}", headers: { ...json, "Content-Encoding": "unknown" } });
  });

  it("answers 500 without a word about the cause, and logs it with its stack and the request's id", async () => {
    const own = await TestApp.start();
    try {
      const { token: ownToken } = await own.signUp();
      const failing = new Error("secret inner workings");
      own.container.database.all = () => Promise.reject(failing);
      const problem = await own.refusal(500, "GET", "/api/orders", { token: ownToken });
      assert.doesNotMatch(JSON.stringify(problem), /inner workings/);
      const line = own.log.find(({ msg }) => msg === "error while answering");
      assert.equal(line?.["requestId"], problem.requestId);
      assert.match(JSON.stringify(line["err"]), /inner workings.*stack|stack.*inner workings/);
      own.container.database.all = () => Promise.reject(new DatabaseBusyError(5000, undefined));
      const busy = await own.request("GET", "/api/orders", { token: ownToken });
      assert.deepEqual([busy.status, busy.headers.get("retry-after")], [503, "1"]);
    } finally {
      await own.remove();
    }
  });

  it("carries the security headers, the request's id and its trace on every answer", async () => {
    const traceId = "0af7651916cd43dd8448eb211c80319c";
    const sent = { traceparent: `00-${traceId}-b7ad6b7169203331-01`, "X-Request-Id": "abc-123" };
    const paths = ["/api/session", "/api/health/full", "/metrics", "/nope", "/api/auth/me", "/api/health/queue"];
    for (const path of paths) {
      const { headers } = await app.request("GET", path, { token, headers: sent });
      assert.equal(headers.get("x-request-id"), "abc-123", path);
      assert.match(headers.get("traceparent") ?? "", new RegExp(`^00-${traceId}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`), path);
      assert.equal(headers.get("cache-control"), "no-store", path);
      assert.equal(headers.get("etag"), null, path);
    }
    for (const path of [...paths, "/", "/health", "/ready"]) {
      const { headers } = await app.request("GET", path, { token });
      assert.equal(headers.get("x-content-type-options"), "nosniff", path);
      assert.match(headers.get("content-security-policy") ?? "", /default-src '(none|self)'/, path);
      assert.match(headers.get("strict-transport-security") ?? "", /max-age=31536000/, path);
      assert.equal(headers.get("x-powered-by"), null, path);
    }
  });

  it("replaces request ids and traces that are not well formed", async () => {
    const { headers } = await app.request("GET", "/nope", {
      headers: { "X-Request-Id": "a b<script>", traceparent: `00-${"0".repeat(32)}-x-01` },
    });
    assert.match(headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
    assert.match(headers.get("traceparent") ?? "", /^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });

  it("logs each request once, by path, without query, token or body", async () => {
    app.log.length = 0;
    await app.request("GET", "/api/orders?status=pending", { token });
    const lines = app.log.filter(({ msg }) => msg === "request");
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.["path"], "/api/orders");
    assert.equal(lines[0]["status"], 200);
    assert.ok(!JSON.stringify(app.log).includes(token));
  });

  it("C3 compresses above 1 KB by at least 60 %, and sends small answers as they are", async () => {
    for (let index = 0; index < 30; index++) {
      await app.request("POST", "/api/orders", { token, json: { customerName: `Customer ${index}`, totalCents: index } });
    }
    const get = (path: string, encoding: string): Promise<Buffer & { encoding?: string }> =>
      new Promise((resolve, reject) => {
        http
          .get(`${app.url}${path}`, { headers: { Authorization: `Bearer ${token}`, "Accept-Encoding": encoding } }, (answer) => {
            const parts: Buffer[] = [];
            answer.on("data", (part: Buffer) => parts.push(part));
            answer.on("end", () => resolve(Object.assign(Buffer.concat(parts), { encoding: answer.headers["content-encoding"] ?? "" })));
          })
          .on("error", reject);
      });
    const plain = await get("/api/orders", "identity");
    const gzip = await get("/api/orders", "gzip");
    const brotli = await get("/api/orders", "br, gzip");
    assert.deepEqual([plain.encoding, gzip.encoding, brotli.encoding], ["", "gzip", "br"]);
    assert.ok(plain.length > 5000);
    assert.ok(gzip.length <= plain.length * 0.4, `${gzip.length} of ${plain.length}`);
    assert.ok(gunzipSync(gzip).equals(plain));
    assert.ok(brotliDecompressSync(brotli).equals(plain));
    assert.equal((await get("/api/auth/me", "gzip")).encoding, "");
  });
});
