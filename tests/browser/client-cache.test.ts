import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { TestApp } from "../app/http/support";
import { BrowserOfTests, inPage } from "./support";

describe("browser cache", () => {
  let app: TestApp;
  let browser: BrowserOfTests | undefined;
  let page: Page;

  before(async function () {
    browser = await BrowserOfTests.start(this);
    app = await TestApp.start();
    page = (await browser.page()).page;
    await page.goto(`${app.url}/icon.svg`);
  });
  after(async () => {
    await browser?.close();
    await app?.remove();
  });

  const run = <Result>(body: string): Promise<Result> => inPage<Result>(page, "client-cache", body);

  it("D8 keeps 500 entries, and drops the one that was not used for longest", async () => {
    const kept = await run(`
      const cache = new module.ClientCache();
      cache.setUser("ann");
      for (let n = 0; n < 500; n += 1) cache.set("key" + n, n);
      cache.get("key0");
      cache.set("one more", 500);
      const result = { first: cache.get("key0"), second: cache.get("key1"), third: cache.get("key2"), last: cache.get("one more"), entries: cache.stats().entries };
      cache.close();
      return { ...result, second: result.second ?? null };`);
    assert.deepEqual(kept, { first: 0, second: null, third: 2, last: 500, entries: 500 });
  });

  it("D8 entries belong to a user: another one, or nobody, finds an empty cache", async () => {
    const seen = await run(`
      const cache = new module.ClientCache();
      cache.setUser("ann");
      cache.set("/api/orders", "ann's");
      const own = cache.get("/api/orders");
      cache.setUser("bob");
      const others = cache.get("/api/orders") ?? null;
      cache.setUser("ann");
      const again = cache.get("/api/orders") ?? null;
      cache.set("/api/orders", "ann's");
      cache.setUser(null);
      const nobodys = cache.get("/api/orders") ?? null;
      const { entries } = cache.stats();
      cache.close();
      return { own, others, again, nobodys, entries };`);
    assert.deepEqual(seen, { own: "ann's", others: null, again: null, nobodys: null, entries: 0 });
  });

  it("D8 a load that ends after the user has changed is not kept for the next one", async () => {
    const seen = await run(`
      const cache = new module.ClientCache();
      cache.setUser("ann");
      let finish;
      const loading = cache.getOrLoad("/me", () => new Promise((resolve) => (finish = resolve)));
      cache.setUser("bob");
      finish("ann");
      const loaded = await loading;
      const bobs = await cache.getOrLoad("/me", async () => "bob");
      cache.close();
      return { loaded, bobs };`);
    assert.deepEqual(seen, { loaded: "ann", bobs: "bob" });
  });

  it("D8 logging out in one tab empties the cache of the others", async () => {
    const seen = await run(`
      const [here, there] = [new module.ClientCache(), new module.ClientCache()];
      here.setUser("ann");
      there.setUser("ann");
      there.set("/me", "ann");
      const before = there.stats().entries;
      here.setUser(null);
      const deadline = Date.now() + 5000;
      while (there.stats().entries > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
      const { entries } = there.stats();
      here.close();
      there.close();
      return { before, entries };`);
    assert.deepEqual(seen, { before: 1, entries: 0 });
  });

  it("D8 entries end after their time to live, by default after five minutes", async () => {
    const seen = await run(`
      let now = 1_000;
      const cache = new module.ClientCache({ now: () => now });
      cache.set("default", 1);
      cache.set("short", 2, 50);
      const at = (time) => ((now = time), [cache.get("default") ?? null, cache.get("short") ?? null]);
      const result = [at(1_049), at(1_050), at(300_999), at(301_000)];
      cache.close();
      return result;`);
    assert.deepEqual(seen, [
      [1, 2],
      [1, null],
      [1, null],
      [null, null],
    ]);
  });

  it("D8 callers that come together share one load; a failed one is not kept, an invalidated one neither", async () => {
    const seen = await run(`
      const cache = new module.ClientCache();
      let loads = 0;
      const load = async () => ++loads;
      const together = await Promise.all([1, 2, 3].map(() => cache.getOrLoad("/list", load)));
      const failed = await cache.getOrLoad("/broken", () => Promise.reject(new Error("down"))).catch((error) => error.message);
      const repaired = await cache.getOrLoad("/broken", async () => "up");
      cache.set("/list?page=2", "old");
      cache.set("/other", "kept");
      cache.invalidate("/list");
      const after = await cache.getOrLoad("/list", load);
      let finish;
      const stale = cache.getOrLoad("/slow", () => new Promise((resolve) => (finish = resolve)));
      cache.invalidate("/slow");
      finish("before the change");
      await stale;
      const result = { together, failed, repaired, after, page2: cache.get("/list?page=2") ?? null, other: cache.get("/other"), slow: cache.get("/slow") ?? null };
      cache.close();
      return result;`);
    assert.deepEqual(seen, {
      together: [1, 1, 1],
      failed: "down",
      repaired: "up",
      after: 2,
      page2: null,
      other: "kept",
      slow: null,
    });
  });
});
