import assert from "node:assert/strict";
import { busiestCompanies } from "../../../app/src/cache/warm";
import { PLATFORM_COMPANY_ID } from "../../../app/src/session/accounts";
import { loadSecrets } from "../../../app/src/session/secrets";
import { TokenSigner } from "../../../app/src/session/token";
import { newPatient } from "../domain/support";
import { ConformingClient } from "../http/conformance";
import { useEveryOperation } from "../http/every-operation";
import { ADMIN_TOKEN, PASSWORD, TestApp } from "../http/support";
import { COMPANY_TABLES, TestShards, type TestShardsOptions } from "./support";

const ENVIRONMENT = { CHAT_LATENCY_MS: "0" };

/** An app on several databases. */
async function start(options?: TestShardsOptions): Promise<{ readonly app: TestApp; readonly shards: TestShards }> {
  let shards: TestShards | undefined;
  const app = await TestApp.start(ENVIRONMENT, async (opened, directory) => {
    shards = await TestShards.open(opened, directory, options);
    return shards.sharded;
  });
  assert.ok(shards);
  return { app, shards };
}

type Account = Awaited<ReturnType<TestApp["signUp"]>> & { readonly email: string };

/** Companies until each database has one. */
async function oneEach(app: TestApp, shards: TestShards, names: readonly string[]): Promise<Record<string, Account>> {
  const found: Record<string, Account> = {};
  for (let n = 0; names.some((name) => found[name] === undefined); n += 1) {
    // With two databases, 60 companies in one of them are less likely than an error of this machine.
    assert.ok(n < 60, "some database gets no company");
    const email = `founder-${n}@example.org`;
    const account = await app.signUp(email);
    found[(await shards.sharded.directory.find(account.companyId)).name] ??= { ...account, email };
  }
  return found;
}

describe("A17 companies in several databases", function () {
  this.timeout(60_000);

  it("A17 every operation works for a company elsewhere, without the first database having any table of companies", async () => {
    const { app, shards } = await start({ forNew: ["s2"] });
    try {
      const first = shards.of("first");
      await first.run("INSERT INTO company_shards (company_id, shard) VALUES (?, 's2')", [PLATFORM_COMPANY_ID]);
      // Addresses are looked for among users of before there were several databases, and ids that are nobody's in the first one.
      const gone = COMPANY_TABLES.filter((table) => table !== "users" && table !== "companies");
      await first.transaction((inside) => inside.script(gone.map((table) => `DROP TABLE ${table};`).join(" ")));
      app.container.jobs.start();
      const client = await ConformingClient.of(app);
      await useEveryOperation(client);
      const count = async (name: string) =>
        (await shards.of(name).get<{ companies: number }>("SELECT count(*) AS companies FROM companies"))?.companies;
      assert.equal(await count("first"), 0);
      assert.equal(await count("s2"), 2, "the company of every operation, and that of the operators");
    } finally {
      await app.remove();
    }
  });
});

