import assert from "node:assert/strict";
import { ConsoleReport, type ConsoleSnapshot } from "../../../app/src/console/report";
import { ADMIN_TOKEN, PASSWORD, TestApp } from "../http/support";

describe("console: endpoints", () => {
  let app: TestApp;
  before(async () => {
    app = await TestApp.start({ COMPANY_METRICS_FLUSH_MS: "60000" });
  });
  after(() => app.remove());

  const admin = { token: ADMIN_TOKEN };
  const snapshot = async (): Promise<ConsoleSnapshot> => {
    const answer = await app.request<ConsoleSnapshot>("GET", "/api/admin/console", admin);
    assert.equal(answer.status, 200, answer.text);
    return answer.body;
  };

  it("E7 the page is anybody's and says nothing; the figures are an operator's: the admin token, or a session of one", async () => {
    for (const path of ["/console", "/console.html"]) {
      const page = await fetch(`${app.url}${path}`);
      assert.equal(page.status, 200);
      assert.match(page.headers.get("content-security-policy") ?? "", /default-src 'self'/);
      assert.doesNotMatch(await page.text(), /<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/, "nothing inline");
    }
    await app.refusal(401, "GET", "/api/admin/console");
    const { token } = await app.signUp();
    await app.refusal(403, "GET", "/api/admin/console", { token });
    await app.refusal(403, "POST", "/api/admin/workers/1/drain", { token });
    const operator = { email: "op@example.org", name: "Op", password: PASSWORD };
    await app.request("POST", "/api/admin/platform-admins", { ...admin, json: operator });
    const login = await app.request<{ token: string }>("POST", "/api/auth/login", { json: { email: operator.email, password: PASSWORD } });
    assert.equal((await app.request("GET", "/api/admin/console", { token: login.body.token })).status, 200);
  });

  it("E7 libraries of the page come from the app itself, under names that may be kept for ever", async () => {
    const page = await (await fetch(`${app.url}/console`)).text();
    const names = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name ?? "");
    assert.ok(
      names.some((name) => /^vendor\/uplot\.[0-9a-f]{12}\.js$/.test(name)),
      page,
    );
    for (const name of names) {
      assert.doesNotMatch(name, /^(https?:)?\/\//, "works without internet");
      assert.equal((await fetch(`${app.url}/${name}`)).status, 200, name);
    }
  });

  it("E7 tells requests, workers, queues and the busiest companies by name", async () => {
    const json = { companyName: "Acme", name: "Boss", email: "boss@acme.example", password: PASSWORD };
    const { body } = await app.request<{ token: string; company: { id: string } }>("POST", "/api/auth/signup", { json });
    await app.request("GET", "/api/orders", { token: body.token });
    await app.container.tenantMetricsFlush.flush();
    // A report of its own: what another one keeps is ten seconds old at most.
    const found = await new ConsoleReport(app.container).snapshot();
    assert.ok(found.requests.total > 0);
    assert.equal(found.latency.at(-1)?.le, null);
    assert.deepEqual(
      found.workers.map(({ id, state }) => [id, state]),
      [[1, "ready"]],
    );
    assert.deepEqual(
      found.queues?.map(({ queue, waiting, paused }) => [queue, waiting, paused]),
      [
        ["tax-computation", 0, false],
        ["ocr-processing", 0, false],
        ["document-processing", 0, false],
      ],
    );
    const acme = found.companies?.find(({ id }) => id === body.company.id);
    assert.deepEqual([acme?.name, acme?.plan, acme?.requests, acme?.limited], ["Acme", "FREE", 1, 0]);
    assert.equal("pid" in (found.workers[0] ?? {}), false);
  });

  it("E7 many consoles cost no more than one: figures are kept for half a second", async () => {
    let asked = 0;
    const { instance } = app.container;
    const original = instance.metricsText.bind(instance);
    Object.assign(instance, {
      metricsText: () => {
        asked += 1;
        return original();
      },
    });
    try {
      await Promise.all(Array.from({ length: 20 }, snapshot));
      assert.ok(asked <= 2, `${asked} times`);
    } finally {
      Object.assign(instance, { metricsText: original });
    }
  });

  it("A2 drains a worker by the number of its process; unknown and starting ones are refused", async () => {
    const answer = await app.request("POST", "/api/admin/workers/1/drain", admin);
    assert.equal(answer.status, 202, answer.text);
    assert.deepEqual(app.drained, [1]);
    for (const id of ["2", "0", "-1", "1e0", "x"]) await app.refusal(404, "POST", `/api/admin/workers/${id}/drain`, admin);
    const before = app.cluster;
    try {
      app.cluster = { ...before, workers: before.workers.map((worker) => ({ ...worker, state: "starting" as const })) };
      await app.refusal(409, "POST", "/api/admin/workers/1/drain", admin);
    } finally {
      app.cluster = before;
    }
    assert.deepEqual(app.drained, [1]);
  });

  it("A2 a control that is meant for another instance is refused with 421 and changes nothing", async () => {
    const { instance } = await snapshot();
    const other = "11111111-1111-4111-8111-111111111111";
    const done = (): number[] => [app.reloads, app.drained.length];
    for (const [path, change] of [
      ["/api/admin/reload", [1, 0]],
      ["/api/admin/workers/1/drain", [0, 1]],
    ] as const) {
      const before = done();
      await app.refusal(421, "POST", `${path}?instance=${other}`, admin);
      await app.refusal(400, "POST", `${path}?instance=nobody`, admin);
      await app.refusal(400, "POST", `${path}?worker=1`, admin);
      assert.deepEqual(done(), before);
      assert.equal((await app.request("POST", `${path}?instance=${instance}`, admin)).status, 202);
      assert.deepEqual(
        done(),
        before.map((count, index) => count + (change[index] ?? 0)),
      );
    }
  });

  it("E7 what is away is missing, and the rest is told", async () => {
    const { queue } = app.container.jobs;
    const original = queue.stats.bind(queue);
    Object.assign(queue, { stats: () => Promise.reject(new Error("away")) });
    try {
      const found = await new ConsoleReport(app.container).snapshot();
      assert.equal(found.queues, null);
      assert.ok(found.requests.total > 0 && found.companies !== null);
    } finally {
      Object.assign(queue, { stats: original });
    }
  });

  it("E7 a database that is silent holds nothing up that needs none", async () => {
    const { database } = app.container;
    const silent = Object.assign(Object.create(database) as typeof database, { all: () => new Promise<never>(() => undefined) });
    const report = new ConsoleReport({ ...app.container, database: silent });
    const asked = performance.now();
    const found = await report.snapshot();
    assert.ok(performance.now() - asked < 8000, "the page gives up after 8 s");
    assert.equal(found.companies, null);
    assert.ok(found.requests.total > 0 && found.queues !== null && found.workers.length === 1);
  });
});
