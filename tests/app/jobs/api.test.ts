import assert from "node:assert/strict";
import { registry } from "../../../app/src/observability/metrics";
import { eventually } from "../../support/services/container";
import { testDatabase } from "../../support/test-database";
import { ADMIN_TOKEN, TestApp } from "../http/support";

interface JobView {
  readonly id: string;
  readonly status: string;
  readonly subjectId: string;
  readonly queue: string;
  readonly priority: string;
  readonly result: Record<string, unknown> | null;
  readonly error: string | null;
}
interface Page<Item> {
  readonly data: Item[];
  readonly page: { readonly total: number };
}

const INPUT = { taxYear: 2025, filingStatus: "single", grossIncomeCents: 10_000_000 };

describe("D5 background jobs through the API", function () {
  this.timeout(20_000);
  let app: TestApp;
  let token: string;

  beforeEach(async () => {
    app = await TestApp.start({ JOBS_RETRY_BASE_MS: "20" });
    ({ token } = await app.signUp());
  });
  afterEach(() => app.remove());

  const compute = (json: Record<string, unknown>, headers: Record<string, string> = {}) =>
    app.request<JobView>("POST", "/api/jobs/tax-computations", { token, json, headers });
  const job = async (id: string): Promise<JobView> => (await app.request<JobView>("GET", `/api/jobs/${id}`, { token })).body;
  const ends = async (id: string, status: string): Promise<JobView> => {
    await eventually(`job ${id} is ${status}`, async () => (await job(id)).status === status, 10_000, 20);
    return job(id);
  };

  it("D5 a tax is computed in the background: 202 with its job, and the computation when it is over", async () => {
    app.container.jobs.start();
    const accepted = await compute({ ...INPUT, priority: "high" });
    assert.equal(accepted.status, 202, accepted.text);
    assert.equal(accepted.headers.get("location"), `/api/jobs/${accepted.body.id}`);
    const done = await ends(accepted.body.id, "completed");
    // 2025, single: 100,000 less 15,750 leaves 84,250; 1,192.50 + 4,386 + 22 % of 35,775.
    assert.equal(done.result?.["taxCents"], 1_344_900);
    assert.equal(done.result["computationId"], done.subjectId);
    const computation = await app.request("GET", `/api/tax/computations/${done.subjectId}`, { token });
    assert.equal(computation.status, 200, computation.text);
    assert.equal(computation.body["taxCents"], 1_344_900);
    const list = await app.request<Page<JobView>>("GET", "/api/jobs?outcome=completed&queue=tax-computation", { token });
    assert.deepEqual(
      list.body.data.map(({ id }) => id),
      [done.id],
    );
  });

  it("D5 B8 who only serves counts the jobs that wait as well: nobody else is there when all runners are gone", async () => {
    const web = await TestApp.start({ ROLE: "web" });
    try {
      web.container.jobs.start();
      const { token: theirs } = await web.signUp();
      const { status, text } = await web.request("POST", "/api/jobs/tax-computations", { token: theirs, json: INPUT });
      assert.equal(status, 202, text);
      const counted = /^jobs\{queue="tax-computation",state="waiting"\} 1$/m;
      await eventually("it is counted", async () => counted.test(await registry.metrics()), 10_000, 100);
    } finally {
      await web.remove();
    }
  });

  it("D5 Idempotency-Key: sending the same request twice makes one job; another company's key is another", async () => {
    const headers = { "Idempotency-Key": "order-17" };
    const first = await compute(INPUT, headers);
    const second = await compute(INPUT, headers);
    assert.equal(second.status, 202);
    assert.equal(second.body.id, first.body.id);
    const other = await app.signUp();
    const theirs = await app.request<JobView>("POST", "/api/jobs/tax-computations", { token: other.token, json: INPUT, headers });
    assert.notEqual(theirs.body.id, first.body.id);
    const together = await Promise.all(Array.from({ length: 8 }, () => compute(INPUT, { "Idempotency-Key": "same-moment" })));
    assert.equal(new Set(together.map(({ body }) => body.id)).size, 1);
    assert.equal((await app.container.jobs.queue.stats())["tax-computation"].waiting, 3);
    const user = await app.addUser(token);
    for (const another of [
      { token, json: { ...INPUT, grossIncomeCents: 1 }, headers },
      { token, json: { ...INPUT, priority: "high" }, headers },
      { token: user.token, json: INPUT, headers },
    ]) {
      await app.refusal(422, "POST", "/api/jobs/tax-computations", another);
    }
    const problem = await app.refusal(400, "POST", "/api/jobs/tax-computations", {
      token,
      json: INPUT,
      headers: { "Idempotency-Key": "a b" },
    });
    assert.equal(problem.errors?.[0]?.field, "Idempotency-Key");
  });

  it("D5 jobs of another company cannot be seen, listed or cancelled", async () => {
    const mine = await compute(INPUT);
    const other = await app.signUp();
    await app.refusal(404, "GET", `/api/jobs/${mine.body.id}`, { token: other.token });
    await app.refusal(404, "POST", `/api/jobs/${mine.body.id}/cancel`, { token: other.token });
    const list = await app.request<Page<JobView>>("GET", "/api/jobs", { token: other.token });
    assert.deepEqual(list.body.data, []);
    assert.equal((await job(mine.body.id)).status, "waiting");
  });

  it("D5 a waiting job is cancelled and never runs; what is over stays", async () => {
    const accepted = await compute({ ...INPUT, delayMs: 60_000 });
    assert.equal(accepted.body.status, "delayed");
    const cancelled = await app.request<JobView>("POST", `/api/jobs/${accepted.body.id}/cancel`, { token });
    assert.equal(cancelled.status, 200);
    assert.equal(cancelled.body.status, "cancelled");
    assert.equal(await app.container.jobs.queue.get(accepted.body.id), undefined);
    const problem = await app.refusal(409, "POST", `/api/jobs/${accepted.body.id}/cancel`, { token });
    assert.match(problem.detail, /over \(cancelled\)/);
  });

  it("D5 wrong input is refused with every field", async () => {
    const problem = await app.refusal(400, "POST", "/api/jobs/tax-computations", {
      token,
      json: { taxYear: 1999, filingStatus: "alone", grossIncomeCents: -1, delayMs: 1.5, priority: "now" },
    });
    assert.deepEqual(problem.errors?.map(({ field }) => field).sort(), [
      "delayMs",
      "filingStatus",
      "grossIncomeCents",
      "priority",
      "taxYear",
    ]);
  });

  it("D5 operators see the queues, pause and resume them, and put dead letters back", async () => {
    const admin = { token: ADMIN_TOKEN };
    const { queue, company } = app.container.jobs;
    const queues = await app.request<{ driver: string; data: { queue: string; paused: boolean }[] }>("GET", "/api/admin/queues", admin);
    assert.deepEqual([queues.body.driver, queues.body.data.length], [testDatabase(), 3]);
    await app.request("POST", "/api/admin/queues/tax-computation/pause", admin);
    app.container.jobs.start();
    const accepted = await compute(INPUT);
    const health = await app.request("GET", "/api/health/queue", {});
    assert.equal(health.body["enabled"], true);
    assert.equal((await queue.stats())["tax-computation"].paused, true);
    assert.equal((await job(accepted.body.id)).status, "waiting");
    await app.request("POST", "/api/admin/queues/tax-computation/resume", admin);
    await ends(accepted.body.id, "completed");

    // A payload no processor takes: what a version that is no longer there might have left.
    const { row } = await scopeOf(app, token).then((scope) =>
      scope.transaction((inside) =>
        company.accept(inside, { queue: "tax-computation", subjectId: "x", createdBy: userId, input: { poison: true } }),
      ),
    );
    await company.dispatch(row);
    const failed = await ends(row.id, "failed");
    assert.match(failed.error ?? "", /no input of a tax computation/);
    const dead = await app.request<{ data: { id: string; attemptsStarted: number }[] }>(
      "GET",
      "/api/admin/queues/tax-computation/dead-letters?limit=5",
      admin,
    );
    assert.deepEqual(
      dead.body.data.map(({ id, attemptsStarted }) => [id, attemptsStarted]),
      [[row.id, 1]],
    );
    assert.equal((await app.request("POST", `/api/admin/queues/dead-letters/${row.id}/retry`, admin)).status, 204);
    await ends(row.id, "failed");
    await eventually("it is dead again", async () => (await queue.deadLetters("tax-computation", 5)).length === 1);
    assert.equal((await app.request("DELETE", `/api/admin/queues/dead-letters/${row.id}`, admin)).status, 204);
    await app.refusal(404, "DELETE", `/api/admin/queues/dead-letters/${row.id}`, admin);
    await app.refusal(404, "POST", "/api/admin/queues/nothing/pause", admin);
    await app.refusal(403, "GET", "/api/admin/queues", { token });
  });

  let userId = "";
  async function scopeOf(running: TestApp, of: string) {
    const me = await running.request<{ user: { id: string }; company: { id: string } }>("GET", "/api/auth/me", { token: of });
    userId = me.body.user.id;
    const { TenantScope } = await import("../../../app/src/db/tenant.js");
    return new TenantScope(running.container.database, me.body.company.id);
  }

  it("D5 a queue that lost its memory gets every open job again, and what ended unnoticed is noted", async function () {
    // The queue is robbed of its table here; on Postgres the tables are BullMQ's own business.
    if (testDatabase() !== "sqlite") this.skip();
    const { company, queue } = app.container.jobs;
    const lost = await compute(INPUT);
    await app.container.database.run("DELETE FROM queued_jobs");
    const later = Date.now() + 60_000;
    assert.equal(await company.reconcile(Date.now()), 0, "it may still be on its way");
    assert.equal(await company.reconcile(later), 1);
    assert.equal(await company.reconcile(later), 0);
    assert.equal((await queue.get(lost.body.id))?.state, "waiting");
    await app.container.database.run(
      "UPDATE queued_jobs SET state = 'completed', result = '{\"taxCents\":1}', finished_at = '2025-01-01T00:00:00.000Z'",
    );
    await company.reconcile(later);
    assert.deepEqual((await job(lost.body.id)).result, { taxCents: 1 });
    assert.equal((await job(lost.body.id)).status, "completed");
    await company.purge(Date.now() + 31 * 24 * 3_600_000);
    await app.refusal(404, "GET", `/api/jobs/${lost.body.id}`, { token });
  });

  it("D5 comparing with the queue ends between two jobs when the process is to end", async function () {
    if (testDatabase() !== "sqlite") this.skip();
    const { company, queue } = app.container.jobs;
    await compute(INPUT);
    await compute(INPUT);
    await app.container.database.run("DELETE FROM queued_jobs");
    const later = Date.now() + 60_000;
    const stop = new AbortController();
    const get = queue.get.bind(queue);
    queue.get = (id) => {
      stop.abort();
      return get(id);
    };
    try {
      assert.equal(await company.reconcile(later, stop.signal), 1);
      assert.equal(await company.reconcile(later, stop.signal), 0);
    } finally {
      queue.get = get;
    }
    assert.equal(await company.reconcile(later), 1);
  });

  it("D5 a drain does not wait for a comparison that gets no answer, and a second one does not wait again", async function () {
    this.timeout(30_000);
    const other = await TestApp.start({});
    try {
      const { jobs } = other.container;
      let answer: (added: number) => void = () => undefined;
      const answered = new Promise<number>((resolve) => (answer = resolve));
      let asked = false;
      jobs.company.reconcile = () => {
        asked = true;
        return answered;
      };
      jobs.start();
      await eventually("it compares", () => asked);
      const from = performance.now();
      await jobs.drain(0);
      const first = performance.now();
      assert.ok(first - from > 2900 && first - from < 15_000, `the drain took ${first - from} ms`);
      await jobs.drain(0);
      assert.ok(performance.now() - first < 2500, `the second one took ${performance.now() - first} ms`);
      answer(0);
    } finally {
      await other.remove();
    }
  });

  it("D5 a job that completed is completed, also when it was noted as failed; nothing else changes an outcome", async () => {
    const { company } = app.container.jobs;
    const { id } = (await compute(INPUT)).body;
    const end = { id, queue: "tax-computation", error: null, result: null } as const;
    await company.settle({ ...end, state: "failed", error: "tried too often" });
    await company.settle({ ...end, state: "cancelled" });
    assert.equal((await job(id)).status, "failed");
    await company.settle({ ...end, state: "completed", result: { taxCents: 1 } });
    await company.settle({ ...end, state: "failed", error: "too late" });
    const { status, result, error } = await job(id);
    assert.deepEqual({ status, result, error }, { status: "completed", result: { taxCents: 1 }, error: null });
  });

  it("D5 many jobs that rightly wait for long do not keep a lost one from being put into its queue again", async function () {
    if (testDatabase() !== "sqlite") this.skip();
    const { company, queue } = app.container.jobs;
    const { database } = app.container;
    const waits = await compute({ ...INPUT, delayMs: 86_400_000 });
    const lost = await compute(INPUT);
    // As many as one look compares, all older than the lost one, and all known to the queue.
    for (let number = 0; number < 199; number += 1) {
      const id = `waits-${String(number).padStart(3, "0")}`;
      await database.run(
        `INSERT INTO company_jobs (company_id, id, queue, outcome, priority, payload, subject_id, created_by, not_before, created_at)
         SELECT company_id, ?, queue, outcome, priority, payload, subject_id, created_by, not_before, '2026-01-01T00:00:00.000Z'
         FROM company_jobs WHERE id = ?`,
        [id, waits.body.id],
      );
      await queue.add("tax-computation", {}, { id, delayMs: 86_400_000 });
    }
    await database.run("UPDATE company_jobs SET created_at = '2026-01-01T00:00:00.000Z' WHERE id = ?", [waits.body.id]);
    await database.run("DELETE FROM queued_jobs WHERE id = ?", [lost.body.id]);
    const later = Date.now() + 60_000;
    assert.equal(await company.reconcile(later), 0, "the first look sees those that wait");
    assert.equal(await company.reconcile(later), 1, "the next one goes on behind them");
    assert.equal((await queue.get(lost.body.id))?.state, "waiting");
    assert.equal(await company.reconcile(later), 0, "and then it begins anew");
  });

  it("D5 /metrics counts jobs by queue and state where they run", async () => {
    app.container.jobs.start();
    const accepted = await compute(INPUT);
    await ends(accepted.body.id, "completed");
    const { text } = await app.request("GET", "/metrics");
    assert.match(text, /^jobs\{queue="tax-computation",state="completed"\} 1$/m);
    assert.match(text, /^jobs_finished_total\{queue="tax-computation",outcome="completed"\} \d+$/m);
    assert.match(text, /^job_attempt_duration_seconds_count\{queue="tax-computation"\} \d+$/m);
  });
});

