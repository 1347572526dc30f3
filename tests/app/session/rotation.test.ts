import assert from "node:assert/strict";
import crypto from "node:crypto";
import pino from "pino";
import type { Database } from "../../../app/src/db/database";
import { SharedClock } from "../../../app/src/session/clock";
import { COOKIE_LIFETIME_SECONDS } from "../../../app/src/session/cookie";
import { MOST_SESSIONS_PER_USER, SESSION_LIFETIME_MS, SessionStore } from "../../../app/src/session/session-store";
import { TokenSigner } from "../../../app/src/session/token";
import { PASSWORD, TestApp } from "../http/support";

const [OLD, NEW, OTHER] = ["old", "new", "other"].map((word) => word.repeat(16));

describe("D3 secrets rotate without logging anyone out", () => {
  it("the first secret signs, all of them verify, one that is taken away does not", () => {
    const old = new TokenSigner([OLD ?? ""]);
    const both = new TokenSigner([NEW ?? "", OLD ?? ""]);
    const onlyNew = new TokenSigner([NEW ?? ""]);
    const before = old.create();
    assert.equal(both.verify(before.token), before.idHash);
    const after = both.create();
    assert.equal(onlyNew.verify(after.token), after.idHash);
    assert.equal(old.verify(after.token), undefined);
    assert.equal(onlyNew.verify(before.token), undefined);
    assert.equal(both.verify(new TokenSigner([OTHER ?? ""]).create().token), undefined);
    assert.throws(() => new TokenSigner([]), /needs a secret/);
  });

  it("an app whose secret is replaced step by step knows its sessions, and forgets those of the secret that is gone", async () => {
    const app = await TestApp.start({ SESSION_SECRET: OLD ?? "" });
    try {
      const { token } = await app.signUp();
      const status = async (): Promise<number> => (await app.request("GET", "/api/session", { token })).status;
      for (const [secrets, expected] of [
        [`${NEW},${OLD}`, 200],
        [`${OTHER},${NEW},${OLD}`, 200],
        [`${OTHER},${NEW}`, 401],
      ] as const) {
        await app.stop();
        await app.run({ SESSION_SECRET: secrets });
        assert.equal(await status(), expected, secrets);
      }
      await app.stop();
      await assert.rejects(
        app.run({ SESSION_SECRET: `${NEW},short` }),
        /SESSION_SECRET: the given value \(\d+ characters\) is not allowed/,
      );
    } finally {
      await app.remove();
    }
  });
});

