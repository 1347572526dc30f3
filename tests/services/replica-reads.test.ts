import assert from "node:assert/strict";
import type { DatabaseFigures } from "../../app/src/db/database";
import { newPatient } from "../app/domain/support";
import { PASSWORD, TestApp, type Answer, type RequestOptions } from "../app/http/support";
import { eventually } from "../support/services/container";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";
import { startRedis, type RedisService } from "../support/services/redis";

interface Row {
  readonly id: string;
}
interface List {
  readonly data: readonly Row[];
}

/** Keeps cookies as a browser does, and asks whichever instance it is told to. */
class Browser {
  readonly cookies = new Map<string, string>();

  async request<Body = Row>(app: TestApp, method: string, where: string, options: RequestOptions = {}): Promise<Answer<Body>> {
    const Cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await app.request<Body>(method, where, {
      ...options,
      headers: { ...options.headers, ...(Cookie !== "" && { Cookie }) },
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.cookies.set(name, value);
    }
    return answer;
  }

  async logIn(app: TestApp, email: string): Promise<this> {
    const { status, text } = await this.request(app, "POST", "/api/auth/login", { json: { email, password: PASSWORD } });
    assert.equal(status, 200, text);
    // As after the time for which a mark lives: this one has not written for a while.
    this.forgetMarks();
    return this;
  }

  forgetMarks(): void {
    for (const name of this.cookies.keys()) if (name.startsWith("wm-")) this.cookies.delete(name);
  }

  get mark(): string {
    return [...this.cookies].find(([name]) => name.startsWith("wm-"))?.[1] ?? "none";
  }
}

for (const shared of [false, true]) {
  describe(`E8 reads of the API on replicas, two instances, ${shared ? "with" : "without"} Redis`, function () {
    this.timeout(120_000);
    let postgres: PostgresGroup;
    let redis: RedisService | undefined;
    let one: TestApp;
    let two: TestApp;
    before(async () => {
      postgres = await startPostgres({ replicas: 1 });
      redis = shared ? await startRedis({ role: "cache" }) : undefined;
      const environment = {
        ...postgres.environment,
        DATABASE_READ_REPLICAS: postgres.replicas.map(({ appUrl }) => appUrl).join(","),
        SESSION_SECRET: "the same secret for both of the instances",
        DB_REPLICA_CHECK_MS: "30",
        // A replica that stands still goes on being read here: what is proven is not that it is left after a while.
        DB_REPLICA_MAX_LAG_MS: "600000",
        ...(redis && { REDIS_URL: redis.url }),
      };
      one = await TestApp.start(environment);
      two = await TestApp.start(environment);
    });
    after(async () => {
      await two.remove();
      await one.remove();
      await redis?.remove();
      await postgres.remove();
    });

    const figures = (app: TestApp): DatabaseFigures => app.container.database.figures();
    const reads = (app: TestApp): number => figures(app).replicas.reduce((sum, replica) => sum + replica.reads, 0);
    const replay = async (state: "pause" | "resume"): Promise<void> => {
      await postgres.replicas[0]?.admin(`SELECT pg_wal_replay_${state}()`);
    };
    /** Runs `work` while the replica stands still, having seen everything until now. */
    async function standingStill(work: () => Promise<void>): Promise<void> {
      await postgres.replicated();
      await eventually("both instances read the replica", () => [one, two].every((app) => figures(app).replicas[0]?.healthy === true));
      await replay("pause");
      try {
        await work();
      } finally {
        await replay("resume");
      }
    }
    /** Two browsers of users of one company, which have not written for a while. */
    async function twoUsers(): Promise<{ readonly admin: Browser; readonly colleague: Browser; readonly token: string }> {
      const email = `owner-${Math.random().toString(36).slice(2)}@example.org`;
      const { token } = await one.signUp(email);
      const user = await one.addUser(token);
      return { admin: await new Browser().logIn(one, email), colleague: await new Browser().logIn(two, user.email), token };
    }
    const addPatient = async (who: Browser, app: TestApp): Promise<string> => {
      const { status, body, text } = await who.request(app, "POST", "/api/patients", { json: newPatient() });
      assert.equal(status, 201, text);
      return body.id;
    };
    const ids = ({ body, status, text }: Answer<List>): string[] => {
      assert.equal(status, 200, text);
      return body.data.map(({ id }) => id);
    };

    it("a session sees its own write at once on every instance; who has not written may see the past; the replica is read again later", async () => {
      const { admin, colleague } = await twoUsers();
      const before = await addPatient(admin, one);
      await standingStill(async () => {
        const id = await addPatient(admin, one);
        const [own, colleagues] = [reads(one) + reads(two), () => colleague.request(two, "GET", `/api/patients/${id}`)];
        for (const app of [two, one, two]) assert.equal((await admin.request(app, "GET", `/api/patients/${id}`)).status, 200);
        assert.equal(reads(one) + reads(two), own, "what has been written since is not asked of this replica");
        assert.ok(figures(two).fallbacks.behind >= 2);
        assert.equal((await colleagues()).status, 404, "the replica really is behind, and really is read");
        assert.equal((await colleague.request(two, "GET", `/api/patients/${before}`)).status, 200);
        assert.equal(reads(two) - own + reads(one), 2);
      });
      const id = await addPatient(admin, one);
      await eventually("the replica answers the one who wrote", async () => {
        const count = reads(two);
        assert.equal((await admin.request(two, "GET", `/api/patients/${id}`)).status, 200);
        return reads(two) > count;
      });
    });

    it("a client with a token reads from the primary until it sends back the mark it was given", async () => {
      const { token } = await twoUsers();
      await standingStill(async () => {
        const created = await one.request<Row>("POST", "/api/patients", { token, json: newPatient() });
        const mark = created.headers.get("write-mark");
        assert.match(mark ?? "", /^[0-9A-F]+\/[0-9A-F]+$/);
        assert.deepEqual(created.headers.getSetCookie(), [], "cookies are for browsers");
        const get = (sent?: string) =>
          two.request("GET", `/api/patients/${created.body.id}`, { token, ...(sent !== undefined && { headers: { "Write-Mark": sent } }) });
        const count = reads(two);
        assert.deepEqual([(await get()).status, (await get(mark ?? "")).status, reads(two)], [200, 200, count]);
        assert.equal((await get("0/1")).status, 404, "an older mark: an older answer");
        assert.equal(reads(two), count + 1);
      });
    });

    it("a forged, broken or foreign mark breaks nothing and shows nobody else's rows", async () => {
      const [mine, other] = [await twoUsers(), await twoUsers()];
      const [own, foreign] = [await addPatient(mine.admin, one), await addPatient(other.admin, one)];
      await postgres.replicated();
      const marks = ["FFFFFFFF/FFFFFFFF", "0/0", "", "x", "1/2/3", "/", "-1/0", "9".repeat(500), "0/G", "%", '"0/1"', "0/1, 0/2"];
      for (const mark of [...marks, other.admin.mark]) {
        const headers = { "Write-Mark": mark };
        const cookies = { Cookie: `sid=${mine.admin.cookies.get("sid") ?? ""}; wm-0=${mark}` };
        for (const options of [{ token: mine.token, headers }, { headers: cookies }]) {
          assert.equal((await two.request("GET", `/api/patients/${own}`, options)).status, 200, mark);
          assert.equal((await two.request("GET", "/api/patients", options)).status, 200, mark);
          assert.equal((await two.request("GET", `/api/patients/${foreign}`, options)).status, 404, mark);
          const written = await two.request("POST", "/api/patients", { ...options, json: newPatient() });
          assert.match(written.headers.get("write-mark") ?? "", /^[0-9A-F]+\/[0-9A-F]+$/, mark);
        }
      }
    });

    it("E2 a cached list never keeps rows of a replica that is behind, whoever made it", async () => {
      const { admin, colleague } = await twoUsers();
      const list = async (who: Browser, app: TestApp, query = ""): Promise<string[]> =>
        ids(await who.request<List>(app, "GET", `/api/patients${query}`));
      assert.deepEqual(await list(admin, one), []);
      await standingStill(async () => {
        const id = await addPatient(admin, one);
        const behind = figures(two).fallbacks.behind;
        assert.equal((await colleague.request(two, "GET", `/api/patients/${id}`)).status, 404, "the replica has not seen it");
        // The colleague is the first to ask: what is made for them is what everybody gets from now on.
        assert.deepEqual(await list(colleague, two), [id]);
        assert.equal(figures(two).fallbacks.behind, behind + 1);
        for (const [who, app] of [
          [admin, two],
          [colleague, one],
          [admin, one],
        ] as const) {
          assert.deepEqual(await list(who, app), [id]);
          assert.deepEqual(await list(who, app, "?limit=1"), [id]);
        }
        const dashboard = await colleague.request<{ totals: { patients: number } }>(two, "GET", "/api/dashboard");
        assert.equal(dashboard.body.totals.patients, 1);
      });
      const second = await addPatient(admin, one);
      await postgres.replicated();
      const made = reads(two);
      assert.equal((await list(colleague, two)).length, 2);
      assert.ok(reads(two) > made, "a replica that has seen everything makes cached lists");
      assert.ok((await list(colleague, one)).includes(second));
    });

    it("a company that the replica does not know yet works from its first request on", async () => {
      await standingStill(async () => {
        const browser = new Browser();
        const email = `new-${Math.random().toString(36).slice(2)}@example.org`;
        const account = { companyName: "New", name: "New", email, password: PASSWORD };
        assert.equal((await browser.request(one, "POST", "/api/auth/signup", { json: account })).status, 201);
        for (const app of [two, one]) {
          for (const where of ["auth/me", "session", "company", "users", "dashboard", "quotas", "orders", "documents/usage", "documents"]) {
            const { status, text } = await browser.request(app, "GET", `/api/${where}`);
            assert.equal(status, 200, `${where}: ${text}`);
          }
        }
      });
    });

    it("an answer that streams on after its headers sends its readers to the primary", async () => {
      const { admin } = await twoUsers();
      const { body } = await admin.request(one, "POST", "/api/chat/conversations", { json: { title: "T" } });
      const where = `/api/chat/conversations/${body.id}/messages`;
      await standingStill(async () => {
        const streamed = await admin.request(one, "POST", where, { json: { content: "Hello" }, headers: { Accept: "text/event-stream" } });
        assert.match(streamed.text, /event: answer/);
        assert.equal(ids(await admin.request<List>(two, "GET", where)).length, 2);
      });
    });

    it("D11 reads, lag and fallbacks of each replica are in the health report", async () => {
      const { body } = await two.request<DatabaseFigures>("GET", "/api/health/database");
      assert.equal(body.replicas.length, 1);
      assert.ok((body.replicas[0]?.reads ?? 0) > 0 && body.fallbacks.behind > 0);
      assert.deepEqual(Object.keys(body.fallbacks).sort(), ["behind", "failed", "unhealthy"]);
    });
  });
}
