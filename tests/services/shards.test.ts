import assert from "node:assert/strict";
import { PASSWORD, TestApp } from "../app/http/support";
import { newPatient } from "../app/domain/support";
import { ConformingClient } from "../app/http/conformance";
import { useEveryOperation } from "../app/http/every-operation";
import { type PostgresGroup, rowsOf, startPostgres } from "../support/services/postgres";
import { eventually } from "../support/services/container";
import { onPostgres } from "../support/test-database";

describe("A17 companies in two databases of Postgres", function () {
  this.timeout(120_000);
  onPostgres(() => {
    let postgres: PostgresGroup;
    let second: Awaited<ReturnType<PostgresGroup["createDatabase"]>>;
    let app: TestApp;
    before(async () => {
      postgres = await startPostgres();
      second = await postgres.createDatabase();
    });
    after(async () => {
      await app.remove();
      await postgres.remove();
    });
    const environment = () => ({
      CHAT_LATENCY_MS: "0",
      DATABASE_SHARDS: `s2=${second.appUrl}`,
      DATABASE_SHARDS_DIRECT: `s2=${second.url}`,
      DATABASE_SHARDS_FOR_NEW: "s2",
      METRICS_NAMESPACE: "shop/test",
      // Whoever is refused is refused soon.
      DB_RETRY_MS: "300",
    });

    it("A17 migrates both, and every operation works for a company in the second", async () => {
      app = await TestApp.start(environment());
      app.container.jobs.start();
      await useEveryOperation(await ConformingClient.of(app));
      const companies = await rowsOf<{ name: string }>(second.url, "SELECT name FROM companies");
      assert.equal(companies.length, 1);
      assert.deepEqual(await rowsOf(second.url, "SELECT name FROM shard_name"), [{ name: "s2" }]);
      const { url = "" } = app.postgres ?? {};
      assert.deepEqual(await rowsOf(url, "SELECT name FROM companies"), [{ name: "Platform" }]);
      assert.deepEqual(await rowsOf(url, "SELECT name FROM shard_name"), [{ name: "first" }]);
    });

    it("A14 A17 each is written to every two seconds, for RDS to tell by how far replicas are behind", async () => {
      const turns = async (url: string): Promise<string[]> =>
        (await rowsOf<{ until: string }>(url, "SELECT expires_at AS until FROM leases WHERE name = 'replica-pulse'")).map(
          ({ until }) => until,
        );
      for (const url of [app.postgres?.url ?? "", second.url]) {
        await eventually("a first write", async () => (await turns(url)).length === 1);
        const [first] = await turns(url);
        await eventually("another one", async () => (await turns(url))[0] !== first);
      }
    });

    it("A17 a second database that is away refuses its companies, also while an instance starts; others go on", async () => {
      const here = await app.signUp("here@example.org");
      await app.stop();
      await app.run({ ...environment(), DATABASE_SHARDS_FOR_NEW: "first" });
      const there = await app.signUp("there@example.org");
      const name = new URL(second.url).pathname.slice(1);
      await postgres.admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
      await postgres.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [name]);
      const ask = async () => {
        const refused = await app.request("POST", "/api/patients", { token: here.token, json: newPatient() });
        assert.equal(refused.status, 503, refused.text);
        assert.match(refused.headers.get("retry-after") ?? "", /^[1-5]$/);
        assert.equal((await app.request("POST", "/api/patients", { token: there.token, json: newPatient() })).status, 201);
        const json = { email: "there@example.org", password: PASSWORD };
        assert.equal((await app.request("POST", "/api/auth/login", { json })).status, 200);
      };
      await ask();
      await app.stop();
      await app.run(environment());
      await ask();
      await postgres.admin(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
      assert.equal((await app.request("POST", "/api/patients", { token: here.token, json: newPatient() })).status, 201);
    });

    it("A17 addresses that were exchanged end the start", async () => {
      await app.stop();
      const { DATABASE_URL = "", DATABASE_DIRECT_URL = "" } = app.postgres?.environment ?? {};
      const exchanged = {
        ...{ DATABASE_URL: second.appUrl, DATABASE_DIRECT_URL: second.url },
        ...{ DATABASE_SHARDS: `s2=${DATABASE_URL}`, DATABASE_SHARDS_DIRECT: `s2=${DATABASE_DIRECT_URL}` },
      };
      await assert.rejects(app.run(exchanged), /The database of DATABASE_URL says that it is "s2"/);
    });
  });
});
