import assert from "node:assert/strict";
import fc from "fast-check";
import { ADMIN_TOKEN, TestApp } from "../http/support";
import { allRoutes, type Route } from "./routes";
import { INTERNALS } from "./support";

/** Reloading and streams of events go on for as long as they like. */
const ENDLESS = /\/reload$|\/stream|\/events$/;

const ATTACKS = [
  "' OR '1'='1",
  "1; DROP TABLE users; --",
  '" OR ""="',
  "') UNION SELECT password_hash FROM users --",
  "%27%20OR%201=1",
  "1' AND (SELECT randomblob(1000000000)) --",
  "\\'; SELECT pg_sleep(10); --",
  "../../../etc/passwd",
  "${jndi:ldap://127.0.0.1/a}",
  "{{7*7}}",
  "<script>alert(1)</script>",
  "\u0000",
  "\ud800",
  "-1",
  "1e309",
  "__proto__",
];

describe("hardening: every route, whatever is sent to it", () => {
  let app: TestApp;
  let token: string;
  let routes: Route[];
  before(async () => {
    app = await TestApp.start({ RATE_LIMITS: "off" });
    ({ token } = await app.signUp());
    routes = allRoutes(app.container).filter(({ path }) => !ENDLESS.test(path));
  });
  after(() => app.remove());

  const attack = fc.oneof(fc.constantFrom(...ATTACKS), fc.string({ unit: "binary", maxLength: 50 }));
  const json = fc.oneof(attack, fc.integer(), fc.constant(null), fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown>);
  const body = fc.dictionary(
    fc.oneof(
      fc.constantFrom("email", "password", "name", "customerName", "totalCents", "status", "plan", "role", "companyId", "id"),
      fc.string({ maxLength: 10 }),
    ),
    json,
    { maxKeys: 6 },
  );
  const query = fc.dictionary(fc.constantFrom("limit", "offset", "cursor", "sort", "status", "q", "period", "id"), attack, { maxKeys: 3 });

  it("the list of routes is the app's", () => {
    assert.ok(routes.length >= 25, String(routes.length));
    for (const known of ["GET /api/orders/:id", "POST /api/auth/login", "GET /api/admin/metrics/summary", "GET /metrics"]) {
      assert.ok(
        routes.some(({ method, path }) => `${method} ${path}` === known),
        known,
      );
    }
  });

  it("SQL and worse in every field, parameter and path: never a 5xx, never anything of the inside, always a problem document (property)", async () => {
    const before = await app.container.database.get<{ count: number }>("SELECT count(*) AS count FROM users");
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.constantFrom("user", "admin", "none"), attack, query, body, async (pick, who, id, parameters, sent) => {
        const { method, path } = routes[pick % routes.length]!;
        // Logging out would end the test's own session.
        fc.pre(!/logout|password|deactivate/.test(path));
        const encoded = encodeURIComponent(Buffer.from(id).toString());
        const search = new URLSearchParams(parameters).toString();
        const where = `${path.replace(/:\w+/g, encoded === "" ? "x" : encoded)}?${search}`;
        const answer = await app.request(method, where, {
          ...(who !== "none" && { token: who === "admin" ? ADMIN_TOKEN : token }),
          ...(method !== "GET" && { json: sent }),
        });
        assert.ok(answer.status < 500, `${method} ${where} ${JSON.stringify(sent)}: ${answer.status} ${answer.text}`);
        if (answer.status >= 400) {
          assert.equal(answer.headers.get("content-type"), "application/problem+json", `${method} ${where}`);
          // What the client sent may be repeated; what the server is made of may not be told.
          const told = JSON.stringify({ ...answer.body, errors: undefined, instance: undefined, detail: undefined });
          assert.doesNotMatch(told, INTERNALS, `${method} ${where}`);
          assert.ok(!("stack" in answer.body));
        }
      }),
      { numRuns: 300 },
    );
    const after = await app.container.database.get<{ count: number }>("SELECT count(*) AS count FROM users");
    assert.ok((after?.count ?? 0) >= (before?.count ?? 0), "nobody was deleted");
    assert.deepEqual(
      app.log.filter(({ msg }) => msg === "error while answering"),
      [],
    );
  });

  it("forged tokens are refused by every route that needs one (property)", async () => {
    const [id = "", signature = ""] = token.split(".");
    const forged = fc.oneof(
      fc.constant(`${id}.${"A".repeat(43)}`),
      fc.constant(`${"A".repeat(43)}.${signature}`),
      fc.constant(id),
      fc.constant(`${token}x`),
      fc.constant("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."),
      fc.stringMatching(/^[\w-]{43}\.[\w-]{43}$/),
      fc.stringMatching(/^[!-~]{1,100}$/),
    );
    const secured = routes.filter(({ path }) => path.startsWith("/api/") && !/^\/api\/(health|auth\/(login|signup|logout))/.test(path));
    assert.ok(secured.length >= 20);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...secured), forged, fc.boolean(), async ({ method, path }, value, asCookie) => {
        const headers: Record<string, string> = asCookie
          ? { Cookie: `sid=${value.replace(/[;,\s]/g, "")}` }
          : { Authorization: `Bearer ${value}` };
        const where = path.replace(/:\w+/g, "x");
        const answer = await app.request(method, where, { headers, ...(method !== "GET" && { json: {} }) });
        assert.equal(answer.status, 401, `${method} ${where} ${value}: ${answer.status}`);
        assert.equal(answer.headers.get("www-authenticate"), "Bearer");
      }),
      { numRuns: 150 },
    );
  });

  it("headers that claim an identity, a company or an address change nothing", async () => {
    const other = await app.signUp();
    const order = await app.request<{ id: string }>("POST", "/api/orders", {
      token: other.token,
      json: { customerName: "C", totalCents: 1 },
    });
    const claims: Record<string, string> = {
      "X-Company-Id": other.companyId,
      "X-Tenant-Id": other.companyId,
      "X-User-Id": other.userId,
      "X-Forwarded-User": "admin",
      "X-Remote-User": "admin",
      "X-Original-URL": "/api/admin/metrics/summary",
      "X-Rewrite-URL": "/api/admin/metrics/summary",
      "X-Forwarded-For": "127.0.0.1",
      "X-Real-IP": "10.0.0.1",
      Forwarded: "for=127.0.0.1;host=internal;proto=https",
      "X-Forwarded-Host": "evil.example",
      "X-Forwarded-Proto": "https",
    };
    app.log.length = 0;
    const own = await app.request<{ company: { id: string } }>("GET", "/api/auth/me", { token, headers: claims });
    assert.notEqual(own.body.company.id, other.companyId);
    assert.doesNotMatch(JSON.stringify([...own.headers]), /evil\.example/);
    await app.refusal(404, "GET", `/api/orders/${order.body.id}`, { token, headers: claims });
    await app.refusal(401, "GET", "/api/admin/metrics/summary", { headers: claims });
    const addresses = new Set(app.log.filter(({ msg }) => msg === "request").map(({ ip }) => ip));
    assert.deepEqual([...addresses], ["127.0.0.1"]);
    const elsewhere = await app.request("GET", "/nope", { headers: { "X-Forwarded-For": "6.6.6.6" } });
    assert.equal(elsewhere.status, 404);
    assert.ok(!JSON.stringify(app.log).includes("6.6.6.6"), "without a trusted proxy nobody is who they say");
  });

  it("with N trusted proxies the address is the N-th from the right, whatever the client wrote before it (property)", async () => {
    const proxied = await TestApp.start({ RATE_LIMITS: "off", TRUST_PROXY: "1" });
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.ipV4(), { maxLength: 4 }), fc.ipV4(), async (claimed, real) => {
          proxied.log.length = 0;
          await proxied.request("GET", "/nope", { headers: { "X-Forwarded-For": [...claimed, real].join(", ") } });
          assert.equal(proxied.log.find(({ msg }) => msg === "request")?.["ip"], real);
        }),
        { numRuns: 30 },
      );
    } finally {
      await proxied.remove();
    }
  });

  it("other companies' ids lead nowhere: every route with an id answers as for one that never was (property)", async () => {
    const victim = await app.signUp();
    const created = await Promise.all([
      app.request<{ id: string }>("POST", "/api/orders", {
        token: victim.token,
        json: { customerName: "Secret customer", totalCents: 77 },
      }),
      app.addUser(victim.token),
    ]);
    const ids = [created[0].body.id, created[1].userId, victim.companyId, victim.userId];
    const withId = routes.filter(({ path }) => path.includes(":") && !path.startsWith("/api/admin") && !path.startsWith("/api/health"));
    assert.ok(withId.length >= 8);
    for (const { method, path } of withId) {
      for (const id of ids) {
        const ask = (value: string) => app.request(method, path.replace(/:\w+/g, value), { token, ...(method !== "GET" && { json: {} }) });
        const [theirs, nobodys] = await Promise.all([ask(id), ask("never-was")]);
        assert.equal(theirs.status, nobodys.status, `${method} ${path} ${id}`);
        assert.ok(theirs.status >= 400, `${method} ${path}`);
        assert.doesNotMatch(theirs.text, /Secret customer/);
      }
    }
    const still = await app.request<{ customerName: string }>("GET", `/api/orders/${created[0].body.id}`, { token: victim.token });
    assert.equal(still.body.customerName, "Secret customer");
  });
});
