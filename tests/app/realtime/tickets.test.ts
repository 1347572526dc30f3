import assert from "node:assert/strict";
import { TICKET_LIFETIME_MS, TicketMemory } from "../../../app/src/realtime/tickets";
import { TestApp } from "../http/support";
import { openAtOnce, refusedUpgrade, TestSocket, ticketOf } from "./support";

describe("D7 tickets for a WebSocket", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start({ OVERLOAD_DELAY_MS: "60000" })));
  after(() => app.remove());

  const refused = (ticket: string, headers = {}) => refusedUpgrade(app.url, headers, `/api/realtime?ticket=${ticket}`);

  it("D7 opens a WebSocket as who asked for it, from any page, without header or cookie, and says until when it is good", async () => {
    const { token } = await app.signUp();
    const before = Date.now();
    const { status, body, text, headers } = await app.request<{ ticket: string; expiresAt: string }>("POST", "/api/realtime/ticket", {
      token,
    });
    assert.equal(status, 201, text);
    assert.equal(headers.get("cache-control"), "no-store");
    const lifetime = Date.parse(body.expiresAt) - before;
    assert.ok(lifetime >= TICKET_LIFETIME_MS && lifetime < TICKET_LIFETIME_MS + 5000, `${lifetime} ms`);
    const socket = await TestSocket.open(app.url, { Origin: "https://anywhere.example" }, { query: `?ticket=${body.ticket}` });
    const order = await app.request("POST", "/api/orders", { token, json: { customerName: "Customer", totalCents: 100 } });
    assert.equal(order.status, 201);
    await socket.got("order.created");
    assert.ok(!app.log.some((line) => JSON.stringify(line).includes(body.ticket)), "a ticket is in the log");
  });

  it("D7 is good once, also when it is used many times at once", async () => {
    const { token } = await app.signUp();
    const ticket = await ticketOf(app.url, token);
    assert.equal((await openAtOnce(app.url, ticket, 8)).length, 1);
    const again = await refused(ticket);
    assert.equal(again.status, 401);
    assert.match(again.problem.detail, /^The ticket was used, is too old, or never was one; get another one\.$/);
  });

  it("D7 is not good any more once its session has ended", async () => {
    const { token } = await app.signUp();
    const ticket = await ticketOf(app.url, token);
    await app.request("POST", "/api/auth/logout", { token });
    assert.equal((await refused(ticket)).status, 401);
  });

  it("D7 needs a session to be issued, and a wrong one is refused, whatever cookie comes with it", async () => {
    await app.refusal(401, "POST", "/api/realtime/ticket");
    const { token } = await app.signUp();
    const foreign = { Cookie: `sid=${token}`, Origin: "https://evil.example" };
    await app.refusal(403, "POST", "/api/realtime/ticket", { headers: foreign });
    const made = await ticketOf(app.url, token);
    for (const wrong of ["", "x", "A".repeat(43), `${made}x`, made.slice(1), token, "%00", "..%2f..%2f"]) {
      assert.equal((await refused(wrong, { Cookie: `sid=${token}` })).status, 401, wrong);
    }
    await (await TestSocket.withTicket(app.url, made)).settle();
  });

  it("D7 expires after its time, and what has expired is not kept", async () => {
    let now = 0;
    const memory = new TicketMemory(() => now);
    for (const key of ["a", "b"]) await memory.put(key, `of ${key}`);
    now = TICKET_LIFETIME_MS - 1;
    assert.equal(await memory.take("a"), "of a");
    assert.equal(await memory.take("a"), undefined);
    now = TICKET_LIFETIME_MS;
    assert.equal(memory.size, 1);
    assert.equal(await memory.take("b"), undefined);
    assert.equal(memory.size, 0);
  });
});
