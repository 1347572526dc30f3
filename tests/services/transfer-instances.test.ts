import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { HeldPostgres } from "../../app/src/transfer/held-postgres";
import { type Answer, TestApp } from "../app/http/support";
import { migrateAs, openPostgres } from "../support/database";
import { docker, loadBalancerRig, type LoadBalancerRig, until } from "../support/load-balancer-rig";
import { eventually } from "../support/services/container";
import { type PostgresGroup, type PostgresUrls, startPostgres } from "../support/services/postgres";

/** After Postgres was sealed an instance on it is out of the load balancer in so long, where another serves, ms. */
const LEAVE_MS = 2000;

/** Of the transaction: 503 after this was a wait for a lock, and not a refusal. */
const LOCK_WAIT_MS = 5000;

const ORDER = { customerName: "A", totalCents: 1 };

describe("F1 A10 instances on a Postgres whose rows move to SQLite", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.remove());

  /** An app as phase `database` runs it, with few connections. */
  async function withApp(work: (app: TestApp, token: string, urls: PostgresUrls) => Promise<void>): Promise<void> {
    const urls = await postgres.createDatabase();
    const app = await TestApp.start({ ...urls.environment, DB_POOL_MAX: "2" });
    try {
      const { token } = await app.signUp();
      await work(app, token, urls);
    } finally {
      await app.remove();
    }
  }

  const write = (app: TestApp, token: string): Promise<Answer<{ id: string }>> =>
    app.request("POST", "/api/orders", { token, json: ORDER });
  const written = (app: TestApp, token: string): Promise<void> =>
    eventually("orders are taken again", async () => (await write(app, token)).status === 201);

  it("while rows are copied writes are refused at once, with the connections free for reads; it ends with the copy's connection", () =>
    withApp(async (app, token, { url }) => {
      const { body: order } = await write(app, token);
      const read = (): Promise<Answer<unknown>> => app.request("GET", `/api/orders/${order.id}`, { token });
      const { database } = app.container;
      const ends = (): Promise<unknown[]> => database.all("SELECT expires_at FROM sessions");
      const aged = new Date(Date.now() + 600_000).toISOString();
      const age = (): Promise<number> => database.run("UPDATE sessions SET expires_at = ?", [aged]);
      assert.equal(await age(), 1);
      await read();
      assert.notDeepEqual(await ends(), [{ expires_at: aged }], "a session of this age is prolonged by being used");
      assert.equal(await age(), 1);
      const mover = await HeldPostgres.connect(url);
      try {
        await mover.hold();
        const begun = performance.now();
        const refused = await Promise.all(Array.from({ length: 40 }, () => write(app, token)));
        assert.ok(performance.now() - begun < LOCK_WAIT_MS / 2, "nobody waited for the lock that the copy has");
        assert.deepEqual([...new Set(refused.map(({ status }) => status))], [503]);
        for (const { headers, text } of refused) {
          assert.match(headers.get("retry-after") ?? "", /^[1-5]$/);
          assert.match(text, /moved to another database, and nothing is written meanwhile/);
        }
        const waiting = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1";
        assert.deepEqual(await postgres.admin(waiting, [new URL(url).pathname.slice(1)]), []);
        await assert.rejects(database.run("UPDATE companies SET name = 'Late'"), { name: "DatabaseHeldError" });
        assert.equal(database.figures().pool?.waiting, 0);
        assert.equal((await read()).status, 200);
        assert.deepEqual(await ends(), [{ expires_at: aged }], "no session is prolonged");
        assert.equal((await app.request("GET", "/ready")).status, 200, "held it serves as before: the copy may be given up");
      } finally {
        await mover.close();
      }
      await written(app, token);
    }));

  it("sealed it is not ready within a second and reads on; ready and written again when the move is given up", () =>
    withApp(async (app, token, { url }) => {
      const { body: order } = await write(app, token);
      const mover = await HeldPostgres.connect(url);
      await mover.hold();
      await mover.seal(randomUUID());
      const sealed = performance.now();
      await mover.close();
      let ready = await app.request("GET", "/ready");
      while (ready.status === 200) {
        assert.ok(performance.now() - sealed < 1000, "the load balancer takes the rest of its two seconds");
        ready = await app.request("GET", "/ready");
      }
      assert.deepEqual([ready.status, ready.body["status"]], [503, "moved"]);
      assert.equal((await app.request("GET", `/api/orders/${order.id}`, { token })).status, 200);
      const refused = await write(app, token);
      assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
      const health = await app.request<{ database: object }>("GET", "/health");
      assert.partialDeepStrictEqual(health.body.database, { kind: "postgres", moved: true });

      const opener = await HeldPostgres.connect(url);
      await opener.unseal();
      await opener.close();
      await eventually("it is ready", async () => (await app.request("GET", "/ready")).status === 200);
      await written(app, token);
      const messages = app.log.map(({ msg }) => String(msg)).filter((msg) => /Postgres/.test(msg) && /SQLite/.test(msg));
      assert.match(messages.at(-1) ?? "", /given up/);
    }));

  it("a write that is refused by the seal looks at once, without waiting for the next regular look", async () => {
    const { url, appUrl } = await postgres.createDatabase();
    await migrateAs(url);
    const database = await openPostgres(appUrl, { seal: { everyMs: 3_600_000 } });
    try {
      const mover = await HeldPostgres.connect(url);
      await mover.hold();
      await mover.seal(randomUUID());
      await mover.close();
      assert.equal(database.hasMoved(), false);
      await assert.rejects(database.run("UPDATE companies SET name = 'Late'"), { name: "DatabaseBusyError" });
      await eventually("it knows", () => database.hasMoved());
    } finally {
      await database.close();
    }
  });
});

