import assert from "node:assert/strict";
import { AddressGuard } from "../../../app/src/rate-limit/guard";
import { BYPASS_HEADER } from "../../../app/src/rate-limit/limiter";
import { MemoryStore } from "../../../app/src/rate-limit/memory-store";
import type { LimitPolicy } from "../../../app/src/rate-limit/policies";
import { ADMIN_TOKEN, type Answer, assertProblem, type Problem, TestApp } from "../http/support";

/** Nothing is limited but what a test names: `{ RATE_LIMIT_API: "3/1m" }`. */
function only(limits: Readonly<Record<string, string>>): Record<string, string> {
  const off = [
    "BURST",
    "DDOS",
    "IP",
    "STEADY",
    "AUTH",
    "PROGRESSIVE",
    "ACCOUNT",
    "STRICT",
    "API",
    "CHAT",
    "AI",
    "UPLOADS",
    "TIER_FREE",
    "TIER_BASIC",
  ];
  return { RATE_LIMITS: "on", ...Object.fromEntries(off.map((name) => [`RATE_LIMIT_${name}`, "off"])), ...limits };
}

interface LimitProblem extends Problem {
  readonly policy: string;
  readonly "violated-policies": readonly string[];
  readonly retryAfterSeconds: number;
}

function assertLimited(answer: Answer<LimitProblem>, policy: string): void {
  assert.equal(answer.status, 429, answer.text);
  assertProblem(answer, 429);
  assert.equal(answer.body.type, "urn:phased-stack:problem:rate-limited");
  assert.equal(answer.body.policy, policy);
  assert.deepEqual(answer.body["violated-policies"], [policy]);
  const wait = Number(answer.headers.get("retry-after"));
  assert.ok(Number.isInteger(wait) && wait >= 1, String(wait));
  assert.equal(answer.body.retryAfterSeconds, wait);
  assert.match(answer.headers.get("ratelimit") ?? "", new RegExp(`"${policy}";r=0;t=\\d+`));
  assert.match(answer.headers.get("ratelimit-policy") ?? "", new RegExp(`"${policy}";q=\\d+;w=\\d+`));
}

