import assert from "node:assert/strict";
import { TestApp } from "../app/http/support";
import { NO_ADDRESS_LIMITS } from "../app/rate-limit/flood";
import { eventually } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";

describe("F4 limits and session in the time of one round trip", function () {
  this.timeout(120_000);
  let sessions: RedisService;
  let limits: RedisService;
  let app: TestApp;
  before(async () => {
    [sessions, limits] = await Promise.all([startRedis({ role: "cache" }), startRedis({ role: "limits" })]);
    app = await TestApp.start({
      ...{ REDIS_URL: sessions.url, REDIS_LIMITS_URL: limits.url, REDIS_COMMAND_TIMEOUT_MS: "10000" },
      ...{ ...NO_ADDRESS_LIMITS, RATE_LIMITS: "on" },
    });
    await eventually("Redis is believed", () => app.container.fence?.prefix() !== undefined && app.container.limits.store.kind === "redis");
  });
  after(async () => {
    await app?.remove();
    await Promise.all([sessions?.remove(), limits?.remove()]);
  });

  /** How often scripts were run on the server of the limits. */
  async function counted(): Promise<number> {
    const client = limits.client();
    const info = await client.info("commandstats");
    client.disconnect();
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0);
  }

  it("what was known of a token is counted while its session is looked up, and once", async () => {
    const { token } = await app.signUp();
    const ask = (): Promise<{ readonly status: number }> => app.request("GET", "/api/session", { token });
    // The first answer comes from the database, the second from the copy, which is what this process then knows.
    for (let index = 0; index < 3; index += 1) assert.equal((await ask()).status, 200);
    const before = await counted();
    await sessions.pause();
    let answered = false;
    const answer = ask().finally(() => (answered = true));
    try {
      await eventually("the request is counted", async () => (await counted()) === before + 1);
      assert.equal(answered, false, "it was answered although the server of the sessions stands still");
    } finally {
      await sessions.unpause();
    }
    assert.equal((await answer).status, 200);
    assert.equal(await counted(), before + 1);
  });

  it("a session that ended in the meantime is refused all the same", async () => {
    const { token } = await app.signUp();
    for (let index = 0; index < 3; index += 1) await app.request("GET", "/api/session", { token });
    assert.equal((await app.request("POST", "/api/auth/logout", { token })).status, 204);
    assert.equal((await app.request("GET", "/api/session", { token })).status, 401);
  });
});
