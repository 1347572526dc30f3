import assert from "node:assert/strict";
import http from "node:http";
import { PASSWORD, TestApp } from "../http/support";

describe("D3 requests that another site makes a browser send", () => {
  let app: TestApp;
  let token: string;
  before(async () => {
    app = await TestApp.start();
    ({ token } = await app.signUp());
  });
  after(() => app.remove());

  /** fetch does not let anyone set these headers, as a browser does not; a plain request does. */
  function send(method: string, path: string, headers: Record<string, string>, body = ""): Promise<number> {
    return new Promise((resolve, reject) => {
      const request = http.request({ host: "127.0.0.1", port: app.server.port, method, path, headers }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      request.on("error", reject);
      request.end(body);
    });
  }
  const json = { "Content-Type": "application/json" };
  const order = JSON.stringify({ customerName: "Bob", totalCents: 1 });

  it("changes nothing by a visitor's cookie when the browser says that another site asks", async () => {
    const Cookie = `sid=${token}`;
    for (const site of ["cross-site", "same-site"]) {
      assert.equal(await send("POST", "/api/orders", { ...json, Cookie, "Sec-Fetch-Site": site }, order), 403, site);
      assert.equal(await send("POST", "/api/auth/logout-everywhere", { Cookie, "Sec-Fetch-Site": site }), 403, site);
      assert.equal(await send("POST", "/api/auth/logout", { Cookie, "Sec-Fetch-Site": site }), 403, site);
      assert.equal(await send("POST", "/api/auth/logout", { "Sec-Fetch-Site": site }), 403, "its answer would delete the cookie");
      assert.equal(await send("GET", "/api/orders", { Cookie, "Sec-Fetch-Site": site }), 200, "a link may lead here");
    }
    for (const Origin of ["https://evil.example", "null", "not an origin", `http://127.0.0.1:${app.server.port + 1}`]) {
      assert.equal(await send("POST", "/api/orders", { ...json, Cookie, Origin }, order), 403, Origin);
    }
    assert.equal((await app.request("GET", "/api/auth/me", { token })).status, 200, "still logged in");
  });

  it("lets the own pages, programs and bearer tokens pass", async () => {
    const Cookie = `sid=${token}`;
    const own = { Origin: `http://127.0.0.1:${app.server.port}` };
    for (const headers of [
      { Cookie, "Sec-Fetch-Site": "same-origin" },
      { Cookie, ...own },
      { Cookie },
      { Cookie, "Sec-Fetch-Site": "none" },
    ]) {
      assert.equal(await send("POST", "/api/orders", { ...json, ...headers }, order), 201, JSON.stringify(headers));
    }
    const bearer = { Authorization: `Bearer ${token}`, "Sec-Fetch-Site": "cross-site", Origin: "https://other.example" };
    assert.equal(await send("POST", "/api/orders", { ...json, ...bearer }, order), 201);
  });

  it("takes JSON only, which a form of another site cannot send, and a cookie that it is not sent along with", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
      assert.equal(await send("POST", "/api/orders", { "Content-Type": type, Cookie: `sid=${token}` }, order), 415, type);
      const login = JSON.stringify({ email: "a@example.org", password: PASSWORD });
      assert.equal(await send("POST", "/api/auth/login", { "Content-Type": type }, login), 415, type);
    }
    const { headers } = await app.request("POST", "/api/auth/signup", {
      json: { companyName: "C", name: "N", email: "cookie@example.org", password: PASSWORD },
    });
    assert.match(headers.get("set-cookie") ?? "", /; HttpOnly; SameSite=Lax$/);
  });
});
