import assert from "node:assert/strict";
import { loadConfig } from "../../app/src/config";
import { fallbackSpec, resolvePolicies } from "../../app/src/rate-limit/policies";
import { type FloodRequest, flood, logins, NO_ADDRESS_LIMITS, send, signUp } from "../app/rate-limit/flood";
import { destroyInstances, type Instance, startInstance } from "../faults/support/instance";
import { programs } from "../faults/support/programs";
import { eventually } from "../support/services/container";
import { type Proxy, startProxy } from "../support/services/proxy";
import { type RedisService, startRedis } from "../support/services/redis";

const BACK_WITHIN_MS = 5000;

/** The default limit of logging in, and what an instance allows while it counts for itself. */
const AUTH = resolvePolicies(loadConfig({}).rateLimits, "database").get("auth");
assert.ok(AUTH);
const LIMIT = AUTH.spec.limit;
const STRICT = fallbackSpec(AUTH).limit;

/** Wrong passwords of one account that may come at once. */
const ACCOUNT = resolvePolicies(loadConfig({}).rateLimits, "database").get("account")?.spec.burst;
assert.ok(ACCOUNT);

/** Workers of every instance here. */
const WORKERS = 2;

/** Whether all workers of the instances let this store decide. Every connection goes to the next worker, so each of them is heard. */
async function decidedBy(store: "redis" | "cluster", ...instances: readonly Instance[]): Promise<boolean> {
  for (const { url } of instances) {
    const heard = new Set<number>();
    while (heard.size < WORKERS) {
      const { body } = await send({ url: `${url}/api/health/full` });
      const report = JSON.parse(body) as { worker: number; components: { rateLimiting: { store: string } } };
      if (report.components.rateLimiting.store !== store) return false;
      heard.add(report.worker);
    }
  }
  return true;
}

/** From an address of its own, as a trusted proxy would hand it on. */
function from(address: string, requests: readonly FloodRequest[]): FloodRequest[] {
  return requests.map((request) => ({ ...request, headers: { ...request.headers, "x-forwarded-for": address } }));
}

