import assert from "node:assert/strict";
import { cloudChecks, componentsOutcome, replicasOutcome } from "../../../toolchain/verify/checks/cloud";
import { limitsTold } from "../../../toolchain/verify/checks/limits";
import { tokenFor, verifyContext } from "../../../toolchain/verify/context";
import { headerViolations } from "../../../toolchain/verify/evaluate";
import { HttpClient } from "../../../toolchain/verify/http";
import { CHECKS, checksOf } from "../../../toolchain/verify/run";
import type { Outcome } from "../../../toolchain/verify/types";
import { fakeContext, type FakeStack } from "../../support/verify-context";
import { withServer } from "../../support/web-server";

const run = (id: string, stack: FakeStack): Promise<Outcome> => {
  const check = cloudChecks.find((one) => one.id === id);
  assert.ok(check, id);
  return check.run(fakeContext({ ...stack, expected: { phase: "cloud" } }));
};

describe("C8 npm run verify in phase cloud", () => {
  it("leaves out with a sentence what needs containers, breaks something or takes from others", async () => {
    const checks = checksOf("cloud");
    const left = checks.filter((check) => check.byUrl !== true);
    assert.equal(new Set(checks.map(({ id, title }) => `${id} ${title}`)).size, checks.length);
    assert.deepEqual(
      left.filter(({ fault }) => fault === true),
      [],
    );
    for (const check of left) {
      // Whatever it would ask is an error: nothing is asked.
      const { verdict, measured } = await check.run(fakeContext({}));
      assert.equal(verdict, "skip", check.title);
      assert.match(measured, /^not in phase cloud: it (breaks|takes|looks)/);
    }
    const why = async (title: RegExp): Promise<string> =>
      (await left.find((check) => title.test(check.title))?.run(fakeContext({})))?.measured ?? "";
    assert.match(await why(/killed worker/), /breaks something on purpose/);
    assert.match(await why(/limit of the load balancer/), /takes from what others/);
    assert.match(await why(/500 users/), /takes from what others/);
    assert.match(await why(/instances running/), /looks into containers/);
  });

  it("what is done by the address alone breaks nothing and takes from nobody", () => {
    const byUrl = CHECKS.filter(({ byUrl: only }) => only === true);
    assert.ok(byUrl.length >= 15, String(byUrl.length));
    for (const { title, fault, greedy } of byUrl) assert.ok(fault === undefined && greedy === undefined, title);
  });

  it("what is of the cloud only is in no other phase", () => {
    for (const phase of ["cluster", "database"]) {
      assert.ok(
        checksOf(phase).every((check) => !cloudChecks.includes(check)),
        phase,
      );
    }
  });

  it("B1 names of the cloud's own servers are theirs, the app's are not to be told", () => {
    const safe = {
      ...{ "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer" },
      ...{ "content-security-policy": "default-src 'none'", "strict-transport-security": "max-age=31536000" },
    };
    const cloud = { source: "app", tls: true, throughOthers: true } as const;
    for (const server of ["CloudFront", "awselb/2.0", "nginx"]) {
      assert.deepEqual(headerViolations({ ...safe, server, via: "1.1 x.cloudfront.net (CloudFront)" }, cloud), [], server);
    }
    assert.deepEqual(headerViolations({ ...safe, server: "Express 5.1" }, cloud), ["gives away server: Express 5.1"]);
    assert.deepEqual(headerViolations({ ...safe, "x-powered-by": "Express" }, cloud), ["gives away x-powered-by: Express"]);
    assert.equal(headerViolations({ ...safe, via: "1.1 x" }, { source: "app", tls: true }).length, 1);
  });

  it("sends the admin token over TLS only, or to this machine", () => {
    const outputs = { adminToken: "secret" };
    assert.equal(tokenFor("https://app.example.com", "cloud", outputs), "secret");
    assert.equal(tokenFor("http://app.example.com", "cloud", outputs), undefined);
    assert.equal(tokenFor("http://127.0.0.1:3001", "cloud", outputs), "secret");
    assert.equal(tokenFor("http://192.0.2.7:3001", "database", outputs), "secret");
    assert.equal(tokenFor("https://app.example.com", "cloud", { adminToken: "" }), undefined);
  });

  it("B13 knows every secret output of a stack, to look for it where none may be", async () => {
    const outputs = { appUrl: "http://127.0.0.1:1", databasePassword: "b", adminToken: "a", grafanaPassword: "d", backupPassphrase: "c" };
    const secretsOf = async (given: Readonly<Record<string, unknown>>): Promise<readonly string[]> => {
      const http = new HttpClient(outputs.appUrl);
      const stack = { config: {}, dockerHost: undefined, onDocker: () => Promise.reject(new Error("nobody is to ask for containers")) };
      const { secrets } = await verifyContext(http, stack, "cloud", given);
      http.close();
      return [...secrets].sort();
    };
    assert.deepEqual(await secretsOf(outputs), ["a", "b", "c", "d"]);
    assert.deepEqual(await secretsOf({ ...outputs, grafanaPassword: "", backupPassphrase: "" }), ["a", "b"]);
  });

  it("says what program it is: firewalls refuse who does not", async () => {
    let agent: string | undefined;
    await withServer(
      (request, response) => {
        agent = request.headers["user-agent"];
        response.end();
      },
      async (url) => {
        const http = new HttpClient(url);
        await http.ask("/health");
        http.close();
      },
    );
    assert.equal(agent, "phased-stack-verify");
  });

  it("D12 a part that does without its service is named, one that is not in use is none", () => {
    const all = { database: { status: "ok" }, redis: { status: "ok" }, events: { status: "disabled" }, memory: { status: "warning" } };
    assert.deepEqual(componentsOutcome(all), { verdict: "pass", measured: "2 ok; not in use: events" });
    const away = { ...all, realtime: { status: "warning", reason: "Redis is away" }, queue: {} };
    assert.deepEqual(componentsOutcome(away), {
      verdict: "fail",
      measured: "realtime is warning (Redis is away); queue is without a state",
    });
  });

  it("A7 replicas are there and not late; the primary that stands in is none", () => {
    const near = { name: "replica-1", healthy: true, primary: false, lagMs: 40 };
    assert.deepEqual(replicasOutcome("ok", [near, { healthy: false, primary: true, lagMs: null }]), {
      verdict: "pass",
      measured: "it answers, 1 replicas, at most 0.0 s behind",
    });
    assert.equal(replicasOutcome("ok", []).measured, "it answers; it has no replica");
    const bad = replicasOutcome("warning", [
      { ...near, lagMs: 6000 },
      { ...near, name: "replica-2", healthy: false },
    ]);
    assert.deepEqual(bad, { verdict: "fail", measured: "the database is warning; replica-2 is away; replica-1 is 6.0 s behind" });
  });

  it("B7 an answer has to tell its limits", () => {
    const headers = { "ratelimit-policy": '"api";q=100;w=60', ratelimit: '"api";r=99;t=60' };
    assert.deepEqual(limitsTold({ status: 200, headers }), { verdict: "pass", measured: '"api";q=100;w=60' });
    assert.deepEqual(limitsTold({ status: 200, headers: {} }).measured, "no RateLimit-Policy; no RateLimit");
    assert.equal(limitsTold({ status: 429, headers }).measured, "status 429");
  });

  it("D5 a job is followed until it is done", async () => {
    for (const [last, expected] of [
      [{ status: "completed" }, /^\d\.\d s$/],
      [{ status: "failed", error: "no room" }, /^failed: no room$/],
    ] as const) {
      let asked = 0;
      const outcome = await withServer(
        (request, response) => {
          if (request.method === "POST") response.writeHead(202).end(JSON.stringify({ id: "j1" }));
          else response.end(JSON.stringify((asked += 1) > 1 ? last : { status: "waiting" }));
        },
        (url) => run("D5", { url }),
      );
      assert.match(outcome.measured, expected);
      assert.equal(outcome.verdict, last.status === "completed" ? "pass" : "fail");
    }
  });

  it("B5 events are followed where there are any, and left out with a sentence where not", async () => {
    const withEvents = (enabled: boolean, adminToken: string): Promise<Outcome> =>
      withServer(
        (request, response) => {
          const path = request.url ?? "";
          if (path === "/api/health/full") response.end(JSON.stringify({ components: { events: { status: "ok", enabled } } }));
          else if (path === "/api/session") response.end(JSON.stringify({ companyId: "c1" }));
          else if (path === "/api/orders") response.writeHead(201).end(JSON.stringify({ number: 3 }));
          else if (request.headers.authorization !== "Bearer secret") response.writeHead(401).end();
          else response.end(JSON.stringify({ data: [{ type: "order.created", summary: "Order 3 of Customer 6 was created." }] }));
        },
        (url) => run("B5", { url, adminToken }),
      );
    assert.match((await withEvents(true, "secret")).measured, /^after 0\.\d s$/);
    assert.deepEqual(await withEvents(false, "secret"), { verdict: "skip", measured: "the stack publishes no events" });
    assert.equal((await withEvents(true, "")).verdict, "skip");
  });
});
