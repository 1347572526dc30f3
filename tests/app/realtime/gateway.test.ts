import assert from "node:assert/strict";
import { connect } from "node:net";
import fc from "fast-check";
import type { WebSocket } from "ws";
import { channelsOf, companyAdminChannel, userChannel } from "../../../app/src/realtime/channels";
import { isOwnPage } from "../../../app/src/realtime/origin";
import { eventually } from "../../support/services/container";
import { TestApp } from "../http/support";
import { refusedUpgrade, TestSocket } from "./support";

/** No shedding: what a busy machine makes of it is another test's. */
const ENVIRONMENT = { OVERLOAD_DELAY_MS: "60000", REALTIME_MAX_PER_USER: "3", REALTIME_MAX_CONNECTIONS: "20" };

async function createOrder(app: TestApp, token: string): Promise<void> {
  const { status, text } = await app.request("POST", "/api/orders", { token, json: { customerName: "Customer", totalCents: 100 } });
  assert.equal(status, 201, text);
}

describe("D7 realtime gateway", () => {
  let app: TestApp;
  beforeEach(async () => (app = await TestApp.start(ENVIRONMENT)));
  afterEach(() => app.remove());

  it("D7 an order is seen at once by the admins of its company and by who made it, by nobody else", async () => {
    const company = await app.signUp();
    const [creator, colleague] = [await app.addUser(company.token), await app.addUser(company.token)];
    const stranger = await app.signUp();
    const [admin, maker, other, foreign] = await Promise.all(
      [company, creator, colleague, stranger].map(({ token }) => TestSocket.withToken(app.url, token)),
    );
    await createOrder(app, creator.token);
    await Promise.all([admin!, maker!].map((socket) => socket.got("order.created")));
    await Promise.all([admin!, maker!, other!, foreign!].map((socket) => socket.settle()));
    assert.deepEqual(admin!.types(), ["order.created", "pong"]);
    assert.deepEqual(maker!.types(), ["order.created", "pong"]);
    assert.deepEqual(other!.types(), ["pong"]);
    assert.deepEqual(foreign!.types(), ["pong"]);
    const order = admin!.messages[0]!.data["order"] as Record<string, unknown>;
    assert.equal(order["customerName"], "Customer");
    // An admin who makes an order is in both channels, and hears of it once.
    await createOrder(app, company.token);
    await admin!.got("order.created", 2);
    await admin!.settle();
    assert.equal(admin!.types().filter((type) => type === "order.created").length, 2);
  });

  it("D7 what is rolled back is not told", async () => {
    const { token } = await app.signUp();
    const socket = await TestSocket.withToken(app.url, token);
    const created = await app.request<{ id: string }>("POST", "/api/orders", { token, json: { customerName: "A", totalCents: 1 } });
    await app.refusal(409, "PATCH", `/api/orders/${created.body.id}`, { token, json: { status: "delivered" } });
    await socket.settle();
    assert.deepEqual(socket.types(), ["order.created", "pong"]);
  });

  it("D7 channels follow from the session alone and never name another company (property)", () => {
    const id = fc.uuid();
    fc.assert(
      fc.property(
        id,
        id,
        id,
        fc.constantFrom("user" as const, "admin" as const),
        fc.boolean(),
        (company, other, user, role, platformAdmin) => {
          fc.pre(company !== other);
          const session = { companyId: company, userId: user, role, platformAdmin, plan: "FREE", expiresAt: "" };
          const channels = channelsOf(session);
          assert.ok(channels.includes(userChannel(company, user)));
          assert.equal(channels.includes(companyAdminChannel(company)), role === "admin");
          assert.equal(channels.includes("platform"), platformAdmin);
          assert.ok(channels.every((channel) => !channel.includes(other)));
        },
      ),
    );
  });

  it("D7 refuses upgrades without a session, with a forged one, of a foreign page, and elsewhere", async () => {
    const { token } = await app.signUp();
    assert.equal((await refusedUpgrade(app.url, {})).status, 401);
    assert.equal((await refusedUpgrade(app.url, { Authorization: `Bearer ${token.slice(0, -2)}xx` })).status, 401);
    const foreign = await refusedUpgrade(app.url, { Cookie: `sid=${token}`, Origin: "https://evil.example" });
    assert.equal(foreign.status, 403);
    assert.match(foreign.problem.detail, /another site/);
    assert.equal((await refusedUpgrade(app.url, { Authorization: `Bearer ${token}` }, "/api/orders")).status, 404);
    const own = await TestSocket.open(app.url, { Cookie: `sid=${token}`, Origin: app.url });
    const program = await TestSocket.open(app.url, { Cookie: `sid=${token}` });
    await Promise.all([own.settle(), program.settle()]);
    assert.equal(app.container.realtime.connections, 2);
  });

  it("D7 whose page may use the cookie: the own one and those allowed", () => {
    const request = (origin: string | undefined) => ({ headers: { host: "app.example:3001", ...(origin !== undefined && { origin }) } });
    const allowed = ["https://partner.example"];
    for (const origin of [undefined, "http://app.example:3001", "https://app.example:3001", "https://partner.example"])
      assert.equal(isOwnPage(request(origin), allowed), true, origin);
    for (const origin of [
      "null",
      "http://app.example",
      "https://app.example:3001.evil.example",
      "https://partner.example.evil.example",
      "",
    ])
      assert.equal(isOwnPage(request(origin), allowed), false, origin);
  });

  it("D7 every other Upgrade is answered as the HTTP request it is", async () => {
    const socket = connect(app.server.port, "127.0.0.1");
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    socket.write("GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n");
    await eventually("an answer", () => text.includes('"ready"'));
    assert.match(text, /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it("D7 bounds the connections of a user and of a worker, and frees their places", async () => {
    const { token } = await app.signUp();
    const attempts = await Promise.allSettled(Array.from({ length: 12 }, () => TestSocket.withToken(app.url, token)));
    const sockets = attempts.flatMap((attempt) => (attempt.status === "fulfilled" ? [attempt.value] : []));
    assert.equal(sockets.length, 3, "exactly as many as allowed, also when they come together");
    const full = await refusedUpgrade(app.url, { Authorization: `Bearer ${token}` });
    assert.equal(full.status, 429);
    assert.match(full.problem.detail, /3 connections/);
    sockets[0]!.socket.close();
    await eventually("the place is free", () => app.container.realtime.connections === 2);
    const again = await TestSocket.withToken(app.url, token);
    for (const socket of [...sockets, again]) socket.socket.terminate();
    await eventually("all are gone", () => app.container.realtime.connections === 0);
    const users = await Promise.all(Array.from({ length: 7 }, () => app.signUp()));
    for (const [index, user] of users.entries()) {
      for (let count = 0; count < (index < 6 ? 3 : 2); count += 1) await TestSocket.withToken(app.url, user.token);
    }
    assert.equal((await refusedUpgrade(app.url, { Authorization: `Bearer ${users[6]!.token}` })).status, 503);
  });

  it("D7 upgrades count against the limits of an address", async () => {
    await app.stop();
    await app.run({ ...ENVIRONMENT, RATE_LIMITS: "on" });
    const url = app.url;
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => refusedUpgrade(url, {}).then(({ status }) => status)));
    assert.ok(outcomes.includes(429), `only ${[...new Set(outcomes)].join()}`);
    assert.ok(outcomes.includes(401));
  });

  it("D7 closes clients that send what is not understood, too much, or too large", async () => {
    const { token } = await app.signUp();
    const cases: readonly [send: (socket: WebSocket) => void, code: number][] = [
      [(socket) => socket.send(Buffer.from("{}")), 1003],
      [(socket) => socket.send("subscribe company-admin:other"), 1008],
      [(socket) => socket.send('{"type":"subscribe","channel":"platform"}'), 1008],
      [(socket) => socket.send("null"), 1008],
      [(socket) => socket.send("x".repeat(5000)), 1009],
      [(socket) => Array.from({ length: 25 }, () => socket.send('{"type":"ping"}')), 1008],
    ];
    for (const [send, code] of cases) {
      const client = await TestSocket.withToken(app.url, token);
      send(client.socket);
      await client.ended();
      assert.equal(client.closed?.code, code, client.closed?.reason);
    }
  });

  it("D7 a client that does not keep up is cut off, and the others hear everything", async () => {
    const { token, companyId } = await app.signUp();
    const [slow, quick] = [await TestSocket.withToken(app.url, token), await TestSocket.withToken(app.url, token)];
    (slow.socket as unknown as { _socket: { pause(): void } })._socket.pause();
    const data = { text: "x".repeat(100_000) };
    let sent = 0;
    await eventually("the slow one is cut off", () => {
      app.container.realtime.publish(companyAdminChannel(companyId), { type: "big", at: "now", data });
      sent += 1;
      return app.container.realtime.connections === 1;
    });
    await quick.got("big", sent);
  });

  it("D7 logging out, deactivation and a session that is gone close its sockets, and no others", async () => {
    const company = await app.signUp();
    const [first, second] = [await app.addUser(company.token), await app.addUser(company.token)];
    const sockets = await Promise.all([company, first, second].map(({ token }) => TestSocket.withToken(app.url, token)));
    await app.request("POST", "/api/auth/logout", { token: first.token });
    await sockets[1]!.ended();
    assert.deepEqual(sockets[1]!.closed, { code: 4001, reason: "session-ended" });
    await app.request("POST", `/api/users/${second.userId}/deactivate`, { token: company.token });
    await sockets[2]!.ended();
    assert.equal(sockets[2]!.closed?.code, 4001);
    await sockets[0]!.settle();
    assert.equal(sockets[0]!.closed, undefined);
  });

  it("D7 pings find sessions that expired, and clients that are gone without a word", async () => {
    await app.stop();
    await app.run({ ...ENVIRONMENT, REALTIME_PING_MS: "100" });
    const [quiet, expired] = [await app.signUp(), await app.signUp()];
    const alive = await TestSocket.withToken(app.url, quiet.token);
    const silent = await TestSocket.withToken(app.url, quiet.token, { autoPong: false });
    const gone = await TestSocket.withToken(app.url, expired.token);
    await app.container.database.run("UPDATE sessions SET expires_at = '2020-01-01T00:00:00.000Z' WHERE company_id = ?", [
      expired.companyId,
    ]);
    await Promise.all([silent.ended(), gone.ended()]);
    assert.equal(silent.closed?.code, 1006);
    assert.equal(gone.closed?.code, 4001);
    await alive.settle();
    assert.equal(app.container.realtime.connections, 1);
  });

  it("D7 a worker that leaves sends everyone away with 1001 and a hint when to come back", async () => {
    const { token } = await app.signUp();
    const sockets = await Promise.all([1, 2, 3].map(() => TestSocket.withToken(app.url, token)));
    app.container.realtime.drain();
    assert.equal((await refusedUpgrade(app.url, { Authorization: `Bearer ${token}` })).status, 503);
    await Promise.all(sockets.map((socket) => socket.ended()));
    for (const { closed, messages } of sockets) {
      assert.equal(closed?.code, 1001);
      const [, afterMs] = /^reconnect-after-ms=(\d+)$/.exec(closed.reason) ?? [];
      assert.ok(Number(afterMs) <= 5000);
      assert.deepEqual(messages.at(-1)?.type, "reconnect");
      assert.equal(messages.at(-1)?.data["afterMs"], Number(afterMs));
    }
  });

  it("D7 the health report tells of connections, and of events that stay within the process", async () => {
    const { token } = await app.signUp();
    await TestSocket.withToken(app.url, token);
    const { body } = await app.request<{ components: Record<string, unknown> }>("GET", "/api/health/full");
    assert.deepEqual(body.components["realtime"], { status: "ok", connections: 1, mostConnections: 20, backplane: "instance" });
    assert.deepEqual(body.components["events"], { status: "disabled", enabled: false, consuming: false, lag: null });
  });

  it("D7 a forced end closes the server although sockets are open", async () => {
    const { token } = await app.signUp();
    const socket = await TestSocket.withToken(app.url, token);
    await app.stop();
    await socket.ended();
  });
});