describe("limits shared through Redis", function () {
  this.timeout(180_000);
  let server: RedisService;
  let proxy: Proxy;
  before(async () => {
    programs();
    server = await startRedis({ role: "limits" });
  });
  after(() => server?.remove());
  beforeEach(async () => {
    proxy = await startProxy("127.0.0.1", server.port);
  });
  afterEach(async () => {
    await destroyInstances();
    await proxy.close();
  });

  const environment = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
    REDIS_LIMITS_URL: server.url.replace(/:\d+$/, `:${proxy.port}`),
    TRUST_PROXY: "1",
    ...NO_ADDRESS_LIMITS,
    ...more,
  });
  /** Instances that wait for Redis even on a busy machine: for tests of counting, not of slowness. */
  const patient = (count: number): Promise<Instance[]> =>
    Promise.all(Array.from({ length: count }, () => startInstance("app", environment({ REDIS_COMMAND_TIMEOUT_MS: "10000" }))));

  it("B7 F4 three instances of two workers: of 1,000 concurrent attempts to log in exactly ten pass", async () => {
    const instances = await patient(3);
    await eventually("all use Redis", () => decidedBy("redis", ...instances));
    const urls = instances.map(({ url }) => url);
    assert.deepEqual(await flood(from("198.51.100.1", logins(urls, 1000))), { 400: LIMIT, 429: 1000 - LIMIT });
  });

  it("D2 three instances: of 300 wrong passwords of one account, each from another address, ten are compared; a right one takes them back", async () => {
    const instances = await patient(3);
    await eventually("all use Redis", () => decidedBy("redis", ...instances));
    const [home] = instances;
    assert.ok(home);
    // Each instance has a database of its own here, so the account exists in the first one only: what is counted is the address.
    const account = { email: "owner@example.org", password: "correct horse battery" };
    const post = (path: string, body: object): FloodRequest => ({
      ...{ url: `${home.url}${path}`, method: "POST", body: JSON.stringify(body) },
      headers: { "content-type": "application/json", "x-forwarded-for": "203.0.113.1" },
    });
    assert.equal((await send(post("/api/auth/signup", { companyName: "Company", name: "Owner", ...account }))).status, 201);
    const wrong = (count: number, email: string, network: string): FloodRequest[] =>
      Array.from({ length: count }, (_, number) => ({
        ...post("/api/auth/login", { email, password: "wrong password" }),
        url: `${instances[number % instances.length]?.url ?? ""}/api/auth/login`,
        headers: { "content-type": "application/json", "x-forwarded-for": `${network}.${number % 100}.${Math.floor(number / 100)}` },
      }));
    assert.deepEqual(await flood(wrong(9, account.email, "10.1")), { 401: 9 });
    assert.equal((await send(post("/api/auth/login", account))).status, 200);
    assert.deepEqual(await flood(wrong(300, account.email, "10.2")), { 401: ACCOUNT, 429: 300 - ACCOUNT });
    assert.equal((await send(post("/api/auth/login", account))).status, 429, "as long as somebody goes on guessing");
    assert.deepEqual(await flood(wrong(300, "nobody@example.org", "10.3")), { 401: ACCOUNT, 429: 300 - ACCOUNT });
  });

  it("D12 F4 Redis dies in the middle of 1,000 attempts: no error, at most its limit and each instance's strict one pass", async () => {
    const instances = await patient(3);
    await eventually("all use Redis", () => decidedBy("redis", ...instances));
    const urls = instances.map(({ url }) => url);
    const flooding = flood(from("198.51.100.2", logins(urls, 1000)));
    const [tally] = await Promise.all([flooding, server.kill()]);
    assert.equal((tally[400] ?? 0) + (tally[429] ?? 0), 1000, JSON.stringify(tally));
    const passed = tally[400] ?? 0;
    assert.ok(passed >= STRICT && passed <= LIMIT + instances.length * STRICT, `${passed} passed`);
    await eventually("the instances count for themselves", () => decidedBy("cluster", ...instances));
    await server.start();
    await eventually("all use Redis again", () => decidedBy("redis", ...instances), BACK_WITHIN_MS);
    // Whatever Redis still knows, a fresh address is counted exactly by all instances together.
    assert.deepEqual(await flood(from("198.51.100.3", logins(urls, 100))), { 400: LIMIT, 429: 100 - LIMIT });
  });

  it("D2 D12 D14 slow, refused, stopped, killed: 0 answers of 5xx, limits hold in every state, Redis is used again each time", async () => {
    const instance = await startInstance("app", environment({ RATE_LIMIT_API: "1000000/1m", RATE_LIMIT_TIER_FREE: "1000000/1m" }));
    await eventually("Redis is used", () => decidedBy("redis", instance));
    const token = await signUp(instance.url);
    const statuses: Record<number, number> = {};
    let going = true;
    /** A user who goes on working all the time, one request after the other. */
    const user = async (): Promise<void> => {
      while (going) {
        const { status } = await send({ url: `${instance.url}/api/orders`, headers: { authorization: `Bearer ${token}` } });
        statuses[status] = (statuses[status] ?? 0) + 1;
      }
    };
    const working = Promise.all([user(), user(), user()]);
    const states: readonly { readonly name: string; begin(): Promise<void> | void; end(): Promise<void> | void }[] = [
      { name: "half a second slow", begin: () => proxy.delay(250), end: () => proxy.delay(0) },
      { name: "refused", begin: () => proxy.refuse(), end: () => proxy.accept() },
      { name: "stopped", begin: () => server.pause(), end: () => server.unpause() },
      { name: "killed", begin: () => server.kill(), end: () => server.start() },
    ];
    try {
      for (const [index, state] of states.entries()) {
        await state.begin();
        await eventually(`${state.name}: the fallback decides`, () => decidedBy("cluster", instance));
        const tally = await flood(from(`198.51.100.${10 + index}`, logins([instance.url], 50)));
        await state.end();
        assert.deepEqual(tally, { 400: STRICT, 429: 50 - STRICT }, state.name);
        await eventually(`${state.name}: Redis decides again`, () => decidedBy("redis", instance), BACK_WITHIN_MS);
        const after = await flood(from(`198.51.100.${20 + index}`, logins([instance.url], 50)));
        const passed = after[400] ?? 0;
        // Exact, but for calls that a busy machine lets time out: those may count in Redis and in the fallback.
        assert.ok(passed >= STRICT && passed <= LIMIT + STRICT, `after ${state.name}: ${JSON.stringify(after)}`);
        assert.equal(passed + (after[429] ?? 0), 50, JSON.stringify(after));
      }
    } finally {
      going = false;
      await working;
    }
    assert.deepEqual(Object.keys(statuses), ["200"], JSON.stringify(statuses));
  });
});