describe("A17 three databases", function () {
  this.timeout(60_000);
  const names = ["first", "s2", "s3"] as const;
  let app: TestApp;
  let shards: TestShards;
  let accounts: Record<string, Account>;
  const account = (name: string): Account => accounts[name] ?? assert.fail(`no company in ${name}`);

  before(async () => {
    ({ app, shards } = await start({ names: ["s2", "s3"] }));
    accounts = await oneEach(app, shards, names);
  });
  after(() => app.remove());
  afterEach(() => names.forEach((name) => shards.setAway(name, false)));

  it("A17 new companies are spread over all of them, and each is in one", async () => {
    for (const name of names) {
      const { token, companyId } = account(name);
      await app.addUser(token);
      const patient = await app.request("POST", "/api/patients", { token, json: newPatient() });
      assert.equal(patient.status, 201, patient.text);
      assert.deepEqual(await shards.holdersOf(companyId), [name]);
    }
  });

  it("A17 whoever logs in is found by the address, and is logged out in their own database", async () => {
    for (const name of names) {
      const { email, companyId } = account(name);
      const login = await app.request<{ token: string; company: { id: string } }>("POST", "/api/auth/login", {
        json: { email, password: PASSWORD },
      });
      assert.equal(login.status, 200, login.text);
      assert.equal(login.body.company.id, companyId);
      const { token } = login.body;
      assert.equal((await app.request("GET", "/api/session", { token })).status, 200);
      assert.equal((await app.request("POST", "/api/auth/logout", { token })).status, 204);
      await app.refusal(401, "GET", "/api/session", { token });
    }
    await app.refusal(401, "POST", "/api/auth/login", { json: { email: "nobody@example.org", password: PASSWORD } });
  });

  it("A17 a session from when there was one database is found wherever its company is", async () => {
    const { sessions } = app.container;
    for (const name of names) {
      const { companyId, userId, token } = account(name);
      assert.ok(token.split(".").includes(companyId), "a token leads to its database");
      // As an app without DATABASE_SHARDS makes it: by the same secret, and without the company.
      const signer = new TokenSigner(loadSecrets(app.container.config).sessionSecrets);
      const { token: plain, idHash } = signer.create();
      const [now, later] = [0, 3_600_000].map((ms) => new Date(Date.now() + ms).toISOString());
      const insert = "INSERT INTO sessions (id_hash, company_id, user_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?)";
      await shards.of(name).run(insert, [idHash, companyId, userId, now ?? "", later ?? ""]);
      assert.equal((await sessions.find(plain))?.companyId, companyId);
      assert.deepEqual([...(await sessions.alive([idHash]))], [idHash]);
      await sessions.end(plain);
      assert.equal(await sessions.find(plain), undefined);
    }
  });

  it("A17 sessions that were found wait for no database that does not answer, and those of one company for its own only", async () => {
    const { sessions } = app.container;
    const idOf = (name: string): string => sessions.idOf(account(name).token) ?? assert.fail();
    const answer = shards.hang("s3");
    try {
      const both = [idOf("first"), idOf("s2")];
      assert.deepEqual([...(await sessions.alive(both))].sort(), both.sort());
      assert.deepEqual([...(await sessions.alive([idOf("s2"), "nobody"], account("s2").companyId))], [idOf("s2")]);
      let told = false;
      const incomplete = sessions.alive([idOf("s2"), idOf("s3")]).finally(() => (told = true));
      await sessions.alive(both);
      assert.equal(told, false, "one that was not found may be where nobody answers");
      answer();
      assert.equal((await incomplete).size, 2);
    } finally {
      answer();
    }
    shards.setAway("s3", true);
    assert.equal((await sessions.alive([idOf("first")])).size, 1);
    await assert.rejects(sessions.alive([idOf("first"), idOf("s3")]), /away/);
  });

  it("A17 an address has one user in all databases, however many ask for it at the same time", async () => {
    const sign = (n: number) =>
      app.request("POST", "/api/auth/signup", {
        json: { companyName: `C${n}`, name: "N", email: "wanted@example.org", password: PASSWORD },
      });
    const statuses = (await Promise.all(Array.from({ length: 12 }, (_, n) => sign(n)))).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 201).length, 1, String(statuses));
    assert.equal(statuses.filter((status) => status === 409).length, 11, String(statuses));
    for (const name of names) {
      const json = { email: account("s2").email, name: "Copy", password: PASSWORD };
      const refused = await app.refusal(409, "POST", "/api/users", { token: account(name).token, json });
      assert.deepEqual(
        refused.errors?.map(({ field }) => field),
        ["email"],
      );
    }
  });

  it("A17 an address that was promised and never used is free again after two minutes", async () => {
    const { sharded } = shards;
    assert.equal(await sharded.claimLogin("promised@example.org", account("s2").companyId), true);
    assert.equal(await sharded.claimLogin("promised@example.org", account("s2").companyId), true, "the same company may go on");
    assert.equal(await sharded.claimLogin("promised@example.org", account("s3").companyId), false);
    const early = new Date(Date.now() - 121_000).toISOString();
    await shards.of("first").run("UPDATE company_logins SET claimed_at = ? WHERE email = 'promised@example.org'", [early]);
    assert.equal(await sharded.claimLogin("promised@example.org", account("s3").companyId), true);
    assert.equal(await sharded.claimLogin(account("s2").email, account("s3").companyId), false, "a user keeps it for ever");
  });

  it("A17 operators see companies of all databases, and change their plans where they are", async () => {
    for (const name of names) {
      const { companyId } = account(name);
      const found = await app.request<{ company: { id: string } }>("GET", `/api/admin/metrics/company/${companyId}`, {
        token: ADMIN_TOKEN,
      });
      assert.equal(found.status, 200, found.text);
      const plan = await app.request("PUT", `/api/admin/quotas/${companyId}`, { token: ADMIN_TOKEN, json: { plan: "BASIC" } });
      assert.equal(plan.status, 200, plan.text);
      const row = await shards.of(name).get<{ plan: string }>("SELECT plan FROM companies WHERE id = ?", [companyId]);
      assert.equal(row?.plan, "BASIC");
    }
    const busiest = await busiestCompanies(shards.sharded, 1000);
    for (const name of names) assert.ok(busiest.includes(account(name).companyId), name);
  });

  it("A17 one database that is away refuses its companies, with when to come again, and nobody else", async () => {
    for (const away of ["s2", "s3"]) {
      shards.setAway(away, true);
      for (const name of names) {
        const { token, email } = account(name);
        const expected = name === away ? 503 : 200;
        for (const where of ["/api/session", "/api/orders", "/api/company"]) {
          const answer = await app.request("GET", where, { token });
          assert.equal(answer.status, expected, `${where} of ${name} without ${away}: ${answer.text}`);
          if (expected === 503) assert.match(answer.headers.get("retry-after") ?? "", /^[1-5]$/);
        }
        const login = await app.request("POST", "/api/auth/login", { json: { email, password: PASSWORD } });
        assert.equal(login.status, expected, `login of ${name} without ${away}`);
      }
      const health = await app.request<{ status: string; database: { shardsDown?: string[] } }>("GET", "/health");
      assert.equal(health.body.status, "degraded");
      assert.deepEqual(health.body.database.shardsDown, [away]);
      assert.equal((await app.request("GET", "/ready")).status, 200);
      shards.setAway(away, false);
    }
    assert.equal((await app.request<{ status: string }>("GET", "/health")).body.status, "ok");
  });

  it("A17 without the first database, companies elsewhere that this process knows go on; nobody can log in", async () => {
    shards.setAway("first", true);
    for (const name of ["s2", "s3"]) {
      const { token, email } = account(name);
      assert.equal((await app.request("GET", "/api/orders", { token })).status, 200);
      assert.equal((await app.request("POST", "/api/patients", { token, json: newPatient() })).status, 201);
      await app.refusal(503, "POST", "/api/auth/login", { json: { email, password: PASSWORD } });
    }
    await app.refusal(503, "GET", "/api/orders", { token: account("first").token });
  });

  it("A17 a process that starts learns where companies are", async () => {
    const { directory } = (await TestShards.open(shards.of("first"), app.directory, { names: ["s2", "s3"] })).sharded;
    for (const name of names) assert.equal(directory.remembered(account(name).companyId)?.name, name);
  });

  it("A17 a company in a database that is not configured is refused, and not looked for elsewhere", async () => {
    const { sharded } = await TestShards.open(shards.of("first"), app.directory, { names: ["s2"] });
    await assert.rejects(sharded.ofCompany(account("s3").companyId).get("SELECT 1"), /is in "s3", which DATABASE_SHARDS does not name/);
  });
});