describe("limits over HTTP", () => {
  let app: TestApp;
  const start = async (environment: Readonly<Record<string, string>>): Promise<void> => {
    app = await TestApp.start(environment);
  };
  const get = (where: string, token?: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer<LimitProblem>> =>
    app.request<LimitProblem>("GET", where, { ...(token !== undefined && { token }), headers });
  const statuses = async (count: number, ask: () => Promise<Answer<unknown>>): Promise<Record<number, number>> => {
    const tally: Record<number, number> = {};
    for (const { status } of await Promise.all(Array.from({ length: count }, ask))) tally[status] = (tally[status] ?? 0) + 1;
    return tally;
  };
  afterEach(() => app.remove());

  it("B7 a user has so many API requests, each with the standard headers, another user has as many again", async () => {
    await start(only({ RATE_LIMIT_API: "5/1m", RATE_LIMIT_TIER_FREE: "500/15m" }));
    const admin = await app.signUp();
    const first = await get("/api/orders", admin.token);
    assert.equal(first.headers.get("ratelimit-policy"), '"api";q=5;w=60, "tier-free";q=500;w=900');
    assert.equal(first.headers.get("ratelimit"), '"api";r=4;t=60, "tier-free";r=499;t=900');
    assert.deepEqual(await statuses(100, () => get("/api/orders", admin.token)), { 200: 4, 429: 96 });
    assertLimited(await get("/api/orders", admin.token), "api");
    const other = await app.signUp();
    assert.equal((await get("/api/orders", other.token)).status, 200);
  });

  it("E3 a company has the tier of its plan, shared by its users, and none counts for another company", async () => {
    await start(only({ RATE_LIMIT_TIER_FREE: "6/15m", RATE_LIMIT_TIER_BASIC: "9/15m" }));
    const admin = await app.signUp();
    // Adding the user is one request of the six.
    const user = await app.addUser(admin.token);
    const each = await Promise.all([
      statuses(20, () => get("/api/orders", admin.token)),
      statuses(20, () => get("/api/orders", user.token)),
    ]);
    assert.equal((each[0][200] ?? 0) + (each[1][200] ?? 0), 5);
    assertLimited(await get("/api/orders", user.token), "tier-free");
    const other = await app.signUp();
    assert.equal((await get("/api/orders", other.token)).status, 200);
    await app.container.database.run("UPDATE companies SET plan = 'BASIC' WHERE id = ?", [other.companyId]);
    const again = await app.request<{ token: string }>("POST", "/api/auth/login", {
      json: { email: (await get("/api/auth/me", other.token)).text.match(/"email":"([^"]+)"/)?.[1], password: "correct horse battery" },
    });
    assert.equal(again.status, 200, again.text);
    const paying = await get("/api/orders", again.body.token);
    assert.match(paying.headers.get("ratelimit-policy") ?? "", /"tier-basic";q=9;w=900/);
  });

  it("B7 logging in: ten in five minutes from one address by default, whoever it is, before the body is read", async () => {
    await start(only({ RATE_LIMIT_AUTH: "10/5m" }));
    const attempt = () => app.request("POST", "/api/auth/login", { raw: "{", headers: { "content-type": "application/json" } });
    assert.deepEqual(await statuses(200, attempt), { 400: 10, 429: 190 });
    assertLimited((await attempt()) as unknown as Answer<LimitProblem>, "auth");
    const wait = Number((await attempt()).headers.get("retry-after"));
    assert.ok(wait >= 295 && wait <= 300 * 1.1 + 2, `jitter comes on top, never before the end: ${wait}`);
  });

  it("D2 who goes on trying becomes slower, then is blocked", async () => {
    await start(only({ RATE_LIMIT_PROGRESSIVE: "22/1h" }));
    const attempt = async (): Promise<{ status: number; ms: number; wait: number }> => {
      const begun = performance.now();
      const { status, headers } = await app.request("POST", "/api/auth/login", {
        raw: "{",
        headers: { "content-type": "application/json" },
      });
      return { status, ms: performance.now() - begun, wait: Number(headers.get("retry-after")) };
    };
    for (let free = 0; free < 20; free += 1) assert.equal((await attempt()).status, 400);
    // The 21st waits a quarter of a second, the 22nd half of one.
    for (const least of [250, 500]) {
      const { status, ms } = await attempt();
      assert.equal(status, 400);
      assert.ok(ms >= least - 5, `${ms} ms`);
    }
    for (let refused = 0; refused < 4; refused += 1) assert.ok((await attempt()).wait > 3000, "until the window ends");
    const blocked = await attempt();
    assert.equal(blocked.status, 429);
    assert.ok(blocked.wait >= 595 && blocked.wait < 700, `the fifth refusal blocks for ten minutes: ${blocked.wait}`);
  });

  it("C4 B7 limits per address refuse before Express, pages included, never health checks", async () => {
    await start(only({ RATE_LIMIT_IP: "20/1m" }));
    const page = await statuses(50, () => get("/"));
    assert.deepEqual(page, { 200: 20, 429: 30 });
    assertLimited(await get("/api/orders"), "ip");
    const lines = app.log.length;
    assertLimited(await get("/"), "ip");
    assert.equal(app.log.length, lines, "a refused request writes no line of its own");
    for (const path of ["/health", "/ready", "/api/health/full", "/api/health/scaling", "/metrics"]) {
      assert.deepEqual(await statuses(30, () => get(path)), { 200: 30 }, path);
    }
    assert.match((await get("/metrics")).text, /rate_limit_requests_total\{policy="ip",store="guard",outcome="limited"\} \d+/);
  });

  it("A4 B7 bursts of the API are limited, in whatever case its path is written; pages are not", async () => {
    await start(only({ RATE_LIMIT_BURST: "10/1h" }));
    assert.deepEqual(await statuses(30, () => get("/")), { 200: 30 });
    assert.deepEqual(await statuses(30, () => get("/API/orders")), { 401: 10, 429: 20 });
    assertLimited(await get("/api/healthy"), "burst");
  });

  it("the address is the one that trusted proxies saw; what a client writes in front of it counts for nothing", async () => {
    await start({ ...only({ RATE_LIMIT_IP: "3/1m" }), TRUST_PROXY: "1" });
    const from = (forwarded: string) => get("/", undefined, { "x-forwarded-for": forwarded });
    for (let request = 0; request < 3; request += 1) assert.equal((await from(`198.51.100.${request}, 203.0.113.7`)).status, 200);
    assert.equal((await from("198.51.100.99, 203.0.113.7")).status, 429);
    assert.equal((await from("203.0.113.8")).status, 200);
    for (let host = 0; host < 3; host += 1) assert.equal((await from(`2001:db8:0:1::${host}`)).status, 200);
    assert.equal((await from("2001:db8:0:1:ffff::1")).status, 429, "one network of IPv6 is one client");
    assert.equal((await from("2001:db8:0:2::1")).status, 200);
  });

  it("a dry run refuses nobody, and counts whom it would have refused", async () => {
    await start({ ...only({ RATE_LIMIT_IP: "5/1m", RATE_LIMIT_AUTH: "3/5m" }), RATE_LIMITS: "dry-run" });
    assert.deepEqual(await statuses(20, () => get("/")), { 200: 20 });
    const attempt = () => app.request("POST", "/api/auth/login", { raw: "{", headers: { "content-type": "application/json" } });
    assert.deepEqual(await statuses(10, attempt), { 400: 10 });
    const { text } = await get("/metrics");
    assert.match(text, /rate_limit_requests_total\{policy="ip",store="guard",outcome="would-limit"\} \d+/);
    assert.match(text, /rate_limit_requests_total\{policy="auth",store="memory",outcome="would-limit"\} \d+/);
  });

  it("the operator's own load passes with the admin token, and with nothing else", async () => {
    await start(only({ RATE_LIMIT_IP: "2/1m", RATE_LIMIT_API: "1/1m" }));
    const admin = await app.signUp();
    const pass = { [BYPASS_HEADER]: ADMIN_TOKEN };
    assert.equal((await get("/")).status, 200);
    assert.equal((await get("/")).status, 429);
    for (let request = 0; request < 5; request += 1) assert.equal((await get("/api/orders", admin.token, pass)).status, 200);
    assert.equal((await get("/api/orders", admin.token, { [BYPASS_HEADER]: "guessed-token-guessed" })).status, 429);
  });

  it("D2 A2 a control that reached another instance than the one that was meant does not count as an operator's change", async () => {
    await start(only({ RATE_LIMIT_STRICT: "1/15m" }));
    const other = "/api/admin/reload?instance=11111111-1111-4111-8111-111111111111";
    const post = (where: string, token = ADMIN_TOKEN): Promise<Answer<LimitProblem>> => app.request("POST", where, { token });
    for (let attempt = 0; attempt < 5; attempt += 1) await app.refusal(421, "POST", other, { token: ADMIN_TOKEN });
    assert.equal((await post("/api/admin/reload?instance=nobody", "guessed-token-guessed")).status, 401);
    assertLimited(await post("/api/admin/reload"), "strict");
    assert.equal(app.reloads, 0);
  });

  it("requests of one address at the same time are bounded, and the place is free again afterwards", async () => {
    await start(only({ RATE_LIMIT_CONCURRENCY: "5", RATE_LIMIT_PROGRESSIVE: "100/1h" }));
    // Requests whose bodies do not end hold their places.
    const { createConnection } = await import("node:net");
    const held = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const socket = createConnection(app.server.port, "127.0.0.1");
        const head = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{";
        await new Promise<void>((resolve) => socket.once("connect", () => socket.write(head, () => resolve())));
        return socket;
      }),
    );
    const client = app.container.limits.guard.client("127.0.0.1");
    while (client.inFlight < 5) await new Promise((resolve) => setImmediate(resolve));
    const refused = await get("/");
    assert.equal(refused.status, 429);
    assert.equal(refused.body.policy, "concurrency");
    for (const socket of held) socket.destroy();
    while (client.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await get("/")).status, 200);
  });
});

