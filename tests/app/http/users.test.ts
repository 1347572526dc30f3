import assert from "node:assert/strict";
import { PASSWORD, TestApp } from "./support";

describe("API: company and users", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  it("shows the own company and lets its admin rename it", async () => {
    const { token, companyId } = await app.signUp();
    const renamed = await app.request<{ id: string; name: string }>("PATCH", "/api/company", { token, json: { name: "New name" } });
    assert.equal(renamed.status, 200);
    const shown = await app.request<{ id: string; name: string; lastOrderNumber?: number }>("GET", "/api/company", { token });
    assert.deepEqual(shown.body, renamed.body);
    assert.equal(shown.body.id, companyId);
    assert.equal(shown.body.name, "New name");
    assert.equal(shown.body.lastOrderNumber, undefined);
    const problem = await app.refusal(400, "PATCH", "/api/company", { token, json: { name: "x".repeat(201), plan: "ENTERPRISE" } });
    assert.deepEqual(problem.errors?.map(({ field }) => field).sort(), ["name", "plan"]);
  });

  it("lets admins create, list, show, change, deactivate and activate users", async () => {
    const { token } = await app.signUp();
    const created = await app.request<{ id: string; role: string }>("POST", "/api/users", {
      token,
      json: { email: "carl@example.org", name: "Carl", password: PASSWORD },
    });
    assert.equal(created.status, 201);
    assert.equal(created.body.role, "user");
    const where = created.headers.get("location") ?? "";
    const login = () => app.request("POST", "/api/auth/login", { json: { email: "carl@example.org", password: PASSWORD } });
    assert.equal((await login()).status, 200);
    const list = await app.request<{ data: { email: string }[]; page: { total: number } }>("GET", "/api/users?sort=email&status=active", {
      token,
    });
    assert.equal(list.body.page.total, 2);
    assert.doesNotMatch(list.text, /scrypt|passwordHash/);
    const changed = await app.request<{ name: string; role: string }>("PATCH", where, { token, json: { name: "Carla", role: "admin" } });
    assert.deepEqual([changed.body.name, changed.body.role], ["Carla", "admin"]);
    assert.equal((await app.request<{ name: string }>("GET", where, { token })).body.name, "Carla");
    assert.equal((await app.request<{ status: string }>("POST", `${where}/deactivate`, { token })).body.status, "deactivated");
    assert.equal((await login()).status, 401);
    assert.equal((await app.request<{ status: string }>("POST", `${where}/activate`, { token })).body.status, "active");
    assert.equal((await login()).status, 200);
  });

  it("If-Match: of several who have seen the same company or user one changes it, and the tag is that of the cached answer", async () => {
    const { token } = await app.signUp();
    const user = await app.addUser(token);
    for (const where of ["/api/company", `/api/users/${user.userId}`]) {
      const patch = (name: string, tag: string) => app.request("PATCH", where, { token, json: { name }, headers: { "If-Match": tag } });
      const seen = (await app.request("GET", where, { token })).headers.get("etag") ?? "";
      const answers = await Promise.all(["A", "B", "C"].map((name) => patch(name, seen)));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412, 412], where);
      const changed = answers.find(({ status }) => status === 200);
      const shown = await app.request("GET", where, { token });
      assert.deepEqual([shown.body, shown.headers.get("etag")], [changed?.body, changed?.headers.get("etag")]);
      const problem = await app.refusal(412, "PATCH", where, { token, json: { name: "D" }, headers: { "If-Match": seen } });
      assert.match(problem.detail, /^The (company|user) has been changed meanwhile; read it again\.$/);
      assert.deepEqual((await app.request("GET", where, { token })).body, shown.body, "a refused change changes nothing");
      const current = shown.headers.get("etag") ?? "";
      assert.equal((await patch("E", `W/${current}`)).status, 200, "a proxy that compresses weakens tags");
      assert.equal((await patch("F", "*")).status, 200);
      for (const wrong of ["1", '"1"', `${current}, "x"`, '""']) {
        const refused = await app.refusal(400, "PATCH", where, { token, json: { name: "G" }, headers: { "If-Match": wrong } });
        assert.equal(refused.errors?.[0]?.field, "If-Match");
      }
      assert.equal((await app.request<{ name: string }>("GET", where, { token })).body.name, "F");
    }
  });

  it("If-Match guards locking a user out, and a new password though nothing that is shown changes but the time", async () => {
    const { token } = await app.signUp();
    const { userId } = await app.addUser(token);
    const where = `/api/users/${userId}`;
    const seen = (await app.request("GET", where, { token })).headers.get("etag") ?? "";
    const headers = { "If-Match": seen };
    assert.equal((await app.request("PATCH", where, { token, json: { password: "another password" }, headers })).status, 200);
    await app.refusal(412, "PATCH", where, { token, json: { password: "a third password" }, headers });
    await app.refusal(412, "POST", `${where}/deactivate`, { token, headers });
    const current = (await app.request("GET", where, { token })).headers.get("etag") ?? "";
    const locked = await app.request("POST", `${where}/deactivate`, { token, headers: { "If-Match": current } });
    assert.equal(locked.status, 200);
    const now = { "If-Match": locked.headers.get("etag") ?? "" };
    assert.equal((await app.request("POST", `${where}/activate`, { token, headers: now })).status, 200);
  });

  it("ends a user's sessions with a new password, a new role and deactivation", async () => {
    const { token } = await app.signUp();
    const changes: [string, string, object | undefined][] = [
      ["PATCH", "", { password: "another password" }],
      ["PATCH", "", { role: "admin" }],
      ["POST", "/deactivate", undefined],
    ];
    for (const [method, action, json] of changes) {
      const user = await app.addUser(token);
      assert.equal((await app.request("GET", "/api/auth/me", { token: user.token })).status, 200);
      const changed = await app.request(method, `/api/users/${user.userId}${action}`, { token, ...(json !== undefined && { json }) });
      assert.equal(changed.status, 200, changed.text);
      await app.refusal(401, "GET", "/api/auth/me", { token: user.token });
    }
    const renamed = await app.addUser(token);
    await app.request("PATCH", `/api/users/${renamed.userId}`, { token, json: { name: "Other" } });
    assert.equal((await app.request("GET", "/api/auth/me", { token: renamed.token })).status, 200, "a new name ends nothing");
  });

  it("keeps one active admin in every company", async () => {
    const { token, userId } = await app.signUp();
    const problem = await app.refusal(409, "POST", `/api/users/${userId}/deactivate`, { token });
    assert.match(problem.detail, /at least one active admin/);
    await app.refusal(409, "PATCH", `/api/users/${userId}`, { token, json: { role: "user" } });
    assert.equal((await app.request<{ user: { role: string } }>("GET", "/api/auth/me", { token })).body.user.role, "admin", "rolled back");
  });

  it("refuses users who are not admins", async () => {
    const admin = await app.signUp();
    const { token, userId } = await app.addUser(admin.token);
    await app.refusal(403, "GET", "/api/users", { token });
    await app.refusal(403, "POST", "/api/users", { token, json: { email: "x@example.org", name: "X", password: PASSWORD } });
    await app.refusal(403, "PATCH", `/api/users/${userId}`, { token, json: { role: "admin" } });
    await app.refusal(403, "POST", `/api/users/${userId}/activate`, { token });
    await app.refusal(403, "PATCH", "/api/company", { token, json: { name: "Mine" } });
    await app.refusal(401, "GET", "/api/users");
  });

  it("never shows, changes or signs in across companies", async () => {
    const one = await app.signUp();
    const other = await app.signUp();
    const user = await app.addUser(one.token);
    for (const [method, action, json] of [
      ["GET", "", undefined],
      ["PATCH", "", { role: "admin" }],
      ["POST", "/deactivate", undefined],
    ] as const) {
      await app.refusal(404, method, `/api/users/${user.userId}${action}`, { token: other.token, ...(json !== undefined && { json }) });
    }
    const problem = await app.refusal(409, "POST", "/api/users", {
      token: other.token,
      json: { email: user.email, name: "X", password: PASSWORD },
    });
    assert.equal(problem.errors?.[0]?.field, "email");
    assert.equal((await app.request("GET", "/api/auth/me", { token: user.token })).status, 200);
  });
});
