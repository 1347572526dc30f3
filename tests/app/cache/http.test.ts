import assert from "node:assert/strict";
import { busiestCompanies, warmCache } from "../../../app/src/cache/warm";
import { testDatabase } from "../../support/test-database";
import { ADMIN_TOKEN, PASSWORD, TestApp } from "../http/support";

describe("B6, D6 the cache behind the API", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  interface Page {
    readonly data: readonly { readonly id: string; readonly status: string; readonly name: string }[];
    readonly page: { readonly total: number };
  }

  it("B6 lists are private to the user, revalidated by the browser, and not sent twice", async () => {
    const { token } = await app.signUp();
    await app.request("POST", "/api/orders", { token, json: { customerName: "Bob", totalCents: 5 } });
    for (const where of ["/api/orders", "/api/users", "/api/company"]) {
      const first = await app.request("GET", where, { token });
      assert.equal(first.headers.get("cache-control"), "private, no-cache", where);
      assert.match(first.headers.get("vary") ?? "", /Authorization, Cookie, Accept-Encoding/, where);
      const etag = first.headers.get("etag") ?? "";
      assert.match(etag, /^"[\w-]{22}"$/, where);
      for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
        const again = await app.request("GET", where, { token, headers: { "If-None-Match": tag } });
        assert.deepEqual([again.status, again.text, again.headers.get("etag")], [304, "", etag], where);
      }
      assert.equal((await app.request("GET", where, { token, headers: { "If-None-Match": '"other"' } })).status, 200);
    }
  });

  it("B6 what is not for caches is kept nowhere: sessions, chat, health, refusals", async () => {
    const { token } = await app.signUp();
    for (const where of ["/api/session", "/api/auth/me", "/api/chat/conversations", "/api/health/full", "/api/orders/none", "/health"]) {
      const { headers } = await app.request("GET", where, { token });
      assert.equal(headers.get("cache-control"), "no-store", where);
    }
    const anonymous = await app.request("GET", "/api/orders");
    assert.equal(anonymous.headers.get("cache-control"), "no-store");
  });

  it("D6 a write is seen by the very next read, by whoever of the company reads, and the rest comes from the cache", async () => {
    const admin = await app.signUp();
    const user = await app.addUser(admin.token);
    const { cache } = app.container;
    const list = async (token: string): Promise<Page> => (await app.request<Page>("GET", "/api/orders?limit=10", { token })).body;
    for (let number = 1; number <= 5; number++) {
      const created = await app.request<{ id: string }>("POST", "/api/orders", {
        token: user.token,
        json: { customerName: "B", totalCents: 1 },
      });
      for (const token of [user.token, admin.token]) assert.equal((await list(token)).page.total, number);
      const confirmed = await app.request("PATCH", `/api/orders/${created.body.id}`, { token: user.token, json: { status: "confirmed" } });
      assert.equal(confirmed.status, 200, confirmed.text);
      assert.equal((await list(admin.token)).data[0]?.status, "confirmed");
    }
    const before = cache.companyStats(admin.companyId);
    for (let index = 0; index < 10; index++) await list(user.token);
    const after = cache.companyStats(admin.companyId);
    assert.deepEqual([after.hits - before.hits, after.misses - before.misses], [10, 0]);
    await app.request("PATCH", "/api/company", { token: admin.token, json: { name: "Renamed" } });
    assert.equal((await app.request<{ name: string }>("GET", "/api/company", { token: user.token })).body.name, "Renamed");
    const renamed = await app.request("PATCH", `/api/users/${user.userId}`, { token: admin.token, json: { name: "Other" } });
    assert.equal(renamed.status, 200);
    assert.equal((await app.request<{ name: string }>("GET", `/api/users/${user.userId}`, { token: admin.token })).body.name, "Other");
    await app.request("DELETE", `/api/orders/${(await list(user.token)).data[0]?.id ?? ""}`, { token: admin.token });
    assert.equal((await list(user.token)).page.total, 4);
  });

  it("a hit asks the database for the session and the generations at most, and not even that while nothing was written", async () => {
    const { token } = await app.signUp();
    for (let index = 0; index < 20; index++)
      await app.request("POST", "/api/orders", { token, json: { customerName: "B", totalCents: 1 } });
    await app.request("GET", "/api/orders", { token });
    const { database } = app.container;
    const statements: string[] = [];
    const [all, get] = [database.all.bind(database), database.get.bind(database)];
    database.all = (sql, parameters) => (statements.push(sql), all(sql, parameters));
    database.get = (sql, parameters) => (statements.push(sql), get(sql, parameters));
    try {
      const asked = async (): Promise<(string | undefined)[]> => {
        statements.length = 0;
        await app.request("GET", "/api/orders", { token });
        return statements.map((sql) => /FROM (\w+)/.exec(sql)?.[1]);
      };
      await app.signUp();
      assert.deepEqual(await asked(), ["sessions", "cache_generations"], "somebody else wrote something");
      // Only a database in a file can say at no cost that nothing was written.
      assert.deepEqual(await asked(), testDatabase() === "sqlite" ? [] : ["sessions", "cache_generations"]);
    } finally {
      Object.assign(database, { all, get });
    }
  });

  it("C6, E9 health shows the cache, without a word about companies", async () => {
    const { token, companyId } = await app.signUp();
    for (let index = 0; index < 3; index++) await app.request("GET", "/api/company", { token });
    const health = await app.request<{ cache: { size: number; maxSize: number; enabled: boolean } }>("GET", "/health");
    assert.deepEqual(Object.keys(health.body.cache).sort(), ["enabled", "maxSize", "size"]);
    assert.ok(health.body.cache.enabled && health.body.cache.size > 0 && health.body.cache.maxSize === 50_000);
    const { body, text } = await app.request<{ status: string; instance: { hits: number; misses: number; hitRate: number; size: number } }>(
      "GET",
      "/api/health/cache",
    );
    assert.equal(body.status, "ok");
    assert.ok(body.instance.hits >= 2 && body.instance.misses >= 1 && body.instance.size > 0);
    assert.ok(body.instance.hitRate > 0 && body.instance.hitRate < 1);
    assert.doesNotMatch(text, new RegExp(companyId));
    const metrics = (await app.request("GET", "/metrics", { token: ADMIN_TOKEN })).text;
    assert.match(metrics, /^cache_requests_total\{result="hit"\} [1-9]/m);
    assert.match(metrics, /^cache_entries [1-9]/m);
  });

  it("E2, E9 an operator sees and empties the cache of one company", async () => {
    const { token, companyId } = await app.signUp();
    const ask = (): Promise<unknown> => app.request("GET", "/api/company", { token });
    const counts = async () =>
      (
        await app.request<{ hits: number; misses: number; hitRate: number | null }>("GET", `/api/admin/cache/${companyId}`, {
          token: ADMIN_TOKEN,
        })
      ).body;
    await ask();
    await ask();
    assert.deepEqual(await counts(), { companyId, hits: 1, sharedHits: 0, misses: 1, stale: 0, hitRate: 0.5 });
    for (const query of ["", "?namespace=companies", "?pattern=comp*"]) {
      const before = await counts();
      const { status } = await app.request("DELETE", `/api/admin/cache/${companyId}${query}`, { token: ADMIN_TOKEN });
      assert.equal(status, 204, query);
      await ask();
      assert.equal((await counts()).misses, before.misses + 1, query);
    }
    await app.refusal(400, "DELETE", `/api/admin/cache/${companyId}?patern=x`, { token: ADMIN_TOKEN });
    await app.refusal(403, "DELETE", `/api/admin/cache/${companyId}`, { token });
  });

  it("E11 warming reads what the busiest companies ask for first, under the keys that the routes use", async () => {
    const quiet = await app.signUp();
    const busy = await app.signUp();
    const user = await app.addUser(busy.token);
    for (let index = 0; index < 12; index++)
      await app.request("POST", "/api/auth/login", { json: { email: user.email, password: PASSWORD } });
    assert.equal((await busiestCompanies(app.container.database, 1))[0], busy.companyId);
    const { cache } = app.container;
    cache.shrink();
    const warmed = await warmCache({
      ...app.container,
      config: { ...app.container.config, cache: { ...app.container.config.cache, warmCompanies: 1 } },
    });
    assert.equal(warmed, 1);
    const before = cache.companyStats(busy.companyId);
    for (const where of ["/api/company", "/api/orders"]) await app.request("GET", where, { token: busy.token });
    const after = cache.companyStats(busy.companyId);
    assert.deepEqual([after.hits - before.hits, after.misses - before.misses], [2, 0]);
    assert.equal(cache.companyStats(quiet.companyId).misses, 0);
  });

  it("C5 can be switched off", async () => {
    const off = await TestApp.start({ CACHE_MAX_ENTRIES: "0" });
    try {
      const { token } = await off.signUp();
      for (let index = 0; index < 2; index++) assert.equal((await off.request("GET", "/api/company", { token })).status, 200);
      assert.deepEqual((await off.request<{ cache: unknown }>("GET", "/health")).body.cache, { enabled: false, maxSize: 0, size: 0 });
      assert.equal((await off.request<{ status: string }>("GET", "/api/health/cache")).body.status, "disabled");
    } finally {
      await off.remove();
    }
  });
});
