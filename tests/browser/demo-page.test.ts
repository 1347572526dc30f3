import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { PASSWORD, TestApp } from "../app/http/support";
import { S3Server } from "../support/s3-server";
import { BrowserOfTests } from "./support";

describe("demo page", () => {
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

  let people = 0;

  async function signedUp(page: Page, url = app.url): Promise<string> {
    const email = `person-${++people}@example.org`;
    await page.goto(url);
    const form = page.locator("#signup");
    await form.getByLabel("Company").fill("Example");
    await form.getByLabel("Your name").fill(`Person ${people}`);
    await form.getByLabel("E-mail").fill(email);
    await form.getByLabel("Password").fill(PASSWORD);
    await form.getByRole("button").click();
    await page.locator("#member").waitFor();
    return email;
  }

  async function createOrder(page: Page, customer: string): Promise<void> {
    await page.getByLabel("Customer").fill(customer);
    await page.getByRole("button", { name: "Create order" }).click();
    await page.getByRole("cell", { name: customer }).waitFor();
  }

  async function upload(page: Page, name: string, content: string): Promise<void> {
    await page.getByLabel("PDF, image or text").setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(content) });
    await page.getByRole("button", { name: "Upload document" }).click();
    await page.getByRole("link", { name }).waitFor();
  }

  async function downloaded(page: Page, name: string): Promise<string> {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name }).click()]);
    assert.equal(download.suggestedFilename(), name);
    return readFileSync(await download.path(), "utf8");
  }

  /** Paths that are posted to from now on. */
  function postsOf(page: Page): () => string[] {
    const paths: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST") paths.push(new URL(request.url()).pathname);
    });
    return () => paths;
  }

  /** Counts requests for the list of orders. */
  function listRequests(page: Page): () => number {
    let count = 0;
    page.on("request", (request) => {
      if (request.method() === "GET" && request.url().includes("/api/orders")) count += 1;
    });
    return () => count;
  }

  it("D8 a list is asked for once; a change and another user make it be asked for again", async () => {
    const { page, errors } = await browser!.page();
    await signedUp(page);
    await createOrder(page, "Ada");
    const asked = listRequests(page);
    const newest = page.getByRole("button", { name: "Newest orders" });
    const hits = page.locator("#cache");
    await newest.click();
    await hits.getByText(/, 1 hits/).waitFor();
    await newest.click();
    await hits.getByText(/, 2 hits/).waitFor();
    assert.equal(asked(), 0, "from the cache");
    await createOrder(page, "Grace");
    assert.equal(asked(), 1, "the change removed the list");
    await page.getByRole("button", { name: "Log out" }).click();
    await page.locator("#guest").waitFor();
    await hits.getByText(/: 0 of 500 entries/).waitFor({ state: "attached" });
    await signedUp(page);
    assert.equal(await page.getByRole("cell", { name: "Ada" }).count(), 0, "nothing of the user before");
    assert.deepEqual(errors, []);
  });

  it("A5 a refused request shows the notice; its retry sends the request once, and the answer arrives on the page", async () => {
    const { page, errors } = await browser!.page();
    await signedUp(page);
    let refused = 0;
    const posts: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST") posts.push(request.postData() ?? "");
    });
    await page.route("**/api/orders", async (route) => {
      if (route.request().method() !== "POST" || refused > 0) return route.fallback();
      refused += 1;
      await route.fulfill({
        status: 429,
        headers: { "Retry-After": "0", "Content-Type": "application/problem+json" },
        body: JSON.stringify({ status: 429, title: "Too Many Requests", detail: "Too many requests." }),
      });
    });
    await page.getByLabel("Customer").fill("Grace");
    await page.getByRole("button", { name: "Create order" }).click();
    await page.getByText("Too many requests.").waitFor();
    assert.equal(await page.locator("#message").textContent(), "", "said once, not twice");
    assert.equal(posts.length, 1);
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByRole("cell", { name: "Grace" }).waitFor();
    assert.equal(posts.length, 2);
    assert.equal(posts[1], posts[0]);
    assert.equal(await page.getByText("Too many requests.").isVisible(), false);
    assert.deepEqual(errors, []);
  });

  it("D8 modules come under names with their content's hash and are not asked for again on the next visit", async () => {
    const { page } = await browser!.page();
    const loaded: string[] = [];
    page.on("response", (response) => {
      if (response.url().includes("/modules/")) loaded.push(response.url());
    });
    await page.goto(app.url);
    assert.equal(loaded.length, 4);
    for (const url of loaded) assert.match(url, /\/modules\/[a-z-]+\.[0-9a-f]{12}\.js$/);
    const served = app.log.filter(({ path }) => String(path).startsWith("/modules/")).length;
    await page.goto(`${app.url}/?again`);
    await page.locator("#figures dd").first().waitFor();
    assert.equal(app.log.filter(({ path }) => String(path).startsWith("/modules/")).length, served, "immutable: no request");
  });

  it("A21 a file goes through the app where documents are on its volume, and can be downloaded", async () => {
    const { page, errors } = await browser!.page();
    await signedUp(page);
    const posts = postsOf(page);
    await upload(page, "note.txt", "a note");
    assert.deepEqual(posts(), ["/api/documents/uploads", "/api/documents"]);
    assert.equal(await downloaded(page, "note.txt"), "a note");
    assert.deepEqual(errors, []);
  });

  it("A21 a file goes to the bucket itself where the app signs forms, and is there as a document", async () => {
    const { page, errors } = await browser!.page();
    const server = await S3Server.start();
    const login = { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
    const before = { ...process.env };
    Object.assign(process.env, login);
    const bucket = { S3_BUCKET: server.bucket, S3_ENDPOINT: server.endpoint, S3_DIRECT_UPLOADS: "on" };
    const withBucket = await TestApp.start(bucket);
    try {
      server.pages = withBucket.url;
      await signedUp(page, withBucket.url);
      const posts = postsOf(page);
      await upload(page, "Änne.txt", "for the bucket");
      const [announced, sent, completed] = posts();
      assert.deepEqual([announced, sent], ["/api/documents/uploads", `/${server.bucket}`]);
      assert.match(completed ?? "", /^\/api\/documents\/uploads\/[0-9a-f-]{36}\/complete$/);
      assert.equal(await downloaded(page, "Änne.txt"), "for the bucket");
      assert.deepEqual(errors, []);
    } finally {
      for (const name of Object.keys(login)) {
        if (before[name] === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = before[name];
      }
      await withBucket.remove();
      await server.stop();
    }
  });

  for (const viewport of [
    { width: 360, height: 740 },
    { width: 1280, height: 800 },
  ]) {
    it(`fits a screen of ${viewport.width} pixels, with the notice`, async () => {
      const { page } = await browser!.page({ viewport });
      await page.route("**/api/auth/login", (route) =>
        route.fulfill({
          status: 429,
          headers: { "Retry-After": "30" },
          contentType: "application/problem+json",
          body: JSON.stringify({ status: 429, detail: "Too many requests." }),
        }),
      );
      await page.goto(app.url);
      await page.locator("#figures dd").first().waitFor();
      const form = page.locator("#login");
      await form.getByLabel("E-mail").fill("a@example.org");
      await form.getByLabel("Password").fill(PASSWORD);
      await form.getByRole("button").click();
      const retry = page.getByRole("button", { name: "Retry" });
      await retry.waitFor();
      const wide = await page.evaluate<number>("document.documentElement.scrollWidth");
      assert.ok(wide <= viewport.width, `the page is ${wide} pixels wide`);
      const box = await retry.boundingBox();
      assert.ok(box !== null && box.x >= 0 && box.x + box.width <= viewport.width && box.y + box.height <= viewport.height);
      assert.ok(box.height >= 30, "large enough for a finger");
    });
  }
});
