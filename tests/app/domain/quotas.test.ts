import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { nextPlan, PLAN_LIMITS, PLANS, QUOTA_RESOURCES, type QuotaResource } from "../../../app/src/billing/plans";
import type { QuotaStatus } from "../../../app/src/billing/quotas";
import { patients, quotaUsage } from "../../../app/src/db/domain-tables";
import { TenantScope } from "../../../app/src/db/tenant";
import { ADMIN_TOKEN, PASSWORD, TestApp, type Problem } from "../http/support";
import { newPatient } from "./support";

interface QuotaProblem extends Problem {
  readonly resource: string;
  readonly limit: number;
  readonly used: number;
  readonly plan: string;
  readonly nextPlan: string | null;
  readonly nextLimit: number | null;
}

describe("E6 quotas by plan", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start()));
  after(() => app.remove());

  const status = async (token: string): Promise<QuotaStatus> => (await app.request<QuotaStatus>("GET", "/api/quotas", { token })).body;

  /** As if the company had so many of it already. */
  const use = (companyId: string, resource: QuotaResource, used: number): Promise<number> =>
    app.container.database.run(
      `INSERT INTO quota_usage (company_id, resource, used) VALUES (?, ?, ?)
       ON CONFLICT (company_id, resource) DO UPDATE SET used = excluded.used`,
      [companyId, resource, used],
    );

  it("allows more with every plan, and the largest is unlimited", () => {
    for (const resource of QUOTA_RESOURCES) {
      const limits = PLANS.map((plan) => PLAN_LIMITS[plan][resource] ?? Infinity);
      assert.deepEqual(
        limits,
        [...limits].sort((one, two) => one - two),
      );
      assert.equal(nextPlan("FREE", resource), "BASIC");
      assert.equal(nextPlan("ENTERPRISE", resource), undefined);
    }
  });

  it("counts what is created and deleted, of each resource, and shows what is left", async () => {
    const { token, userId, companyId } = await app.signUp();
    const before = await status(token);
    assert.deepEqual([before.plan, before.nextPlan, before.companyId], ["FREE", "BASIC", companyId]);
    assert.deepEqual(before.resources.users, { used: 1, limit: 10, remaining: 9, usedPercent: 10, status: "ok", message: null });
    const patient = await app.request<{ id: string }>("POST", "/api/patients", { token, json: newPatient() });
    const product = await app.request<{ id: string }>("POST", "/api/products", {
      token,
      json: { sku: "A-1", name: "Frame", category: "frame", priceCents: 100 },
    });
    const exam = await app.request<{ id: string }>("POST", "/api/exams", {
      token,
      json: { patientId: patient.body.id, kind: "fundus", scheduledAt: "2026-12-01T10:00:00+01:00" },
    });
    const order = await app.request<{ id: string }>("POST", "/api/orders", { token, json: { customerName: "A", totalCents: 1 } });
    const used = (): number[] => QUOTA_RESOURCES.map((name) => all.resources[name].used);
    let all = await status(token);
    assert.deepEqual(used(), [1, 1, 1, 1, 1]);
    for (const [where, answer] of [
      ["exams", exam],
      ["patients", patient],
      ["products", product],
      ["orders", order],
    ] as const) {
      assert.equal((await app.request("DELETE", `/api/${where}/${answer.body.id}`, { token })).status, 204);
    }
    all = await status(token);
    assert.deepEqual(used(), [1, 0, 0, 0, 0]);
    const user = await app.addUser(token);
    assert.equal((await status(token)).resources.users.used, 2);
    for (const [step, count] of [
      ["deactivate", 1],
      ["deactivate", 1],
      ["activate", 2],
      ["activate", 2],
    ] as const) {
      await app.request("POST", `/api/users/${user.userId}/${step}`, { token });
      assert.equal((await status(token)).resources.users.used, count);
    }
    assert.ok(userId);
  });

  it("refuses what is above the limit with 402, the figures and the plan that has more", async () => {
    const { token, companyId } = await app.signUp();
    await use(companyId, "patients", 500);
    const answer = await app.request<QuotaProblem>("POST", "/api/patients", { token, json: newPatient() });
    assert.equal(answer.status, 402);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    const { resource, limit, used, plan, nextPlan: next, nextLimit, type, detail } = answer.body;
    assert.deepEqual(
      { resource, limit, used, plan, next, nextLimit, type },
      {
        resource: "patients",
        limit: 500,
        used: 500,
        plan: "FREE",
        next: "BASIC",
        nextLimit: 5000,
        type: "urn:phased-stack:problem:quota-exceeded",
      },
    );
    assert.match(detail, /Plan FREE allows 500 patients, and all are used\. Plan BASIC allows 5000; ask for an upgrade/);
    assert.equal((await app.request<{ data: unknown[] }>("GET", "/api/patients", { token })).body.data.length, 0, "nothing was created");
    await use(companyId, "patients", 410);
    const { patients: quota } = (await app.request<QuotaStatus>("GET", `/api/admin/quotas/${companyId}`, { token: ADMIN_TOKEN })).body
      .resources;
    assert.deepEqual([quota.status, quota.remaining], ["warning", 90]);
    assert.match(quota.message ?? "", /410 of 500/);
  });

  it("does not let a deactivated user come back when there is no room, nor a new one in", async () => {
    const { token, companyId } = await app.signUp();
    const user = await app.addUser(token);
    await app.request("POST", `/api/users/${user.userId}/deactivate`, { token });
    await use(companyId, "users", 10);
    await app.refusal(402, "POST", `/api/users/${user.userId}/activate`, { token });
    await app.refusal(402, "POST", "/api/users", { token, json: { email: "one-more@example.org", name: "M", password: PASSWORD } });
    const shown = await app.request<{ status: string }>("GET", `/api/users/${user.userId}`, { token });
    assert.equal(shown.body.status, "deactivated");
  });

  it("E9 operators read any company's quotas and change its plan, from which moment on it counts", async () => {
    const { token, companyId } = await app.signUp();
    await use(companyId, "patients", 500);
    await app.refusal(402, "POST", "/api/patients", { token, json: newPatient() });
    const where = `/api/admin/quotas/${companyId}`;
    const changed = await app.request<QuotaStatus>("PUT", where, { token: ADMIN_TOKEN, json: { plan: "BASIC" } });
    assert.deepEqual([changed.status, changed.body.plan, changed.body.resources.patients.limit], [200, "BASIC", 5000]);
    assert.equal((await status(token)).plan, "BASIC", "the cached status is not used any more");
    assert.equal((await app.request("POST", "/api/patients", { token, json: newPatient() })).status, 201);
    await app.request("PUT", where, { token: ADMIN_TOKEN, json: { plan: "FREE" } });
    await app.refusal(402, "POST", "/api/patients", { token, json: newPatient() });
    const quota = (await status(token)).resources.patients;
    assert.deepEqual([quota.used, quota.remaining, quota.status], [501, 0, "exhausted"]);

    const bad = await app.refusal(400, "PUT", where, { token: ADMIN_TOKEN, json: { plan: "GOLD" } });
    assert.equal(bad.errors?.[0]?.allowed, "one of FREE, BASIC, PROFESSIONAL, ENTERPRISE");
    await app.refusal(404, "GET", "/api/admin/quotas/nobody", { token: ADMIN_TOKEN });
    await app.refusal(404, "PUT", "/api/admin/quotas/nobody", { token: ADMIN_TOKEN, json: { plan: "BASIC" } });
    await app.refusal(403, "PUT", where, { token, json: { plan: "ENTERPRISE" } });
    await app.refusal(401, "GET", where);
  });

  it("is exact: of 200 creates at the same time precisely as many succeed as there is room for", async function () {
    this.timeout(30_000);
    const { token, companyId } = await app.signUp();
    await use(companyId, "patients", 500 - 37);
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => app.request("POST", "/api/patients", { token, json: newPatient() })),
    );
    const statuses = answers.map((answer) => answer.status);
    assert.deepEqual([statuses.filter((code) => code === 201).length, statuses.filter((code) => code === 402).length], [37, 163]);
    assert.equal((await new TenantScope(app.container.database, companyId).table(quotaUsage).find("patients"))?.used, 500);
    assert.equal(await new TenantScope(app.container.database, companyId).table(patients).count({}, 1000), 37);
  });

  it("is exact across four processes that share the database", async function () {
    this.timeout(60_000);
    const { companyId, userId } = await app.signUp();
    await use(companyId, "patients", 500 - 61);
    const where = app.postgres?.appUrl ?? path.join(app.directory, "app.db");
    const children = [1, 2, 3, 4].map(() =>
      spawn(process.execPath, ["--import", "tsx", path.join(__dirname, "quota-writer.ts"), where, companyId, userId, "50"], {
        stdio: ["ignore", "pipe", "inherit"],
      }),
    );
    const results = await Promise.all(
      children.map(async (child) => {
        let output = "";
        child.stdout.setEncoding("utf8").on("data", (part: string) => (output += part));
        const [code] = (await once(child, "close")) as [number];
        assert.equal(code, 0);
        return JSON.parse(output) as { created: number; refused: number };
      }),
    );
    assert.equal(
      results.reduce((sum, { created }) => sum + created, 0),
      61,
    );
    assert.equal(
      results.reduce((sum, { refused }) => sum + refused, 0),
      200 - 61,
    );
    assert.equal(await new TenantScope(app.container.database, companyId).table(patients).count({}, 1000), 61);
  });
});