describe("limits per address in several processes", () => {
  const policy: LimitPolicy = {
    name: "ip",
    scope: "ip",
    spec: { algorithm: "window", limit: 1000, windowMs: 60_000 },
    dryRun: false,
    fallback: "local",
  };
  const everything = (): boolean => true;
  const unexpected = (error: Error): never => assert.fail(error.message);

  it("C4 four processes let one limit pass together, give or take what they had not told yet", async () => {
    const shared = new MemoryStore();
    const guards = Array.from({ length: 4 }, () => new AddressGuard([policy], shared, unexpected));
    try {
      let passed = 0;
      for (let round = 0; round < 100; round += 1) {
        for (const guard of guards) {
          for (let request = 0; request < 10; request += 1) {
            if (guard.check(guard.client("192.0.2.1"), everything) === undefined) passed += 1;
          }
        }
        await Promise.all(guards.map((guard) => guard.exchange()));
      }
      assert.ok(passed >= 1000 && passed <= 1000 + 4 * 100, `${passed} of 4,000`);
    } finally {
      for (const guard of guards) guard.close();
    }
  });

  it("addresses are bounded: a flood of them fills no memory, and does not make anyone in use forgotten", () => {
    const guard = new AddressGuard([policy], undefined, unexpected);
    const known = guard.client("192.0.2.1");
    for (let address = 0; address < 100_000; address += 1) {
      guard.check(guard.client(`a${address}`), everything);
      if (address % 1000 === 0) assert.equal(guard.client("192.0.2.1"), known);
    }
    assert.equal(guard.size, 20_000);
  });
});
