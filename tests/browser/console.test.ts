import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import type { Page } from "playwright-core";
import { ADMIN_TOKEN, PASSWORD, TestApp } from "../app/http/support";
import { BrowserOfTests } from "./support";

const SCREENSHOTS = path.join(__dirname, "../../.build/screenshots");

describe("console", () => {
  let app: TestApp;
  let browser: BrowserOfTests | undefined;

  before(async function () {
    browser = await BrowserOfTests.start(this);
    app = await TestApp.start();
    const [first] = app.cluster.workers;
    assert.ok(first);
    const memory = { rssBytes: 84e6, heapUsedBytes: 40e6, heapLimitBytes: 256e6, pressure: 0.33 };
    const workers = [1, 2, 3].map((id) => ({ ...first, id, slot: id, memory, uptimeSeconds: 3700 * id }));
    app.cluster = { ...app.cluster, clustering: true, workersWanted: 3, workers };
    const json = { companyName: "Acme Opticians", name: "Boss", email: "boss@acme.example", password: PASSWORD };
    const { token } = (await app.request<{ token: string }>("POST", "/api/auth/signup", { json })).body;
    for (let order = 0; order < 20; order++) await app.request("GET", "/api/orders", { token });
    await app.container.tenantMetricsFlush.flush();
    mkdirSync(SCREENSHOTS, { recursive: true });
  });
  after(async () => {
    await browser?.close();
    await app?.remove();
  });

  /** What the page does that a strict content security policy forbids, and everything else it complains about. */
  function complaints(page: Page): string[] {
    const found: string[] = [];
    page.on("console", (message) => {
      // A refused sign-in is a failed request, which Chromium tells as an error.
      if (message.type() === "error" && !/status of 40[13]/.test(message.text())) found.push(message.text());
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(app.url) && !request.url().startsWith("data:")) found.push(`asked ${request.url()}`);
    });
    return found;
  }

  async function signedIn(page: Page): Promise<void> {
    await page.goto(`${app.url}/console`);
    await page.getByLabel("Admin token").fill(ADMIN_TOKEN);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("cell", { name: "Acme Opticians" }).waitFor();
  }

  /** The console of a new platform admin, who has logged in by password and sees the company. */
  const loggedIn = async (email: string): Promise<Page> => {
    await app.request("POST", "/api/admin/platform-admins", { token: ADMIN_TOKEN, json: { email, name: "Op", password: PASSWORD } });
    const { page } = await browser!.page();
    await page.goto(`${app.url}/console`);
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("cell", { name: "Acme Opticians" }).waitFor();
    return page;
  };

  it("E7 a wrong token is refused in words, the right one shows plots and tables, signing out hides them", async () => {
    const { page, errors } = await browser!.page();
    const found = complaints(page);
    await page.goto(`${app.url}/console`);
    const field = page.getByLabel("Admin token");
    await field.fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("That was not accepted").waitFor();
    assert.equal(await page.locator("#operator").isVisible(), false);
    await signedIn(page);
    assert.equal(await page.locator("canvas").count(), 9);
    // Rates need two answers.
    await page.getByText(/^requests [\d.]+ \/s$/).waitFor();
    await page.getByText(/^p95 [\d.]+ ms$/).waitFor();
    assert.equal(await page.locator("#state").textContent(), "live");
    await page.getByRole("button", { name: "Sign out" }).click();
    await field.waitFor();
    assert.equal(await page.locator("#operator").isVisible(), false);
    assert.doesNotMatch(await page.content(), /Acme Opticians|<canvas/, "nothing stays for who comes next");
    assert.deepEqual([errors, found], [[], []]);
  });

  it("E7 an operator's session needs no token, and another site's request with it changes nothing", async () => {
    const email = "operator@example.org";
    const page = await loggedIn(email);
    await page.reload();
    await page.getByRole("cell", { name: "Acme Opticians" }).waitFor();
    const reloads = app.reloads;
    const cookie = (await page.context().cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
    const foreign = { cookie, "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" };
    assert.equal((await app.request("POST", "/api/admin/reload", { headers: foreign })).status, 403);
    assert.equal(app.reloads, reloads);
    await page.getByRole("button", { name: /^Reload workers/ }).click();
    await page.getByText(/^Reload workers of instance \w+: accepted/).waitFor();
    assert.equal(app.reloads, reloads + 1);
  });

  it("E7 D2 a session that could not be ended is not said to be, and is ended by another try", async () => {
    const email = "leaving@example.org";
    const page = await loggedIn(email);
    const away = { status: 503, contentType: "application/problem+json", body: JSON.stringify({ detail: "Sessions are away." }) };
    await page.route("**/api/auth/logout", (route) => route.fulfill(away));
    const signOut = page.getByRole("button", { name: "Sign out" });
    await signOut.click();
    await page.getByText("Not signed out: Sessions are away.").waitFor();
    assert.equal(await page.locator("#state").textContent(), "not signed out");
    assert.doesNotMatch(await page.content(), /Acme Opticians|<canvas/, "hidden all the same");
    assert.equal((await page.context().cookies()).length, 1);
    await page.unroute("**/api/auth/logout");
    await signOut.click();
    await page
      .locator("#state")
      .getByText(/^signed out$/)
      .waitFor();
    assert.deepEqual([await page.locator("#refused").textContent(), await signOut.isVisible()], ["", false]);
    assert.deepEqual(await page.context().cookies(), []);
  });

  it("A2 D5 drains the worker that was meant and pauses a queue, by keyboard, and says so aloud", async () => {
    const { page, errors } = await browser!.page();
    await signedIn(page);
    const drained = app.drained.length;
    const drain = page.getByRole("button", { name: /^Drain worker 2 of instance/ });
    await drain.focus();
    await page.keyboard.press("Enter");
    const said = page.locator("#said");
    await said.getByText(/^Drain worker 2 of instance \w+: accepted\.$/).waitFor();
    assert.equal(await said.getAttribute("aria-live"), "polite");
    assert.deepEqual(app.drained.slice(drained), [2]);
    const pause = page.getByRole("button", { name: "Pause queue ocr-processing" });
    await pause.focus();
    await page.keyboard.press("Space");
    // The figures come again and again meanwhile; whoever is on the button stays on it.
    const resume = page.getByRole("button", { name: "Resume queue ocr-processing" });
    await resume.waitFor();
    assert.equal((await app.container.jobs.queue.stats())["ocr-processing"].paused, true);
    assert.equal(await page.evaluate<string>("document.activeElement.getAttribute('aria-label')"), "Resume queue ocr-processing");
    await page.keyboard.press("Space");
    await pause.waitFor();
    assert.equal((await app.container.jobs.queue.stats())["ocr-processing"].paused, false);
    assert.deepEqual(errors, []);
  });

  it("E7 an instance that does not answer is said, and the page comes back by itself", async () => {
    const { page } = await browser!.page();
    await signedIn(page);
    await page.route("**/api/admin/console", (route) => route.abort());
    await page
      .locator("#state")
      .getByText(/^unreachable/)
      .waitFor();
    await page.unroute("**/api/admin/console");
    await page.locator("#state").getByText("live").waitFor();
  });

  for (const [name, viewport] of Object.entries({ phone: { width: 360, height: 740 }, desktop: { width: 1280, height: 800 } })) {
    for (const colorScheme of ["light", "dark"] as const) {
      it(`E7 fits a ${name}, ${colorScheme}`, async () => {
        const { page, errors } = await browser!.page({ viewport, colorScheme });
        const found = complaints(page);
        await signedIn(page);
        await page.getByText(/^requests [\d.]+ \/s$/).waitFor();
        const wide = await page.evaluate<number>("document.documentElement.scrollWidth");
        await page.screenshot({ path: path.join(SCREENSHOTS, `console-${name}-${colorScheme}.png`), fullPage: true });
        assert.ok(wide <= viewport.width, `the page is ${wide} pixels wide`);
        const button = await page.getByRole("button", { name: /^Drain worker 1/ }).boundingBox();
        assert.ok((button?.height ?? 0) >= 30, "large enough for a finger");
        // Every field has a name, and every canvas says what it shows.
        const unnamed = await page.evaluate<number>(
          `[...document.querySelectorAll("input")].filter((field) => field.labels.length === 0).length +
           [...document.querySelectorAll(".canvas")].filter((picture) => !picture.getAttribute("aria-label")).length`,
        );
        assert.equal(unnamed, 0);
        assert.deepEqual([errors, found], [[], []]);
      });
    }
  }
});
