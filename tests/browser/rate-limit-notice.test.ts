import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { TestApp } from "../app/http/support";
import { BrowserOfTests, inPage } from "./support";

const START = new Date("2026-11-21T12:00:00Z");

describe("notice of the rate limit", () => {
  let app: TestApp;
  let browser: BrowserOfTests | undefined;

  before(async function () {
    browser = await BrowserOfTests.start(this);
    app = await TestApp.start();
  });
  after(async () => {
    await browser?.close();
    await app?.remove();
  });

  /** An empty page of the app with a notice for a request that has to wait; time stands still until the test moves it. */
  async function shown(waitMs: number): Promise<{ page: Page; requests: () => number; retries: () => Promise<number> }> {
    const { page } = await browser!.page();
    await page.clock.install({ time: START });
    await page.route("**/blank", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>blank</title>" }));
    await page.goto(`${app.url}/blank`);
    await page.clock.pauseAt(new Date(START.getTime() + 60_000));
    await inPage(
      page,
      "rate-limit-notice",
      `globalThis.retries = 0;
       globalThis.notice = new module.RateLimitNotice();
       notice.show({ waitMs: ${waitMs}, retry: () => { retries += 1; } });`,
    );
    let requests = 0;
    page.on("request", () => (requests += 1));
    return { page, requests: () => requests, retries: () => page.evaluate<number>("retries") };
  }

  const status = (page: Page) => page.getByRole("status");
  const retry = (page: Page) => page.getByRole("button", { name: "Retry" });

  it("A5 is shown for 8 s and then gone, and asks the server nothing", async () => {
    const { page, requests, retries } = await shown(3000);
    assert.match((await status(page).textContent()) ?? "", /Too many requests\..*You can try again in 3 seconds\./);
    await page.clock.runFor(7900);
    assert.equal(await status(page).isVisible(), true, "after 7.9 s");
    await page.clock.runFor(350);
    assert.equal(await status(page).isVisible(), false, "after 8.25 s");
    await page.clock.runFor(120_000);
    assert.deepEqual([requests(), await retries()], [0, 0]);
  });

  it("A5 counts down to when a retry is allowed", async () => {
    const { page } = await shown(3000);
    const countdown = page.locator(".countdown");
    const texts: string[] = [];
    for (let second = 0; second < 4; second += 1) {
      texts.push((await countdown.textContent()) ?? "");
      await page.clock.runFor(1000);
    }
    assert.deepEqual(texts, [
      "You can try again in 3 s.",
      "You can try again in 2 s.",
      "You can try again in 1 s.",
      "You can try again now.",
    ]);
  });

  it("A5 one click is one retry, and a click before Retry-After is over waits for it, however long", async () => {
    const { page, retries } = await shown(20_000);
    await retry(page).click();
    assert.equal(await page.getByRole("button", { name: "Retry" }).isDisabled(), true, "a second click does nothing");
    await page.clock.runFor(19_000);
    assert.equal(await status(page).isVisible(), true, "it stays while it waits");
    assert.equal(await retries(), 0, "not before the server allows it");
    await page.clock.runFor(1500);
    assert.equal(await retries(), 1);
    assert.equal(await status(page).isVisible(), false);
    await page.clock.runFor(60_000);
    assert.equal(await retries(), 1);
  });

  it("A5 retries at once when nothing is left to wait for", async () => {
    const { page, retries } = await shown(2000);
    await page.clock.runFor(2100);
    await retry(page).click();
    assert.equal(await retries(), 1);
    assert.equal(await status(page).isVisible(), false);
  });

  it("A5 can be dismissed by its button and by Escape, also while it waits; then nothing is sent", async () => {
    for (const dismiss of [
      (page: Page) => page.getByRole("button", { name: "Dismiss" }).click(),
      (page: Page) => page.getByRole("button", { name: "Dismiss" }).press("Escape"),
    ]) {
      const { page, retries } = await shown(5000);
      await retry(page).click();
      await dismiss(page);
      assert.equal(await status(page).isVisible(), false);
      await page.clock.runFor(60_000);
      assert.equal(await retries(), 0);
    }
  });

  it("A5 the sentence is announced once: the ticking seconds are hidden from screen readers, in light and dark it is readable", async () => {
    const { page } = await shown(5000);
    assert.equal(await page.locator(".countdown").getAttribute("aria-hidden"), "true");
    const spoken = await page.locator(".spoken").textContent();
    await page.clock.runFor(2000);
    assert.equal(await page.locator(".spoken").textContent(), spoken);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      const contrast = await page.evaluate<number>(`(() => {
        const light = (text) => {
          const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const root = document.querySelector("body > div").shadowRoot;
        const box = getComputedStyle(root.querySelector(".notice"));
        const title = getComputedStyle(root.querySelector("strong"));
        const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        return Math.min(ratio(light(box.color), light(box.backgroundColor)), ratio(light(title.color), light(box.backgroundColor)));
      })()`);
      assert.ok(contrast >= 4.5, `${colorScheme}: contrast ${contrast.toFixed(1)}`);
    }
  });

  it("A5 reads Retry-After as seconds and as a date", async () => {
    const { page } = await shown(0);
    const read = (header: string): Promise<number> =>
      inPage(page, "rate-limit-notice", `return module.retryAfterMs(${header}, Date.parse("2026-11-21T12:00:00Z"));`);
    assert.equal(await read('"7"'), 7000);
    assert.equal(await read('"Sat, 21 Nov 2026 12:00:30 GMT"'), 30_000);
    assert.equal(await read('"Sat, 21 Nov 2026 11:00:00 GMT"'), 0, "a date that is past");
    assert.equal(await read("null"), 1000);
    assert.equal(await read('"soon"'), 1000);
  });
});
