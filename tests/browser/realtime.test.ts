import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PASSWORD, TestApp } from "../app/http/support";
import { BrowserOfTests } from "./support";

describe("D7 realtime in the browser", function () {
  this.timeout(60_000);
  let app: TestApp;
  let browser: BrowserOfTests | undefined;

  before(async function () {
    browser = await BrowserOfTests.start(this);
    app = await TestApp.start({ OVERLOAD_DELAY_MS: "60000" });
  });
  after(async () => {
    await browser?.close();
    await app?.remove();
  });

  it("D7 the demo page shows at once what a colleague does, and asks for the list anew", async () => {
    const email = "live@example.org";
    const { token } = await app.signUp(email);
    const colleague = await app.addUser(token);
    const { page, errors } = await browser!.page();
    await page.goto(app.url);
    const form = page.locator("#login");
    await form.getByLabel("E-mail").fill(email);
    await form.getByLabel("Password").fill(PASSWORD);
    await form.getByRole("button").click();
    await page.locator("#live-state").getByText("live", { exact: true }).waitFor();
    const json = { customerName: "Grace", totalCents: 100 };
    const created = await app.request<{ id: string }>("POST", "/api/orders", { token: colleague.token, json });
    await page.locator("#live").getByText("order 1 of Grace, created").waitFor();
    await app.request("PATCH", `/api/orders/${created.body.id}`, { token: colleague.token, json: { status: "confirmed" } });
    await page.locator("#live").getByText("order 1 of Grace, confirmed").waitFor();
    await page.getByRole("button", { name: "Newest orders" }).click();
    await page.getByRole("cell", { name: "Grace" }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.locator("#guest").waitFor();
    assert.equal(app.container.realtime.connections, 0, "logging out ends the connection before it is answered");
    assert.deepEqual(errors, []);
  });

  it("D7 a page of another site cannot use the visitor's session", async () => {
    const { token } = await app.signUp();
    const { page } = await browser!.page();
    // The same host under another port is another origin, but the same site: the browser sends the cookie along.
    const other = createServer((_request, response) => response.end("another site"));
    await once(other.listen(0, "127.0.0.1"), "listening");
    try {
      await page.context().addCookies([{ name: "sid", value: token, url: app.url, httpOnly: true, sameSite: "Lax" }]);
      await page.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
      const outcome = await page.evaluate<string>(`new Promise((resolve) => {
        const socket = new WebSocket(${JSON.stringify(`${app.url.replace("http", "ws")}/api/realtime`)});
        socket.onopen = () => resolve("open");
        socket.onclose = () => resolve("refused");
      })`);
      assert.equal(outcome, "refused");
      assert.equal(app.container.realtime.connections, 0);
    } finally {
      other.closeAllConnections();
      other.close();
    }
  });
});
