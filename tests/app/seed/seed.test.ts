import assert from "node:assert/strict";
import fc from "fast-check";
import { PLAN_LIMITS } from "../../../app/src/billing/plans";
import type { Database } from "../../../app/src/db/database";
import { seedOptions } from "../../../app/src/seed/command";
import { seedCompanies, seedSessions, type SeedSession } from "../../../app/src/seed/seed";
import { companyAt } from "../../../app/src/seed/shape";
import { TokenSigner } from "../../../app/src/session/token";
import { withAnyDatabase } from "../db/support";
import { TestApp } from "../http/support";

const OPTIONS = { companies: 120, seed: 7 };

async function count(database: Database, table: string): Promise<number> {
  const row = await database.get<{ count: number }>(`SELECT count(*) AS "count" FROM ${table}`);
  return Number(row?.count);
}

describe("companies made for loads", () => {
  it("E10 are the same for the same seed, others for another, and unequal: few are large, most are small", () => {
    const now = Date.now();
    assert.deepEqual(companyAt(OPTIONS, 3, now), companyAt(OPTIONS, 3, now));
    assert.notEqual(companyAt(OPTIONS, 3, now).id, companyAt({ ...OPTIONS, seed: 8 }, 3, now).id);
    const sizes = Array.from({ length: 10_000 }, (_nothing, index) => companyAt({ companies: 10_000, seed: 1 }, index, now).orders.length);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const largest = sizes.slice(0, 100).reduce((sum, size) => sum + size, 0);
    assert.ok(total > 40_000 && total < 120_000, `${total} orders`);
    assert.ok(largest / total > 0.2, `the hundred largest have ${largest} of ${total}`);
    assert.ok(sizes.every((size, index) => index === 0 || size <= (sizes[index - 1] ?? 0)));
  });

  it("E6 never have more than their plan allows", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.nat(), fc.integer({ min: 1, max: 1000 }), (companies, at, seed) => {
        const { plan, users, orders, products } = companyAt({ companies, seed }, at % companies, 0);
        const limits = PLAN_LIMITS[plan];
        assert.ok(users.length <= (limits.users ?? Infinity) && users.length > 0);
        assert.ok(orders.length <= (limits.orders ?? Infinity) && products.length <= (limits.products ?? Infinity));
      }),
      { numRuns: 50 },
    );
  });

  it("E10 interrupted and run again: what was there stays, nothing is made twice, nothing is missing", async () => {
    await withAnyDatabase(async (database) => {
      const ending = new AbortController();
      const interrupted = seedCompanies(database, OPTIONS, () => ending.abort(new Error("interrupted")), ending.signal);
      await assert.rejects(interrupted, /interrupted/);
      const first = await count(database, "companies");
      assert.ok(first > 0 && first < OPTIONS.companies, `${first} companies`);
      assert.equal(await seedCompanies(database, OPTIONS), OPTIONS.companies - first);
      assert.equal(await count(database, "companies"), OPTIONS.companies);
      const rows = await Promise.all(["users", "orders", "products"].map((table) => count(database, table)));
      assert.equal(await seedCompanies(database, OPTIONS), 0);
      assert.deepEqual(await Promise.all(["users", "orders", "products"].map((table) => count(database, table))), rows);
      const off = await database.all(
        `SELECT c.id FROM companies c JOIN quota_usage q ON q.company_id = c.id AND q.resource = 'orders'
         WHERE q.used <> c.last_order_number OR q.used <> (SELECT count(*) FROM orders o WHERE o.company_id = c.id)`,
      );
      assert.deepEqual(off, []);
    });
  }).timeout(60_000);

  it("E10 their sessions work in the app, each in its own company, and those from before end", async () => {
    const app = await TestApp.start({ SESSION_SECRET: "a-session-secret-of-thirty-two-characters" });
    try {
      const signer = new TokenSigner("a-session-secret-of-thirty-two-characters");
      const { database } = app.container;
      const options = { companies: 4, seed: 1 };
      await seedCompanies(database, options);
      const login = async (): Promise<SeedSession[]> => {
        const sessions: SeedSession[] = [];
        await seedSessions(database, signer, options, (some) => void sessions.push(...some));
        return sessions;
      };
      const before = await login();
      const sessions = await login();
      assert.equal(sessions.length, 4);
      const ask = async (path: string, token = ""): Promise<{ status: number; body: unknown }> => {
        const answer = await fetch(`${app.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
        return { status: answer.status, body: await answer.json() };
      };
      for (const { token, orders } of sessions) {
        assert.equal((await ask("/api/dashboard", token)).status, 200);
        for (const order of orders) assert.equal((await ask(`/api/orders/${order}`, token)).status, 200);
      }
      assert.equal((await ask(`/api/orders/${sessions[1]?.orders[0] ?? ""}`, sessions[0]?.token)).status, 404);
      assert.equal((await ask("/api/dashboard", before[0]?.token)).status, 401);
    } finally {
      await app.remove();
    }
  }).timeout(60_000);

  it("refuses what it does not understand, naming the option", () => {
    assert.deepEqual(seedOptions(["--companies=10", "--sessions"]), { options: { companies: 10, seed: 1 }, sessions: true });
    assert.throws(() => seedOptions([]), /--companies: "" is not allowed; use a whole number from 1 to 100000/);
    assert.throws(() => seedOptions(["--companies=10", "--seed=x"]), /--seed: "x" is not allowed; use a whole number from 1 to 1000000/);
    assert.throws(() => seedOptions(["--company=10"]), /Unknown option '--company'/);
  });
});
