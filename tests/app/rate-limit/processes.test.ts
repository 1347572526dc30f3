import assert from "node:assert/strict";
import { destroyInstances, startInstance } from "../../faults/support/instance";
import { programs } from "../../faults/support/programs";
import { flood, logins, NO_ADDRESS_LIMITS, send, signUp } from "./flood";

describe("limits of an instance with four workers and no Redis", function () {
  this.timeout(120_000);
  before(() => void programs());
  afterEach(destroyInstances);

  it("B7 F4 of 1,000 concurrent attempts to log in exactly ten pass; a worker that dies takes no count with it", async () => {
    const instance = await startInstance("app", { WORKERS: "4", ...NO_ADDRESS_LIMITS });
    assert.deepEqual(await flood(logins([instance.url], 1000)), { 400: 10, 429: 990 });
    const { body: metrics } = await send({ url: `${instance.url}/metrics` });
    assert.ok(/^rate_limit_requests_total\{policy="auth",store="cluster",outcome="allowed"\} 10$/m.test(metrics), "the primary counted");
    const worker = instance.lines.find((line) => line.msg === "worker ready")?.["workerPid"] as number;
    const seen = instance.lines.length;
    instance.signal("SIGKILL", worker);
    await instance.line((line) => line.msg === "worker ready", seen);
    assert.deepEqual(await flood(logins([instance.url], 100)), { 429: 100 });
  });

  it("D2 of 400 wrong passwords of one account, each from another address, ten are compared by all workers together", async () => {
    const instance = await startInstance("app", { WORKERS: "4", TRUST_PROXY: "1", ...NO_ADDRESS_LIMITS });
    const attempts = Array.from({ length: 400 }, (_, number) => ({
      ...{ url: `${instance.url}/api/auth/login`, method: "POST" },
      headers: { "content-type": "application/json", "x-forwarded-for": `198.51.${number >> 8}.${number & 255}` },
      body: JSON.stringify({ email: "nobody@example.org", password: "wrong password" }),
    }));
    assert.deepEqual(await flood(attempts), { 401: 10, 429: 390 });
  });

  it("B7 E3 of 1,000 concurrent requests of a user exactly a hundred pass, and of a company what its tier says", async () => {
    const instance = await startInstance("app", { WORKERS: "4", ...NO_ADDRESS_LIMITS, RATE_LIMIT_TIER_FREE: "150/15m" });
    const token = await signUp(instance.url);
    const ask = { url: `${instance.url}/api/orders`, headers: { authorization: `Bearer ${token}` } };
    assert.deepEqual(await flood(Array.from({ length: 1000 }, () => ask)), { 200: 100, 429: 900 });
  });

  it("C4 an address gets its requests a minute from all workers together, give or take what they had not told each other", async () => {
    const instance = await startInstance("app", { WORKERS: "4", ...NO_ADDRESS_LIMITS, RATE_LIMIT_IP: "200/1m" });
    const ask = { url: `${instance.url}/`, headers: { connection: "close" } };
    let passed = 0;
    for (let round = 0; round < 10; round += 1) passed += (await flood(Array.from({ length: 100 }, () => ask)))[200] ?? 0;
    // Untold: a tenth of the limit for each worker, and what arrived within one exchange.
    assert.ok(passed >= 200 && passed <= 200 + 4 * 20 + 200, `${passed} of 1,000`);
    const more = await flood(Array.from({ length: 100 }, () => ask));
    assert.deepEqual(more, { 429: 100 }, "from now on all workers know");
  });
});