/** An instance as the load balancer sees it: SIGUSR2 seals its Postgres. Says who it is. */
const instance = (kind: string): string => `
  let moved = false;
  process.on("SIGUSR2", () => (moved = true));
  process.on("SIGTERM", () => process.exit(0));
  require("node:http").createServer((request, response) => {
    if (request.url === "/ready") return response.writeHead(moved ? 503 : 200).end();
    response.end(${JSON.stringify(kind)});
  }).listen(3001);`;

describe("F1 A10 the load balancer in front of instances on a sealed Postgres", function () {
  this.timeout(120_000);
  let rig: LoadBalancerRig | undefined;
  before(async () => {
    rig = await loadBalancerRig(
      { apiLimit: { requestsPerSecond: 0, burst: 0 }, chatLimit: { requestsPerSecond: 0, burst: 0 } },
      instance("postgres"),
    );
  });
  after(() => rig?.remove());

  it("asks them while there is no other, and within two seconds only the others where one serves", async () => {
    const { name, url } = rig!;
    const ask = async (): Promise<string> => {
      const answer = await fetch(`${url}/api/orders`);
      return answer.status === 200 ? answer.text() : String(answer.status);
    };
    const askFor = async (ms: number): Promise<Set<string>> => {
      const [answers, end] = [new Set<string>(), performance.now() + ms];
      while (performance.now() < end) answers.add(await ask());
      return answers;
    };
    docker(["kill", "--signal", "SIGUSR2", `${name}-app-0`]);
    // Longer than it takes to leave.
    assert.deepEqual([...(await askFor(2 * LEAVE_MS))], ["postgres"], "the only one, it goes on reading");
    await rig!.startUpstreams(1, instance("sqlite"));
    await until("the new one is asked", async () => (await ask()) === "sqlite");
    const begun = performance.now();
    let last = 0;
    while (performance.now() - begun < 2 * LEAVE_MS) {
      const answer = await ask();
      assert.match(answer, /^(?:postgres|sqlite)$/, "no request fails meanwhile");
      if (answer === "postgres") last = performance.now() - begun;
    }
    assert.ok(last < LEAVE_MS, `the sealed one was asked ${Math.round(last)} ms after the new one was`);
  });
});
