import assert from "node:assert/strict";
import type { Locator, Page, Route } from "playwright-core";
import { ADMIN_TOKEN, TestApp } from "../app/http/support";
import { BrowserOfTests, inPage } from "./support";

/** What an instance answers that was not meant. */
const MISDIRECTED = { status: 421, contentType: "application/problem+json", body: JSON.stringify({ detail: "Another instance." }) };

const CONTROLS = "**/api/admin/workers/**";

describe("console, many instances", () => {
  let app: TestApp;
  let browser: BrowserOfTests | undefined;

  before(async function () {
    browser = await BrowserOfTests.start(this);
    app = await TestApp.start();
    const [first] = app.cluster.workers;
    assert.ok(first);
    app.cluster = { ...app.cluster, clustering: true, workersWanted: 3, workers: [1, 2, 3].map((id) => ({ ...first, id, slot: id })) };
  });
  after(async () => {
    await browser?.close();
    await app?.remove();
  });

  async function signIn(page: Page): Promise<void> {
    await page.getByLabel("Admin token").fill(ADMIN_TOKEN);
    await page.getByRole("button", { name: "Sign in" }).click();
    await drain(page).waitFor();
  }

  const drain = (page: Page): Locator => page.getByRole("button", { name: /^Drain worker 3/ });

  it("A2 behind a load balancer a control is sent again until it reaches the instance that is meant", async () => {
    const { page } = await browser!.page();
    await page.goto(`${app.url}/console`);
    await signIn(page);
    let sent = 0;
    await page.route(CONTROLS, async (route) => {
      sent += 1;
      await (sent < 3 ? route.fulfill(MISDIRECTED) : route.continue());
    });
    const drained = app.drained.length;
    await drain(page).click();
    await page.getByText(/^Drain worker 3 .*: accepted\.$/).waitFor();
    assert.deepEqual([sent, app.drained.slice(drained)], [3, [3]]);
  });

  it("A2 among fifteen instances it is sent on, slower than the limit of a burst allows", async () => {
    const { page } = await browser!.page();
    await page.goto(`${app.url}/console`);
    await signIn(page);
    const sentAt: number[] = [];
    await page.route(CONTROLS, async (route) => {
      sentAt.push(performance.now());
      await (sentAt.length < 15 ? route.fulfill(MISDIRECTED) : route.continue());
    });
    await drain(page).click();
    await page.getByText(/^Drain worker 3 .*: accepted\.$/).waitFor();
    assert.equal(sentAt.length, 15);
    const most = Math.max(...sentAt.map((from) => sentAt.filter((at) => at >= from && at < from + 1000).length));
    assert.ok(most <= 8, `${most} in a second; ten are allowed, and figures are asked for as well`);
  });

  it("A2 an instance that is not reached within 20 s is said, and can be tried again", async () => {
    const { page } = await browser!.page();
    // The page's clock, which goes on as always until it is moved.
    await page.clock.install();
    await page.goto(`${app.url}/console`);
    await signIn(page);
    await page.route(CONTROLS, (route) => route.fulfill(MISDIRECTED));
    const drained = app.drained.length;
    await drain(page).click();
    await page.waitForRequest(CONTROLS);
    await page.clock.fastForward(20_000);
    await page.getByText(/^Drain worker 3 .*: not carried out\. In 20 s other instances answered, \d+ times\. Try again/).waitFor();
    assert.deepEqual([app.drained.length, await drain(page).getAttribute("aria-disabled")], [drained, "false"]);
  });

  it("A2 it is sent no more once its operator has signed out, whoever signs in then", async () => {
    const { page } = await browser!.page();
    await page.goto(`${app.url}/console`);
    await signIn(page);
    const held: Route[] = [];
    await page.route(CONTROLS, (route) => void held.push(route));
    const sent = page.waitForRequest(CONTROLS);
    await drain(page).click();
    await sent;
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Admin token").waitFor();
    await held[0]?.fulfill(MISDIRECTED);
    await signIn(page);
    // Rates need two answers, two seconds apart: a second attempt would have come long before.
    await page.getByText(/^requests [\d.]+ \/s$/).waitFor();
    assert.deepEqual([held.length, await page.locator("#said").textContent()], [1, ""]);
  });

  it("E7 rates are differences of one instance, added up over all; a restarted one begins anew", async () => {
    const { page } = await browser!.page();
    await page.goto(`${app.url}/console`);
    const found = await inPage<Record<string, number | null>[]>(
      page,
      "console-rates",
      `const empty = { clientErrors: 0, serverErrors: 0, inFlight: 0 };
       const snapshot = (instance, total, fast, slow, extra = {}) => ({
         instance, workers: [{ state: "ready", memory: { rssBytes: 1048576 } }], pools: [], replicas: [{ name: "replica-1", lagSeconds: 0.5 }],
         requests: { ...empty, total }, cache: { hits: total, misses: total },
         limited: { "tier-free": total, burst: total }, queues: null, companies: null,
         latency: [{ le: 0.01, count: fast }, { le: 0.1, count: fast + slow }, { le: null, count: fast + slow }], ...extra });
       const rates = new module.Rates();
       const states = [];
       const add = (time, ...args) => { rates.add(snapshot(...args), time); const { requests, p50, p99, hitRate, limited, memoryMiB, lagMs } = rates.totals();
         states.push({ requests, p50, p99, hitRate, free: limited.free, other: limited.other, memoryMiB, lagMs }); };
       add(0, "a", 1000, 0, 0);
       add(1000, "b", 50, 0, 0);
       add(2000, "a", 1020, 100, 0);
       add(3000, "b", 70, 0, 100);
       add(4000, "a", 1020, 100, 0);
       add(30000, "c", 5, 0, 0);
       return states;`,
    );
    assert.deepEqual(
      found.map(({ requests, memoryMiB }) => [requests, memoryMiB]),
      [
        [null, 1],
        [null, 2],
        [10, 2],
        [20, 2],
        [10, 2],
        [null, 1],
      ],
    );
    const both = found[3];
    assert.deepEqual([both?.["hitRate"], both?.["free"], both?.["other"], both?.["lagMs"]], [50, 20, 20, 500]);
    assert.equal(both?.["p50"], 10);
    assert.ok((both["p99"] ?? 0) > 90 && (both["p99"] ?? 0) <= 100);
  });

  it("E7 thirty instances that answer in turn are all added up; one that is gone is forgotten after three rounds", async () => {
    const { page } = await browser!.page();
    await page.goto(`${app.url}/console`);
    const found = await inPage<Record<"first" | "second" | "kept" | "forgotten", [number, number | null]>>(
      page,
      "console-rates",
      `const rates = new module.Rates();
       let time = 0;
       const round = (count) => {
         for (let index = 0; index < count; index += 1) {
           time += module.POLL_MS;
           // Each does 10 requests a second.
           rates.add({
             instance: String(index), workers: [], pools: [], replicas: [], cache: { hits: 0, misses: 0 }, limited: {}, latency: [], queues: null,
             companies: null, requests: { total: time / 100, clientErrors: 0, serverErrors: 0, inFlight: 0 } }, time);
         }
         return [rates.instances.length, rates.totals().requests];
       };
       const first = round(30);
       const second = round(30);
       // Five go.
       round(25);
       const kept = round(25);
       round(25);
       return { first, second, kept, forgotten: round(25) };`,
    );
    assert.deepEqual(found, { first: [30, null], second: [30, 300], kept: [30, 300], forgotten: [25, 250] });
  });
});
