import assert from "node:assert/strict";
import { ACCESS, accessOf, type Access } from "../../../app/src/session/access";
import { ADMIN_TOKEN, PASSWORD, TestApp } from "../http/support";
import { type Operation, operationsOf } from "./openapi-requests";

describe("D3 access: which endpoint needs what", () => {
  let app: TestApp;
  let operations: readonly Operation[];
  before(async () => {
    app = await TestApp.start();
    operations = operationsOf((await app.request<Parameters<typeof operationsOf>[0]>("GET", "/openapi.json")).body);
  });
  after(() => app.remove());

  async function platformAdmin(): Promise<string> {
    const email = `operator-${Date.now()}@example.org`;
    const created = await app.request("POST", "/api/admin/platform-admins", {
      token: ADMIN_TOKEN,
      json: { email, name: "Operator", password: PASSWORD },
    });
    assert.equal(created.status, 201, created.text);
    assert.doesNotMatch(created.text, /scrypt|platformAdmin/);
    return (await app.request<{ token: string }>("POST", "/api/auth/login", { json: { email, password: PASSWORD } })).body.token;
  }

  it("every described route refuses whoever has less than the table asks for, and lets the others pass", async function () {
    this.timeout(60_000);
    const admin = await app.signUp();
    const user = await app.addUser(admin.token);
    const operator = await platformAdmin();
    const holders: Record<string, string | undefined> = {
      nobody: undefined,
      user: user.token,
      "company admin": admin.token,
      operator,
      "admin token": ADMIN_TOKEN,
    };
    const allowed: Record<Access, readonly string[]> = {
      public: Object.keys(holders),
      user: ["user", "company admin", "operator"],
      "company-admin": ["company admin", "operator"],
      "platform-admin": ["operator", "admin token"],
      "admin-token": ["admin token"],
    };
    const endsSession = /logout|password|login|signup/;
    for (const { method, path } of operations.filter((operation) => !endsSession.test(operation.path))) {
      // An id that nobody has: whoever passes finds nothing.
      const where = path.replaceAll(/\{\w+\}/g, "00000000-0000-7000-8000-000000000000");
      const access = accessOf(method, where);
      for (const [holder, token] of Object.entries(holders)) {
        const { status } = await app.request(method, where, token === undefined ? {} : { token });
        const refused = status === 401 || status === 403;
        assert.equal(!refused, allowed[access].includes(holder), `${method} ${path} needs ${access}, ${holder} got ${status}`);
      }
    }
  });

  it("paths are compared as Express routes them, and what the table does not name needs a session", () => {
    const cases: [method: string, path: string, access: Access][] = [
      ["POST", "/API/Admin/Reload", "platform-admin"],
      ["POST", "/api/admin/platform-admins/", "admin-token"],
      ["GET", "/api/adminx", "user"],
      ["GET", "/api/whatever", "user"],
      ["GET", "/api", "user"],
      ["GET", "/api/company", "user"],
      ["PATCH", "/api/company", "company-admin"],
      ["DELETE", "/api/orders/1", "company-admin"],
      ["POST", "/api/auth/login", "public"],
      ["GET", "/api/auth/login", "user"],
      ["GET", "/", "public"],
      ["GET", "/apix", "public"],
    ];
    for (const [method, path, access] of cases) assert.equal(accessOf(method, path), access, `${method} ${path}`);
    assert.equal(ACCESS.at(-1)?.path, "/", "the last line fits everything");
  });

  it("only the admin token makes platform admins; they operate the platform and see no company's data", async () => {
    const admin = await app.signUp();
    const operator = await platformAdmin();
    const json = { email: "me@example.org", name: "Me", password: PASSWORD };
    await app.refusal(401, "POST", "/api/admin/platform-admins", { json });
    await app.refusal(401, "POST", "/api/admin/platform-admins", { json, token: admin.token });
    await app.refusal(401, "POST", "/api/admin/platform-admins", { json, token: operator });
    await app.refusal(403, "GET", `/api/admin/cache/${admin.companyId}`, { token: admin.token });
    assert.equal((await app.request("GET", `/api/admin/cache/${admin.companyId}`, { token: operator })).status, 200);
    await app.refusal(404, "GET", `/api/users/${admin.userId}`, { token: operator });
    const twice = { email: "twice@example.org", name: "T", password: PASSWORD };
    await app.request("POST", "/api/admin/platform-admins", { token: ADMIN_TOKEN, json: twice });
    await app.refusal(409, "POST", "/api/admin/platform-admins", { token: ADMIN_TOKEN, json: twice });
    // Being made an admin of a company makes nobody an operator.
    const user = await app.addUser(admin.token);
    await app.request("PATCH", `/api/users/${user.userId}`, { token: admin.token, json: { role: "admin" } });
    const { body } = await app.request<{ token: string }>("POST", "/api/auth/login", { json: { email: user.email, password: PASSWORD } });
    await app.refusal(403, "POST", "/api/admin/reload", { token: body.token });
    await app.refusal(400, "PATCH", `/api/users/${user.userId}`, { token: admin.token, json: { platformAdmin: true } });
  });

  it("operators are users of a company of their own, whose documents are kept like those of any other", async () => {
    const token = await platformAdmin();
    const form = new FormData();
    form.set("file", new Blob(["for operators"]), "a.txt");
    const headers = { Authorization: `Bearer ${token}` };
    const answer = await fetch(`${app.url}/api/documents`, { method: "POST", body: form, headers });
    assert.equal(answer.status, 201);
    const { document } = (await answer.json()) as { document: { id: string } };
    const { text } = await app.request("GET", `/api/documents/${document.id}/content`, { token });
    assert.equal(text, "for operators");
  });

  it("an admin of the operators' company who is no operator cannot become one by changing one", async () => {
    const operator = await platformAdmin();
    const { body: me } = await app.request<{ user: { id: string } }>("GET", "/api/auth/me", { token: operator });
    const clerk = await app.addUser(operator);
    const made = await app.request("PATCH", `/api/users/${clerk.userId}`, { token: operator, json: { role: "admin" } });
    assert.equal(made.status, 200, made.text);
    const login = { email: clerk.email, password: PASSWORD };
    const { token } = (await app.request<{ token: string }>("POST", "/api/auth/login", { json: login })).body;
    assert.equal((await app.request("GET", `/api/users/${me.user.id}`, { token })).status, 200);
    await app.refusal(403, "PATCH", `/api/users/${me.user.id}`, { token, json: { password: "another long password" } });
    await app.refusal(403, "POST", `/api/users/${me.user.id}/deactivate`, { token });
    assert.equal((await app.request("GET", "/api/auth/me", { token: operator })).status, 200, "still logged in");
    const renamed = await app.request("PATCH", `/api/users/${me.user.id}`, { token: operator, json: { name: "Renamed" } });
    assert.equal(renamed.status, 200, renamed.text);
  });
});
