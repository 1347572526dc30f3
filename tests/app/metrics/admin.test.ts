import assert from "node:assert/strict";
import { TenantMetrics, WINDOW_MS } from "../../../app/src/observability/tenant-metrics";
import { findProblems, PROBLEM_THRESHOLDS } from "../../../app/src/observability/tenant-metrics-problems";
import { TenantMetricsStore } from "../../../app/src/observability/tenant-metrics-store";
import { withDatabase } from "../db/support";
import { ADMIN_TOKEN, TestApp } from "../http/support";

interface Figures {
  readonly requests: number;
  readonly requestsPerMinute: number;
  readonly errorShare: number;
  readonly clientErrorShare: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly byClass: Record<string, number>;
}

const NOON = Date.parse("2026-06-03T12:02:00Z");
const DAY_MS = 86_400_000;

describe("company metrics: admin endpoints", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  it("E7 E9 /api/admin/metrics/company/:id counts the company's own requests, by class, with errors and percentiles", async () => {
    const { token, companyId } = await app.signUp();
    const other = await app.signUp();
    for (let request = 0; request < 10; request++) await app.request("GET", "/api/orders", { token });
    for (let request = 0; request < 3; request++) await app.request("POST", "/api/orders", { token, json: {} });
    await app.request("GET", "/api/orders", { token: other.token });
    const { status, body } = await app.request<{
      company: { id: string; plan: string };
      now: Figures;
      hours: Figures[];
      days: Figures[];
      weeks: Figures[];
    }>("GET", `/api/admin/metrics/company/${companyId}`, { token: ADMIN_TOKEN });
    assert.equal(status, 200);
    assert.deepEqual([body.company.id, body.company.plan], [companyId, "FREE"]);
    for (const figures of [body.now, body.hours.at(-1)!, body.days.at(-1)!, body.weeks.at(-1)!]) {
      assert.equal(figures.requests, 13);
      assert.equal(figures.clientErrorShare, 0.2308);
      assert.equal(figures.errorShare, 0);
      assert.deepEqual(figures.byClass, { read: 10, write: 3, upload: 0, chat: 0 });
      assert.ok(figures.p95Ms > 0 && figures.p99Ms >= figures.p95Ms && figures.requestsPerMinute > 0);
    }
    await app.refusal(404, "GET", "/api/admin/metrics/company/nobody", { token: ADMIN_TOKEN });
    await app.refusal(400, "GET", `/api/admin/metrics/company/${companyId}?x=1`, { token: ADMIN_TOKEN });
  });

  it("E9 /api/admin/metrics/summary adds all companies up and lists the busiest; every period", async () => {
    const { token, companyId } = await app.signUp();
    for (let request = 0; request < 40; request++) await app.request("GET", "/api/auth/me", { token });
    for (const period of ["hour", "day", "week"]) {
      const { body } = await app.request<{
        current: Figures;
        now: Figures;
        activeCompanies: number;
        busiest: (Figures & { companyId: string })[];
        series: unknown[];
      }>("GET", `/api/admin/metrics/summary?period=${period}`, { token: ADMIN_TOKEN });
      assert.equal(body.busiest[0]?.companyId, companyId);
      assert.equal(body.busiest[0].requests, 40);
      assert.equal(
        body.current.requests,
        body.busiest.reduce((sum, { requests }) => sum + requests, 0),
      );
      assert.equal(body.activeCompanies, body.busiest.length);
      assert.equal(body.series.length, 1);
    }
    const problem = await app.refusal(400, "GET", "/api/admin/metrics/summary?period=year", { token: ADMIN_TOKEN });
    assert.equal(problem.errors?.[0]?.field, "period");
  });

  it("E9 /api/admin/metrics/problems gives its thresholds; all three are for operators only", async () => {
    const { token } = await app.signUp();
    const { body } = await app.request("GET", "/api/admin/metrics/problems", { token: ADMIN_TOKEN });
    assert.deepEqual(body["thresholds"], JSON.parse(JSON.stringify(PROBLEM_THRESHOLDS)));
    for (const path of ["summary", "problems", "company/x"]) {
      await app.refusal(401, "GET", `/api/admin/metrics/${path}`);
      await app.refusal(403, "GET", `/api/admin/metrics/${path}`, { token });
    }
  });

  it("E7 no company becomes a label of Prometheus", async () => {
    const { token, companyId } = await app.signUp();
    await app.request("GET", "/api/orders", { token });
    const { text } = await app.request("GET", "/metrics");
    assert.ok(!text.includes(companyId));
    assert.doesNotMatch(text, /[{,]company\w*="/);
  });

  it("E7 what is not written yet is written before the worker ends", async () => {
    const own = await TestApp.start();
    try {
      const { token, companyId } = await own.signUp();
      for (let request = 0; request < 5; request++) await own.request("GET", "/api/orders", { token });
      await own.stop();
      await own.run();
      const { body } = await own.request<{ now: Figures }>("GET", `/api/admin/metrics/company/${companyId}`, { token: ADMIN_TOKEN });
      assert.equal(body.now.requests, 5);
    } finally {
      await own.remove();
    }
  });
});

describe("company metrics: problem detection", () => {
  it("E7 finds slow, failing, limited and inactive companies with figure and threshold, and no others", () =>
    withDatabase(async (database) => {
      const store = new TenantMetricsStore(database);
      let clock = NOON;
      const metrics = new TenantMetrics(() => clock);
      const requests = (company: string, count: number, status = 200, ms = 20): void => {
        for (let request = 0; request < count; request++) metrics.record(company, "read", status, ms);
      };
      requests("healthy", 100);
      requests("failing", 95);
      requests("failing", 5, 500);
      requests("nearly-failing", 96);
      requests("nearly-failing", 4, 500);
      requests("limited", 90);
      requests("limited", 10, 429);
      // Slow for one request in ten, which the mean hides.
      requests("slow", 90);
      requests("slow", 10, 200, 600);
      // A few very slow requests raise the mean but not the 95th percentile.
      requests("outliers", 98);
      requests("outliers", 2, 200, 30_000);
      requests("few", 19, 500, 5000);
      clock = NOON - 5 * DAY_MS;
      requests("inactive", 60);
      requests("never-busy", 10);
      clock = NOON - 4 * WINDOW_MS;
      requests("recovered", 100, 500);
      await store.add(metrics.take(1000));
      const found = await findProblems(database, NOON);
      assert.deepEqual(
        found.map(({ companyId, problem }) => [companyId, problem]),
        [
          ["failing", "failing"],
          ["limited", "limited"],
          ["slow", "slow"],
          ["inactive", "inactive"],
        ],
      );
      const [failing, limited, slow, inactive] = found;
      assert.deepEqual([failing?.value, failing?.threshold, limited?.value, limited?.threshold], [0.05, 0.05, 0.1, 0.1]);
      assert.ok(slow !== undefined && slow.value >= 560 && slow.value <= 640);
      assert.equal(inactive?.value, 5);
      assert.match(failing?.reason ?? "", /^5 % of 100 requests failed/);
      assert.match(inactive?.reason ?? "", /^No request since 2026-05-29, after 60 in 14 days/);
      assert.deepEqual(await findProblems(database, NOON, "healthy"), []);
      assert.deepEqual(
        (await findProblems(database, NOON, "slow")).map(({ problem }) => problem),
        ["slow"],
      );
    }));
});
