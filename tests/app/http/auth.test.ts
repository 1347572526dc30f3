import assert from "node:assert/strict";
import { PASSWORD, TestApp } from "./support";

describe("API: sign up, log in, log out", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  const signUp = (changes: object = {}) => ({ companyName: "Acme", name: "Ann", email: "ann@example.org", password: PASSWORD, ...changes });

  it("creates a company and its admin, and logs in with a cookie that scripts cannot read", async () => {
    const { status, body, headers, text } = await app.request<{
      user: Record<string, unknown>;
      company: Record<string, unknown>;
      token: string;
    }>("POST", "/api/auth/signup", { json: signUp({ email: " Ann.First@Example.org " }) });
    assert.equal(status, 201, text);
    assert.equal(body.user["email"], "ann.first@example.org");
    assert.equal(body.user["role"], "admin");
    assert.equal(body.company["name"], "Acme");
    assert.equal(body.company["plan"], "FREE");
    assert.doesNotMatch(text, /scrypt|passwordHash|correct horse/);
    const cookie = headers.get("set-cookie") ?? "";
    assert.match(cookie, /^sid=[\w.-]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
    const me = await app.request<{ user: { email: string } }>("GET", "/api/auth/me", { headers: { Cookie: cookie.split(";")[0] ?? "" } });
    assert.equal(me.body.user.email, "ann.first@example.org");
  });

  it("marks the cookie Secure when a trusted proxy says that the client came over TLS, and only then", async () => {
    const viaProxy = { "X-Forwarded-Proto": "https" };
    const untrusted = await app.request("POST", "/api/auth/signup", { json: signUp({ email: "tls0@example.org" }), headers: viaProxy });
    assert.doesNotMatch(untrusted.headers.get("set-cookie") ?? "", /Secure/);
    const behindProxy = await TestApp.start({ TRUST_PROXY: "1" });
    try {
      const trusted = await behindProxy.request("POST", "/api/auth/signup", { json: signUp(), headers: viaProxy });
      assert.match(trusted.headers.get("set-cookie") ?? "", /; Secure$/);
    } finally {
      await behindProxy.remove();
    }
  });

  it("refuses a second account for an address, whatever its case", async () => {
    await app.request("POST", "/api/auth/signup", { json: signUp({ email: "twice@example.org" }) });
    const problem = await app.refusal(409, "POST", "/api/auth/signup", { json: signUp({ email: "TWICE@example.org" }) });
    assert.equal(problem.errors?.[0]?.field, "email");
  });

  it("names every wrong field at once and never repeats a password", async () => {
    const problem = await app.refusal(400, "POST", "/api/auth/signup", {
      json: { companyName: "", name: 7, email: "nobody", password: "tooshort", extra: 1 },
    });
    assert.deepEqual(problem.errors?.map(({ field }) => field).sort(), ["companyName", "email", "extra", "name", "password"]);
    assert.doesNotMatch(JSON.stringify(problem), /tooshort/);
    assert.equal(problem.errors.find(({ field }) => field === "email")?.value, "nobody");
    assert.match(problem.detail, /password must be 10 to 200 characters/);
  });

  it("gives the same answer to an unknown address, a wrong password and a deactivated user", async () => {
    const admin = await app.signUp();
    const gone = await app.addUser(admin.token);
    await app.request("POST", `/api/users/${gone.userId}/deactivate`, { token: admin.token });
    const attempts = [
      { email: "unknown@example.org", password: PASSWORD },
      { email: gone.email, password: "not the password" },
      { email: gone.email, password: PASSWORD },
    ];
    const details = new Set<string>();
    for (const json of attempts) {
      const problem = await app.refusal(401, "POST", "/api/auth/login", { json });
      details.add(`${problem.type} ${problem.detail}`);
    }
    assert.equal(details.size, 1);
  });

  it("ends the session on log out, everywhere and at once", async () => {
    const { token } = await app.signUp();
    const out = await app.request("POST", "/api/auth/logout", { token });
    assert.equal(out.status, 204);
    assert.match(out.headers.get("set-cookie") ?? "", /^sid=; Path=\/; Max-Age=0/);
    await app.refusal(401, "GET", "/api/auth/me", { token });
    assert.equal((await app.request("POST", "/api/auth/logout", { token })).status, 204, "logging out twice is no error");
  });

  it("refuses forged, shortened, foreign and missing tokens with the same care", async () => {
    const { token } = await app.signUp();
    const [id = "", signature = ""] = token.split(".");
    const flipped = `${id.startsWith("A") ? "B" : "A"}${id.slice(1)}.${signature}`;
    for (const forged of [flipped, `${id}.`, id, `${id}.${id}`, "x", "a.b.c", `${token}x`]) {
      const problem = await app.refusal(401, "GET", "/api/auth/me", { token: forged });
      assert.equal(problem.type, "urn:phased-stack:problem:authentication-required");
    }
    const answer = await app.request("GET", "/api/orders");
    assert.equal(answer.headers.get("www-authenticate"), "Bearer");
    assert.equal(answer.status, 401);
  });

  it("forgets sessions signed with another secret", async () => {
    const own = await TestApp.start({ SESSION_SECRET: "a".repeat(32) });
    try {
      const { token } = await own.signUp();
      await own.stop();
      await own.run({ SESSION_SECRET: "b".repeat(32) });
      await own.refusal(401, "GET", "/api/auth/me", { token });
    } finally {
      await own.remove();
    }
  });

  it("keeps data and sessions across a restart, with the secret it generated", async () => {
    const own = await TestApp.start();
    try {
      const { token } = await own.signUp();
      const created = await own.request<{ id: string }>("POST", "/api/orders", { token, json: { customerName: "Bob", totalCents: 5 } });
      await own.stop();
      await own.run();
      const found = await own.request("GET", `/api/orders/${created.body.id}`, { token });
      assert.equal(found.status, 200);
      assert.deepEqual(found.body, created.body);
      assert.ok(own.log.some(({ msg, file }) => /generated/.test(String(msg)) && String(file).endsWith("session-secret")));
    } finally {
      await own.remove();
    }
  });
});
