import assert from "node:assert/strict";
import express from "express";
import { wrapApp } from "../../app/src";
import { type AppServer, listen } from "../../app/src/server";
import { TestApp } from "../app/http/support";
import { NO_ADDRESS_LIMITS } from "../app/rate-limit/flood";
import { eventually } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";

describe("F4 limits and session in the time of one round trip", function () {
  this.timeout(120_000);
  let sessions: RedisService;
  let limits: RedisService;
  let app: TestApp;
  let wrapped: AppServer;
  before(async () => {
    [sessions, limits] = await Promise.all([startRedis({ role: "cache" }), startRedis({ role: "limits" })]);
    app = await TestApp.start({
      ...{ REDIS_URL: sessions.url, REDIS_LIMITS_URL: limits.url, REDIS_COMMAND_TIMEOUT_MS: "10000" },
      ...{ ...NO_ADDRESS_LIMITS, RATE_LIMITS: "on" },
    });
    await eventually("Redis is believed", () => believed() && app.container.limits.store.kind === "redis");
    // Somebody else's app with our accounts, on the same container.
    const shop = express().get("/api/session", (request, response) => void response.json({ companyId: request.session?.companyId }));
    wrapped = await listen(app.container, await wrapApp(app.container, () => shop, { accounts: true }));
  });
  after(async () => {
    await wrapped?.close(0);
    await app?.remove();
    await Promise.all([sessions?.remove(), limits?.remove()]);
  });

  const believed = (): boolean => app.container.fence?.prefix() !== undefined;

  /** How often scripts were run on the server of the limits. */
  async function counted(): Promise<number> {
    const client = limits.client();
    const info = await client.info("commandstats");
    client.disconnect();
    return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0);
  }

  const ways = {
    "the app": (token: string): Promise<{ readonly status: number }> => app.request("GET", "/api/session", { token }),
    "an app of the library's": (token: string): Promise<{ readonly status: number }> =>
      fetch(`http://127.0.0.1:${wrapped.port}/api/session`, { headers: { Authorization: `Bearer ${token}` } }),
  };
  for (const [name, way] of Object.entries(ways))
    it(`${name}: what was known of a token is counted while its session is looked up, and once`, async () => {
      // After the pause of the test before, sessions may still be asked of the database.
      await eventually("Redis is used", () => believed() && app.container.redis.cache?.status().state === "up");
      const { token } = await app.signUp();
      const ask = (): Promise<{ readonly status: number }> => way(token);
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
