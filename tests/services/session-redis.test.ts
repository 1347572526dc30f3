import assert from "node:assert/strict";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PASSWORD, TestApp, type Answer } from "../app/http/support";
import { eventually } from "../support/services/container";
import { type RedisService, startRedis } from "../support/services/redis";

const HOUR_MS = 3_600_000;

describe("D3 sessions on Redis, two instances", function () {
  this.timeout(120_000);
  let redis: RedisService;
  let one: TestApp;
  let two: TestApp;
  before(async () => {
    redis = await startRedis({ role: "cache" });
    one = await TestApp.start({ REDIS_URL: redis.url });
    two = await TestApp.start({ REDIS_URL: redis.url, SQLITE_PATH: path.join(one.directory, "app.db") });
    await believed();
  });
  after(async () => {
    await two.remove();
    await one.remove();
    await redis.remove();
  });

  const isBelieved = (app: TestApp): boolean => app.container.fence?.prefix() !== undefined;
  const believed = (): Promise<void> => eventually("Redis is believed by both", () => isBelieved(one) && isBelieved(two));
  const me = (app: TestApp, token: string): Promise<Answer<unknown>> => app.request("GET", "/api/session", { token });

  /** Asks both instances over and over while `work` runs; every answer. */
  async function asking(
    token: string,
    work: (answered: () => number) => Promise<void>,
  ): Promise<{ status: number; setCookie: string | null }[]> {
    const answers: { status: number; setCookie: string | null }[] = [];
    let done = false;
    const ask = async (app: TestApp): Promise<void> => {
      while (!done) {
        const { status, headers } = await app.request("GET", "/api/session", { headers: { Cookie: `sid=${token}` } });
        answers.push({ status, setCookie: headers.get("set-cookie") });
        await delay(5);
      }
    };
    const askers = [ask(one), ask(two)];
    try {
      await work(() => answers.length);
    } finally {
      done = true;
      await Promise.all(askers);
    }
    return answers;
  }

  it("log in on one instance, be known to the other, by one GETEX that prolongs the copy", async () => {
    const { token } = await one.signUp();
    assert.equal((await me(two, token)).status, 200);
    const client = redis.client();
    const prefix = one.container.fence?.prefix() ?? "";
    const [, keys] = await client.scan("0", "MATCH", `${prefix}session:*`, "COUNT", 1000);
    assert.equal(keys.length, 1);
    const key = keys[0] ?? "";
    await client.pexpire(key, 1000);
    const before = await commands(client);
    assert.equal((await me(two, token)).status, 200);
    const after = await commands(client);
    assert.ok((await client.pttl(key)) > HOUR_MS - 60_000);
    assert.equal(after.getex - before.getex, 1);
    assert.equal(after.get - before.get, 0);
    assert.doesNotMatch((await client.get(key)) ?? "", new RegExp(token.split(".")[0] ?? token), "the token itself is stored nowhere");
  });

  it("log out, everywhere, a new password, a new role and deactivation count at once on every instance", async () => {
    const admin = await one.signUp();
    const user = await one.addUser(admin.token);
    const login = async (app: TestApp): Promise<string> =>
      (await app.request<{ token: string }>("POST", "/api/auth/login", { json: { email: user.email, password: PASSWORD } })).body.token;
    const ends: [string, (token: string) => Promise<Answer<unknown>>][] = [
      ["logout", (token) => one.request("POST", "/api/auth/logout", { token })],
      ["logout-everywhere", (token) => one.request("POST", "/api/auth/logout-everywhere", { token })],
      [
        "password",
        (token) => one.request("POST", "/api/auth/password", { token, json: { currentPassword: PASSWORD, newPassword: PASSWORD } }),
      ],
      ["role", () => one.request("PATCH", `/api/users/${user.userId}`, { token: admin.token, json: { role: "admin" } })],
      ["deactivated", () => one.request("POST", `/api/users/${user.userId}/deactivate`, { token: admin.token })],
    ];
    for (const [name, end] of ends) {
      const token = await login(one);
      for (const app of [one, two]) assert.equal((await me(app, token)).status, 200, name);
      const ended = await end(token);
      assert.ok(ended.status < 300, `${name}: ${ended.text}`);
      for (const app of [one, two]) assert.equal((await me(app, token)).status, 401, name);
    }
  });

  const faults: [string, away: () => Promise<void>, back: () => Promise<void>][] = [
    ["stopped and started", () => redis.stop(), () => redis.start()],
    ["killed and started", () => redis.kill(), () => redis.start()],
    ["frozen and thawed", () => redis.pause(), () => redis.unpause()],
  ];

  for (const [name, away, back] of faults) {
    it(`D12 Redis ${name}: nobody is logged out, no 5xx, no new cookie; logging in and out works meanwhile and stays`, async () => {
      const { token } = await one.signUp();
      let during = { token: "" };
      const left = await one.signUp();
      for (const app of [one, two]) assert.equal((await me(app, left.token)).status, 200, "a copy is in Redis");
      const answers = await asking(token, async (answered) => {
        await away();
        try {
          const before = answered();
          await eventually("both were asked while Redis was away", () => answered() >= before + 20);
          during = await two.signUp();
          assert.equal((await me(one, during.token)).status, 200);
          assert.equal((await one.request("POST", "/api/auth/logout", { token: left.token })).status, 204);
          assert.equal((await me(two, left.token)).status, 401);
        } finally {
          await back();
        }
        await believed();
      });
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
      for (const { setCookie } of answers) assert.ok(setCookie === null || setCookie.startsWith(`sid=${token};`), setCookie ?? "");
      for (const app of [one, two]) {
        assert.equal((await me(app, token)).status, 200);
        assert.equal((await me(app, during.token)).status, 200);
        assert.equal((await me(app, left.token)).status, 401, "what was ended while Redis was away stays ended");
      }
    });
  }

  it("D12 one instance cut off from Redis: what it ends, the other learns from the database within its next look, for good", async () => {
    const { token } = await one.signUp();
    for (const app of [one, two]) assert.equal((await me(app, token)).status, 200);
    const connection = one.container.redis.cache;
    connection?.redis.disconnect();
    await eventually("cut off", () => !isBelieved(one));
    assert.equal((await one.request("POST", "/api/auth/logout", { token })).status, 204);
    assert.equal((await me(one, token)).status, 401);
    await eventually("the other instance has looked", async () => (await me(two, token)).status === 401, 5000);
    await connection?.redis.connect();
    await believed();
    for (const app of [one, two]) assert.equal((await me(app, token)).status, 401);
  });

  it("a session that Redis forgot to have been ended, because it crashed a moment later, does not come back", async () => {
    const { token } = await one.signUp();
    for (const app of [one, two]) assert.equal((await me(app, token)).status, 200);
    const client = redis.client();
    const [, keys] = await client.scan("0", "MATCH", `${one.container.fence?.prefix() ?? ""}session:*`, "COUNT", 1000);
    const copies = await Promise.all(keys.map(async (key) => [key, (await client.get(key)) ?? ""] as const));
    assert.equal((await one.request("POST", "/api/auth/logout", { token })).status, 204);
    await redis.kill();
    await redis.start();
    // What a server has whose log ended before the log out.
    for (const [key, copy] of copies) await client.set(key, copy, "PX", HOUR_MS);
    await believed();
    for (const app of [one, two]) assert.equal((await me(app, token)).status, 401);
  });

  it("a copy is not put back by a process that read the session just before it ended", async () => {
    const { token } = await one.signUp();
    const { sessions, database } = two.container;
    const session = await sessions.find(token);
    assert.ok(session);
    // After a write of anybody, what was read before it is not relied on.
    await one.signUp();
    // The read of the other process lies before the end of the session, its write after it.
    let proceed!: () => void;
    const held = new Promise<void>((resolve) => (proceed = resolve));
    const get = database.get.bind(database);
    let entered!: () => void;
    const inside = new Promise<void>((resolve) => (entered = resolve));
    const client = redis.client();
    const [, keys] = await client.scan("0", "MATCH", `${one.container.fence?.prefix() ?? ""}session:*`, "COUNT", 1000);
    if (keys.length > 0) await client.del(...keys);
    database.get = async (...parameters) => {
      const row = await get(...parameters);
      if (parameters[0].includes("FROM sessions")) {
        entered();
        await held;
      }
      return row as never;
    };
    const late = me(two, token);
    await inside;
    database.get = get;
    assert.equal((await one.request("POST", "/api/auth/logout", { token })).status, 204);
    proceed();
    assert.equal((await late).status, 200, "it was asked before the end");
    for (const app of [one, two]) assert.equal((await me(app, token)).status, 401);
  });
});

/** How often Redis has run the commands, by its own count. */
async function commands(client: ReturnType<RedisService["client"]>): Promise<{ readonly get: number; readonly getex: number }> {
  const text = await client.info("commandstats");
  const calls = (name: string): number => Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return { get: calls("get"), getex: calls("getex") };
}
