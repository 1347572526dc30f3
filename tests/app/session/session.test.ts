import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { decoyHash, DEFAULT_COST, hashPassword, needsRehash, verifyPassword } from "../../../app/src/session/password";
import { readCookie } from "../../../app/src/session/cookie";
import { loadSecrets } from "../../../app/src/session/secrets";
import { SESSION_LIFETIME_MS, SessionStore } from "../../../app/src/session/session-store";
import { secretsEqual, TokenSigner } from "../../../app/src/session/token";
import { TestApp } from "../http/support";

describe("B6 sessions slide for one hour", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  it("lives for an hour after its last use, and no longer", async () => {
    const { companyId, userId } = await app.signUp();
    let now = Date.now();
    const store = new SessionStore(app.container.database, new TokenSigner("secret"), { now: () => now });
    const { token, expiresAt } = await store.create(companyId, userId);
    assert.equal(Date.parse(expiresAt), now + SESSION_LIFETIME_MS);

    now += SESSION_LIFETIME_MS - 1;
    const slid = await store.find(token);
    assert.equal(Date.parse(slid?.expiresAt ?? ""), now + SESSION_LIFETIME_MS, "use moves the end");
    now += SESSION_LIFETIME_MS - 1;
    assert.ok(await store.find(token));
    now += SESSION_LIFETIME_MS;
    assert.equal(await store.find(token), undefined);
  });

  it("writes at most once a minute, however often it is used", async () => {
    const { companyId, userId } = await app.signUp();
    let now = Date.now();
    const store = new SessionStore(app.container.database, new TokenSigner("secret"), { now: () => now });
    const { token, expiresAt } = await store.create(companyId, userId);
    now += 59_000;
    assert.equal((await store.find(token))?.expiresAt, expiresAt);
    now += 2000;
    assert.notEqual((await store.find(token))?.expiresAt, expiresAt);
  });

  it("removes expired sessions as others log in, and stores no token", async () => {
    const { companyId, userId } = await app.signUp();
    const { database } = app.container;
    let now = Date.now() - 10 * SESSION_LIFETIME_MS;
    const store = new SessionStore(database, new TokenSigner("secret"), { now: () => now });
    const { token } = await store.create(companyId, userId);
    const count = async () => (await database.get<{ n: number }>("SELECT count(*) AS n FROM sessions WHERE user_id = ?", [userId]))?.n;
    assert.equal(await count(), 2);
    const dump = JSON.stringify(await database.all("SELECT * FROM sessions LIMIT 1000"));
    assert.ok(!dump.includes(token.split(".")[0] ?? token));
    now = Date.now();
    await store.create(companyId, userId);
    assert.equal(await count(), 2, "the expired one is gone, the new one is there");
  });
});

describe("passwords, tokens and secrets", () => {
  it("hashes with scrypt at the documented cost and a salt of its own", async () => {
    const [one, other] = await Promise.all([hashPassword("pässword", DEFAULT_COST), hashPassword("pässword", DEFAULT_COST)]);
    assert.match(one, /^scrypt\$14\$8\$5\$/);
    assert.notEqual(one, other);
    assert.equal(await verifyPassword("pässword".normalize("NFD"), one), true, "however the keyboard composes it");
    assert.equal(await verifyPassword("password", one), false);
    assert.equal(await verifyPassword("pässword", decoyHash(DEFAULT_COST)), false);
    assert.equal(needsRehash(one), false);
    assert.equal(needsRehash(one, { ...DEFAULT_COST, p: 6 }), true);
    await assert.rejects(verifyPassword("x", "md5$abc"), /unknown format/);
  });

  it("signs tokens so that no other secret accepts them", () => {
    const signer = new TokenSigner("one secret");
    const { token, idHash } = signer.create();
    assert.equal(signer.verify(token), idHash);
    assert.equal(new TokenSigner("another secret").verify(token), undefined);
    assert.notEqual(signer.create().token, token);
    assert.equal(secretsEqual("abc", "abc"), true);
    assert.equal(secretsEqual("abc", "abcd"), false);
  });

  it("reads one cookie among others", () => {
    assert.equal(readCookie("a=1; sid=x.y; b=2", "sid"), "x.y");
    assert.equal(readCookie("xsid=1", "sid"), undefined);
    assert.equal(readCookie(undefined, "sid"), undefined);
    assert.equal(readCookie("sid", "sid"), undefined);
  });

  it("generates missing secrets once, for its owner only, and leaves configured ones alone", () => {
    const directory = mkdtempSync(path.join(tmpdir(), "phased-secrets-"));
    try {
      const config = { sqlitePath: path.join(directory, "data", "app.db"), sessionSecret: undefined, adminToken: "configured" };
      const first = loadSecrets(config);
      const file = path.join(directory, "data", "session-secret");
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.equal(readFileSync(file, "utf8").trim(), first.sessionSecrets[0]);
      assert.ok(first.sessionSecrets.join().length >= 43);
      assert.deepEqual(loadSecrets(config), first);
      assert.equal(first.adminToken, "configured");
      assert.throws(() => statSync(path.join(directory, "data", "admin-token")), /ENOENT/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