describe("D3 a user's own sessions", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  const status = async (token: string): Promise<number> => (await app.request("GET", "/api/session", { token })).status;
  const login = async (email: string, password = PASSWORD): Promise<string> =>
    (await app.request<{ token: string }>("POST", "/api/auth/login", { json: { email, password } })).body.token;

  it("logging out ends one, logging out everywhere ends all, and only one's own", async () => {
    const admin = await app.signUp();
    const { email, token } = await app.addUser(admin.token);
    const [second, third] = [await login(email), await login(email)];
    assert.equal((await app.request("POST", "/api/auth/logout", { token })).status, 204);
    assert.deepEqual([await status(token), await status(second), await status(third)], [401, 200, 200]);
    const everywhere = await app.request("POST", "/api/auth/logout-everywhere", { token: second });
    assert.equal(everywhere.status, 204);
    assert.match(everywhere.headers.get("set-cookie") ?? "", /^sid=; Path=\/; Max-Age=0/);
    assert.deepEqual([await status(second), await status(third), await status(admin.token)], [401, 401, 200]);
    await app.refusal(401, "POST", "/api/auth/logout-everywhere");
  });

  it("a new password needs the old one, ends every session and starts a new one", async () => {
    const admin = await app.signUp();
    const { email, token } = await app.addUser(admin.token);
    const elsewhere = await login(email);
    const wrong = { currentPassword: "not the password", newPassword: "a new password" };
    const problem = await app.refusal(401, "POST", "/api/auth/password", { token, json: wrong });
    assert.equal(problem.errors?.[0]?.field, "currentPassword");
    const short = await app.refusal(400, "POST", "/api/auth/password", {
      token,
      json: { currentPassword: PASSWORD, newPassword: "short" },
    });
    assert.doesNotMatch(JSON.stringify(short), /"short"/, "a password is never repeated");
    assert.deepEqual([await status(token), await status(elsewhere)], [200, 200]);
    const changed = await app.request<{ token: string }>("POST", "/api/auth/password", {
      token,
      json: { currentPassword: PASSWORD, newPassword: "a new password" },
    });
    assert.equal(changed.status, 200, changed.text);
    assert.match(changed.headers.get("set-cookie") ?? "", /^sid=[\w.-]+;/);
    assert.deepEqual([await status(token), await status(elsewhere), await status(changed.body.token)], [401, 401, 200]);
    await app.refusal(401, "POST", "/api/auth/login", { json: { email, password: PASSWORD } });
    assert.equal(await status(await login(email, "a new password")), 200);
  });

  it("has at most a hundred; logging in once more ends the oldest", async function () {
    this.timeout(30_000);
    const { companyId, userId, token } = await app.signUp();
    const { clock, sessions } = app.container;
    // Ages are told apart by milliseconds, and a login takes less than one here.
    const signedUpAt = clock.now();
    while (Math.floor(clock.now()) <= Math.floor(signedUpAt)) await new Promise((resolve) => setImmediate(resolve));
    let newest = "";
    for (let index = 1; index < MOST_SESSIONS_PER_USER; index++) newest = (await sessions.create(companyId, userId)).token;
    assert.deepEqual([await status(token), await status(newest)], [200, 200]);
    const last = await sessions.create(companyId, userId);
    assert.deepEqual([await status(token), await status(newest), await status(last.token)], [401, 200, 200]);
  });

  it("B6 a browser's cookie lives as long as its session: it is sent anew when the session is prolonged, with the same id", async () => {
    const { companyId, userId } = await app.signUp();
    const { database, clock } = app.container;
    const halfAnHourAgo = new SessionStore(database, new TokenSigner(await secretOf(app)), {
      now: () => clock.now() - SESSION_LIFETIME_MS / 2,
    });
    const { token } = await halfAnHourAgo.create(companyId, userId);
    const ask = (): Promise<{ headers: Headers; status: number }> =>
      app.request("GET", "/api/session", { headers: { Cookie: `sid=${token}` } });
    const prolonged = await ask();
    assert.equal(prolonged.headers.get("set-cookie"), `sid=${token}; Path=/; Max-Age=${COOKIE_LIFETIME_SECONDS}; HttpOnly; SameSite=Lax`);
    assert.ok(COOKIE_LIFETIME_SECONDS * 1000 > SESSION_LIFETIME_MS);
    assert.equal((await ask()).headers.get("set-cookie"), null, "at most once a minute");
  });

  it("an instance whose clock is an hour off ends nobody's session and lengthens none", async () => {
    const { companyId, userId } = await app.signUp();
    const { database } = app.container;
    const realNow = Date.now;
    const signer = new TokenSigner("one secret");
    for (const offMs of [SESSION_LIFETIME_MS, -SESSION_LIFETIME_MS]) {
      Date.now = () => realNow() + offMs;
      try {
        const clock = await SharedClock.start(database, pino({ level: "silent" }));
        const off = new SessionStore(database, signer, { now: clock.now });
        clock.stop();
        const { token, expiresAt } = await off.create(companyId, userId);
        assert.ok(Math.abs(Date.parse(expiresAt) - realNow() - SESSION_LIFETIME_MS) < 10_000, expiresAt);
        Date.now = realNow;
        assert.ok(await new SessionStore(database, signer).find(token));
      } finally {
        Date.now = realNow;
      }
    }
  });

  it("the shared clock goes on by itself while the database is away", async () => {
    const failing = { kind: "sqlite", get: () => Promise.resolve({ now: "2026-11-21T00:00:00.000Z" }) } as unknown as Database;
    const clock = await SharedClock.start(failing, pino({ level: "silent" }));
    const first = clock.now();
    assert.ok(Math.abs(first - Date.parse("2026-11-21T00:00:00.000Z")) < 5000);
    assert.ok(clock.now() >= first);
    clock.stop();
  });

  it("logging in does the same work for an unknown address, a wrong password and a deactivated user", async () => {
    const admin = await app.signUp();
    const gone = await app.addUser(admin.token);
    await app.request("POST", `/api/users/${gone.userId}/deactivate`, { token: admin.token });
    const known = await app.addUser(admin.token);
    const attempts = [
      { email: "nobody@example.org", password: PASSWORD },
      { email: known.email, password: "not the password" },
      { email: gone.email, password: PASSWORD },
    ];
    const real = crypto.scrypt;
    const done: string[] = [];
    try {
      crypto.scrypt = ((password: string, salt: Buffer, length: number, cost: crypto.ScryptOptions, callback: () => void) => {
        done.push(JSON.stringify([salt.length, length, cost]));
        real(password, salt, length, cost, callback);
      }) as typeof crypto.scrypt;
      for (const json of attempts) await app.refusal(401, "POST", "/api/auth/login", { json });
    } finally {
      crypto.scrypt = real;
    }
    assert.equal(done.length, attempts.length, "one derivation each");
    assert.equal(new Set(done).size, 1, "of the same cost");
  });
});

/** The secret that the app generated beside its database. */
async function secretOf(app: TestApp): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return (await readFile(`${app.directory}/session-secret`, "utf8")).trim();
}