describe("A18 roles", function () {
  this.timeout(20_000);

  it("A18 an instance for jobs answers health and metrics, and no API", async () => {
    const app = await TestApp.start({ ROLE: "jobs" });
    try {
      assert.equal((await app.request("GET", "/health")).status, 200);
      assert.equal((await app.request("GET", "/ready")).status, 200);
      assert.equal((await app.request("GET", "/metrics")).status, 200);
      assert.equal((await app.request("GET", "/api/health/queue")).status, 200);
      await app.refusal(404, "POST", "/api/auth/login", { json: { email: "a@example.org", password: "x" } });
      await app.refusal(404, "GET", "/api/jobs");
      await app.refusal(404, "GET", "/api/admin/queues", { token: ADMIN_TOKEN });
      app.container.jobs.start();
      await eventually("it runs jobs", () => app.container.jobs.running);
    } finally {
      await app.remove();
    }
  });

  it("A18 an instance for events is ready without brokers, and answers no API", async () => {
    const app = await TestApp.start({ ROLE: "consumer" });
    try {
      assert.equal((await app.request("GET", "/ready")).status, 200);
      assert.equal((await app.request("GET", "/api/health/queue")).status, 200);
      await app.refusal(404, "GET", "/api/jobs");
      app.container.jobs.start();
      assert.equal(app.container.jobs.running, false);
    } finally {
      await app.remove();
    }
  });

  it("A18 an instance for the API runs no jobs", async () => {
    const app = await TestApp.start({ ROLE: "web" });
    try {
      const { token } = await app.signUp();
      app.container.jobs.start();
      const accepted = await app.request<JobView>("POST", "/api/jobs/tax-computations", { token, json: INPUT });
      assert.equal(accepted.status, 202);
      assert.equal(app.container.jobs.running, false);
    } finally {
      await app.remove();
    }
  });
});
