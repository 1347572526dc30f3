import assert from "node:assert/strict";
import { DROP_SURPLUS, MOST_KEYS_PER_USER } from "../../app/src/db/once";
import { numberedParameters } from "../../app/src/db/postgres-sql";
import { newPatient } from "../app/domain/support";
import { describeIdempotency } from "../app/http/idempotency-contract";
import { PASSWORD, TestApp, type Answer, type Problem } from "../app/http/support";
import { eventually } from "../support/services/container";
import { rowsOf, startPostgres, type PostgresGroup } from "../support/services/postgres";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy";

interface Row {
  readonly id: string;
}
type Verdict = "cut" | "cut-after";

describe("E1 C1 requests with a key on Postgres", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  before(async () => (postgres = await startPostgres()));
  after(() => postgres.remove());

  describeIdempotency("Postgres", async () => TestApp.start((await postgres.createDatabase()).environment));

  it("the same key at two instances at the same moment: created once, and nobody hears of two", async () => {
    const { environment } = await postgres.createDatabase();
    const apps = [await TestApp.start(environment), await TestApp.start(environment)];
    try {
      // Two instances have the same secret only if it is given to them: a login of each.
      const [one, two] = apps;
      assert.ok(one && two);
      const { token } = await one.signUp("both@example.org");
      const login = await two.request<{ token: string }>("POST", "/api/auth/login", {
        json: { email: "both@example.org", password: PASSWORD },
      });
      for (let round = 0; round < 10; round++) {
        const headers = { "Idempotency-Key": `round-${round}` };
        const answers: Answer<Row>[] = await Promise.all(
          [one, one, two, two].map((app) =>
            app.request<Row>("POST", "/api/patients", { token: app === one ? token : login.body.token, json: newPatient(), headers }),
          ),
        );
        const made = answers.filter(({ status }) => status === 201);
        const others = answers.filter(({ status }) => status !== 201 && status !== 409);
        assert.deepEqual([others.map(({ text }) => text), made.length >= 2], [[], true]);
        assert.equal(new Set(made.map(({ text }) => text)).size, 1);
      }
      const { body } = await two.request<{ page: { total: number } }>("GET", "/api/patients", { token: login.body.token });
      assert.equal(body.page.total, 10);
    } finally {
      await Promise.all(apps.map((app) => app.remove()));
    }
  });

  it("a user's keys are looked at once for a new one, although no statistics know the user", async () => {
    const { environment, url } = await postgres.createDatabase();
    await (await TestApp.start(environment)).remove();
    await rowsOf(url, "ALTER TABLE idempotency_keys SET (autovacuum_enabled = off); ANALYZE idempotency_keys");
    const seed = `INSERT INTO idempotency_keys (company_id, user_id, key, fingerprint, answer, created_at)
      SELECT 'c', 'u', 'k' || i, 'f', repeat('x', 1000), '2026-01-01T00:00:' || lpad(i::text, 6, '0') FROM generate_series(1, $1::int) AS i`;
    await rowsOf(url, seed, [MOST_KEYS_PER_USER + 1]);
    const explain = `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${numberedParameters(DROP_SURPLUS)}`;
    const [plan] = await rowsOf<{ "QUERY PLAN": [{ Plan: Record<"Shared Hit Blocks" | "Shared Read Blocks", number> }] }>(url, explain, [
      "c",
      "u",
      "c",
      "u",
    ]);
    const { "Shared Hit Blocks": hit, "Shared Read Blocks": read } = plan!["QUERY PLAN"][0].Plan;
    // A block for each key and its entry in the index; joined row by row it was a thousand times as many.
    assert.ok(hit + read < 3 * MOST_KEYS_PER_USER, `${hit + read} blocks were looked at`);
    const left = await rowsOf<{ key: string }>(url, "SELECT key FROM idempotency_keys ORDER BY created_at LIMIT 1");
    assert.deepEqual(left, [{ key: "k2" }], "the oldest of one too many is gone");
  });

  it("F2 a commit that no standby has confirmed is not answered with success by a repeat, until one has", async () => {
    const APP_NAME = "waits-for-a-standby";
    const app = await TestApp.start({ ...(await postgres.createDatabase()).environment, APP_NAME });
    const standby = async (name: string): Promise<void> => {
      await postgres.admin(
        name === "" ? "ALTER SYSTEM RESET synchronous_standby_names" : `ALTER SYSTEM SET synchronous_standby_names = '${name}'`,
      );
      await postgres.admin("SELECT pg_reload_conf()");
      await eventually("the setting is in force", async () => {
        return (await postgres.admin<{ is: string }>("SELECT current_setting('synchronous_standby_names') AS is"))[0]?.is === name;
      });
    };
    try {
      const { token } = await app.signUp();
      const create = () =>
        app.request<Row>("POST", "/api/patients", { token, json: newPatient(), headers: { "Idempotency-Key": "confirmed" } });
      await standby("nobody");
      for (const time of ["first", "repeat"]) {
        let answered = false;
        const answer = create().finally(() => (answered = true));
        // Whoever waits is cancelled, which commits on the primary alone.
        await eventually("it is answered", async () => {
          await postgres.admin(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'SyncRep'",
            [APP_NAME],
          );
          return answered;
        });
        assert.equal((await answer).status, 503, `${time}: ${(await answer).text}`);
      }
      await standby("");
      const confirmed = await create();
      assert.deepEqual([confirmed.status, confirmed.headers.get("idempotent-replayed")], [201, "true"], confirmed.text);
    } finally {
      await standby("");
      await app.remove();
    }
  });

  describe("the connection is lost during COMMIT", () => {
    let proxy: TcpProxy;
    let app: TestApp;
    let token: string;
    before(async () => {
      const { appUrl, environment } = await postgres.createDatabase();
      const url = new URL(appUrl);
      proxy = await startTcpProxy(postgres.port);
      url.port = String(proxy.port);
      app = await TestApp.start({ ...environment, DATABASE_URL: url.href, DB_RETRY_MS: "3000" });
      ({ token } = await app.signUp());
    });
    after(async () => {
      await app.remove();
      await proxy.close();
    });

    const create = (key?: string): Promise<Answer<Row>> =>
      app.request<Row>("POST", "/api/patients", {
        token,
        json: newPatient(),
        ...(key !== undefined && { headers: { "Idempotency-Key": key } }),
      });
    const stored = async (): Promise<string[]> => {
      const { body } = await app.request<{ data: Row[] }>("GET", "/api/patients", { token });
      return body.data.map(({ id }) => id);
    };
    /** Loses the COMMIT of the next patient; `then` is called when that has happened. */
    const loseCommit = (verdict: Verdict, then: () => void = () => undefined): void => {
      let phase: "before" | "inserted" | "over" = "before";
      proxy.onRequest = (chunk) => {
        if (phase === "before" && chunk.includes("INSERT INTO patients")) phase = "inserted";
        if (phase !== "inserted" || !chunk.includes("COMMIT")) return "pass";
        phase = "over";
        then();
        return verdict;
      };
    };

    for (const verdict of ["cut-after", "cut"] as const) {
      it(`with a key the server finds out by itself: ${verdict === "cut" ? "not committed" : "committed"}, created once, 201`, async () => {
        const before = await stored();
        loseCommit(verdict);
        const answer = await create(`finds-${verdict}`);
        assert.equal(answer.status, 201, answer.text);
        assert.equal(answer.headers.get("idempotent-replayed"), null, "the client asked once");
        const after = await stored();
        assert.deepEqual([after.length, after.includes(answer.body.id)], [before.length + 1, true], "also in the list that was cached");
        assert.equal((await create(`finds-${verdict}`)).text, answer.text);
        const { body } = await app.request<{ resources: { patients: { used: number } } }>("GET", "/api/quotas", { token });
        assert.equal(body.resources.patients.used, after.length);
      });

      it(`without one it answers 503, ${verdict === "cut" ? "and the row is not there" : "although the row is there"}`, async () => {
        const before = (await stored()).length;
        loseCommit(verdict);
        const answer = await create();
        assert.equal(answer.status, 503, answer.text);
        assert.match((answer.body as unknown as Problem).detail, /look whether the change is there/);
        assert.equal((await stored()).length, before + (verdict === "cut" ? 0 : 1));
      });
    }

    it("no server to ask either: 503 does not claim that nothing was changed, and the request may be sent again", async () => {
      const before = (await stored()).length;
      // The pool may have other connections, over which the server could still be asked.
      loseCommit("cut-after", () => {
        proxy.target = undefined;
        proxy.cutAll();
      });
      const answer = await create("again");
      assert.equal(answer.status, 503, answer.text);
      assert.match((answer.body as unknown as Problem).detail, /lost while it saved/);
      proxy.target = postgres.port;
      await eventually("the database is reached again", async () => (await app.request("GET", "/api/health/database")).status === 200);
      const again = await create("again");
      assert.deepEqual([again.status, again.headers.get("idempotent-replayed")], [201, "true"], again.text);
      assert.deepEqual([(await stored()).length, (await stored()).includes(again.body.id)], [before + 1, true]);
    });
  });
});
