import assert from "node:assert/strict";
import fc from "fast-check";
import { prepare } from "../../../app/src/container";
import { histogramQuantile, metricsSummary, parseMetrics } from "../../../app/src/health/metrics-summary";
import { recommend, type ScalingFigures } from "../../../app/src/health/recommendation";
import { judge, THRESHOLDS, worst } from "../../../app/src/health/thresholds";
import { HeldSqliteReader } from "../../../app/src/transfer/sqlite-store";
import { testDatabase } from "../../support/test-database";
import { ADMIN_TOKEN, TestApp } from "./support";

type Json = Record<string, unknown>;

describe("A6, C6 health endpoints", () => {
  let app: TestApp;
  before(async () => (app = await TestApp.start({ APP_VERSION: "1.2.3" })));
  after(() => app.remove());

  it("C6 /health has exactly the promised fields, with honest values", async () => {
    const { status, body } = await app.request<Json>("GET", "/health");
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body).sort(), ["cache", "database", "phase", "scaling", "status", "uptime", "version", "worker"]);
    const { database, uptime, ...rest } = body;
    assert.deepEqual(rest, {
      status: "ok",
      version: "1.2.3",
      phase: testDatabase() === "sqlite" ? "cluster" : "database",
      worker: 1,
      cache: { size: 0, maxSize: 50_000, enabled: true },
      scaling: { compression: true, rateLimiting: false, clustering: false },
    });
    assert.equal(typeof uptime, "number");
    const { kind, status: state, latencyMs } = database as { kind: string; status: string; latencyMs: number };
    assert.deepEqual([kind, state], [testDatabase(), "up"]);
    assert.ok(latencyMs >= 0 && latencyMs < 1000);
    assert.equal((await app.request("HEAD", "/health?x=1")).status, 200);
    assert.equal((await app.request("POST", "/health")).status, 405);
  });

  it("/health stays 200 and says degraded when the database is gone", async () => {
    const own = await TestApp.start();
    try {
      await own.container.database.close();
      const health = await own.request<Json>("GET", "/health");
      assert.deepEqual(
        [health.status, health.body["status"], health.body["database"]],
        [200, "degraded", { kind: testDatabase(), status: "down" }],
      );
      const full = await own.request<Json>("GET", "/api/health/full");
      assert.deepEqual([full.status, full.body["status"]], [503, "critical"]);
    } finally {
      await own.remove();
    }
  });

  it("F1 an instance whose rows were moved says so and reads on; one that is started then ends with the reason", async function () {
    if (testDatabase() !== "sqlite") this.skip();
    const own = await TestApp.start();
    try {
      const { config, logger } = own.container;
      const held = new HeldSqliteReader(config.sqlitePath);
      held.sealForGood();
      await held.close();
      const ready = await own.request<Json>("GET", "/ready");
      assert.deepEqual([ready.status, ready.body["status"]], [503, "moved"]);
      const health = await own.request<Json>("GET", "/health");
      assert.deepEqual([health.status, (health.body["database"] as Json)["moved"]], [200, true]);
      const full = await own.request<{ components: Record<string, Json> }>("GET", "/api/health/full");
      const { status, moved } = full.body.components["database"] ?? {};
      assert.deepEqual([full.status, status, moved], [503, "critical", true]);
      await assert.rejects(prepare(config, logger), {
        name: "SealedFileError",
        message: /\.db is sealed: .*docs\/runbooks\/sealed-file\.md/,
      });
    } finally {
      await own.remove();
    }
  });

  it("/ready is 200 when serving, 503 while booting and while the instance drains", async () => {
    const { state } = app.container;
    const ready = async () => {
      const { status, body } = await app.request<Json>("GET", "/ready");
      return [status, body["status"]];
    };
    assert.deepEqual(await ready(), [200, "ready"]);
    state.ready = false;
    assert.deepEqual(await ready(), [503, "starting"]);
    state.draining = true;
    assert.deepEqual(await ready(), [503, "draining"]);
    assert.equal((await app.request<Json>("GET", "/health")).body["status"], "draining");
    Object.assign(state, { ready: true, draining: false });
  });

  it("A6 /api/health/full reports every component with its figures and the worst of them as status", async () => {
    type Full = { status: string; components: Record<string, Record<string, unknown>> };
    const { status, body } = await app.request<Full>("GET", "/api/health/full");
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body.components).sort(), [
      "cache",
      "cluster",
      "database",
      "eventLoop",
      "events",
      "memory",
      "queue",
      "rateLimiting",
      "realtime",
    ]);
    const { memory, eventLoop, database, cluster } = body.components;
    assert.ok(Number(memory?.["rssBytes"]) > 10_000_000 && Number(memory?.["pressure"]) > 0);
    assert.ok(Number(eventLoop?.["delayP99Ms"]) >= 0 && Number(eventLoop?.["utilization"]) <= 1);
    assert.ok(Number(database?.["latencyMs"]) >= 0);
    assert.equal((cluster?.["workers"] as unknown[]).length, 1);
    const statuses = Object.values(body.components).map((component) => component["status"] as "ok");
    assert.equal(body.status, worst(statuses));

    app.cluster = { ...app.cluster, workersWanted: 4 };
    const short = await app.request<Full>("GET", "/api/health/full");
    assert.equal(short.body.components["cluster"]?.["status"], "warning");
    app.cluster = { ...app.cluster, workersWanted: 1, respawns: { limitPerMinute: 10, usedLastMinute: 9, total: 9 } };
    assert.equal((await app.request<Full>("GET", "/api/health/full")).status, 503);
    app.cluster = { ...app.cluster, respawns: { limitPerMinute: 10, usedLastMinute: 0, total: 9 } };
    app.clusterFails = true;
    const silent = await app.request<Full>("GET", "/api/health/full");
    app.clusterFails = false;
    assert.equal(silent.status, 503);
    assert.equal(silent.body.components["cluster"]?.["reason"], "The primary process does not answer.");
    assert.equal(silent.body.components["database"]?.["status"], "ok");
  });

  it("A6 /api/health/metrics counts what was asked, /metrics is Prometheus text", async () => {
    const before = metricsSummary((await app.request("GET", "/metrics")).text);
    for (let index = 0; index < 5; index++) await app.request("GET", "/nowhere");
    const { body } = await app.request<{
      requests: { total: number; byStatus: Record<string, number> };
      latencyMs: { p95: number };
      routes: { route: string }[];
    }>("GET", "/api/health/metrics");
    assert.ok((body.requests.byStatus["404"] ?? 0) - (before.requests.byStatus["404"] ?? 0) >= 5);
    assert.ok(body.requests.total > before.requests.total);
    assert.ok(body.latencyMs.p95 > 0);
    assert.ok(
      body.routes.every(({ route }) => !route.includes("nowhere")),
      "routes are patterns, never URLs",
    );
    const text = await app.request("GET", "/metrics");
    assert.match(text.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    assert.match(text.text, /^# TYPE http_requests_total counter$/m);
  });

  it("A6 a crowd that asks for health costs one look: health is never limited", async () => {
    const { database, instance } = app.container;
    const counts = { ping: 0, status: 0, metrics: 0 };
    const original = { ...instance };
    const ping = database.ping.bind(database);
    const slowly = async <Result>(name: keyof typeof counts, look: () => Promise<Result>): Promise<Result> => {
      counts[name] += 1;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return look();
    };
    Object.assign(database, { ping: () => slowly("ping", ping) });
    Object.assign(instance, {
      status: () => slowly("status", () => original.status()),
      metricsText: () => slowly("metrics", () => original.metricsText()),
    });
    try {
      for (const name of ["database", "full", "scaling", "metrics", "cache"]) {
        Object.assign(counts, { ping: 0, status: 0, metrics: 0 });
        const answers = await Promise.all(Array.from({ length: 20 }, () => app.request("GET", `/api/health/${name}`)));
        assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]), name);
        assert.ok(
          Object.values(counts).every((count) => count <= 2),
          `${name}: ${JSON.stringify(counts)}`,
        );
      }
    } finally {
      delete (database as { ping?: unknown }).ping;
      Object.assign(instance, original);
    }
  });

  it("A6 /api/health/queue counts jobs; /scaling gives figures and advice", async () => {
    const queue = await app.request<Json>("GET", "/api/health/queue");
    assert.deepEqual([queue.body["enabled"], queue.body["status"], queue.body["driver"]], [true, "ok", testDatabase()]);
    assert.deepEqual([queue.body["depth"], queue.body["active"], queue.body["delayed"], queue.body["failed"]], [0, 0, 0, 0]);
    const { body } = await app.request<Record<string, Record<string, unknown>>>("GET", "/api/health/scaling");
    assert.deepEqual([body["workers"]?.["wanted"], body["workers"]?.["ready"]], [1, 1]);
    assert.deepEqual(body["respawnBudget"]?.["remaining"], 10);
    assert.equal(body["memory"]?.["highestPressure"], 0.1);
    assert.equal(typeof body["recommendation"]?.["reason"], "string");
  });

  it("reloads for the holder of the admin token only, and does not wait for the outcome", async () => {
    const { token } = await app.signUp();
    await app.refusal(401, "POST", "/api/admin/reload");
    await app.refusal(403, "POST", "/api/admin/reload", { token });
    await app.refusal(401, "POST", "/api/admin/reload", { token: `${ADMIN_TOKEN}x` });
    assert.equal(app.reloads, 0);
    assert.equal((await app.request("POST", "/api/admin/reload", { token: ADMIN_TOKEN })).status, 202);
    assert.equal(app.reloads, 1);
  });
});

describe("health: thresholds, advice, metrics text", () => {
  const calm: ScalingFigures = {
    workersWanted: 2,
    workersReady: 2,
    cpus: 4,
    memoryPressure: 0.3,
    eventLoopUtilization: 0.2,
    respawnBudgetUsed: 0,
  };

  it("judges a figure by where it lies", () => {
    const threshold = THRESHOLDS.memoryPressure;
    assert.deepEqual(
      [0.84, 0.85, 0.89, 0.9].map((value) => judge(value, threshold)),
      ["ok", "warning", "warning", "critical"],
    );
    assert.equal(worst(["disabled", "ok"]), "ok");
    assert.equal(worst(["critical", "warning"]), "critical");
  });

  it("advises the most urgent thing first", () => {
    const advice = (changes: Partial<ScalingFigures>): string => recommend({ ...calm, ...changes }).action;
    assert.equal(advice({}), "none");
    assert.equal(advice({ eventLoopUtilization: 0.8 }), "add-workers");
    assert.equal(advice({ eventLoopUtilization: 0.8, cpus: 2 }), "add-instances");
    assert.equal(advice({ eventLoopUtilization: 0.9, memoryPressure: 0.85 }), "add-memory");
    assert.equal(advice({ workersReady: 1, memoryPressure: 0.95 }), "wait");
    assert.equal(advice({ respawnBudgetUsed: 0.3, workersReady: 0, eventLoopUtilization: 1 }), "find-crashes");
  });

  it("reads label values with every character Prometheus escapes", () => {
    const [sample] = parseMetrics('a_total{path="x\\"y\\\\z",b="1, 2}"} 3\n# HELP a text\n');
    assert.deepEqual(sample, { name: "a_total", labels: { path: 'x"y\\z', b: "1, 2}" }, value: 3 });
    assert.deepEqual(parseMetrics("up 1"), [{ name: "up", labels: {}, value: 1 }]);
  });

  it("finds a quantile in the bucket that holds it (property)", () => {
    const bounds = [0.01, 0.1, 1, Infinity];
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.0001, max: 5, noNaN: true }), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (values, q) => {
          const buckets = new Map(bounds.map((bound) => [bound, values.filter((value) => value <= bound).length]));
          const sorted = [...values].sort((one, other) => one - other);
          const exact = sorted[Math.max(0, Math.ceil(q * values.length) - 1)] ?? 0;
          const found = histogramQuantile(q, buckets) ?? -1;
          const upper = bounds.find((bound) => exact <= bound) ?? Infinity;
          const lower = bounds[bounds.indexOf(upper) - 1] ?? 0;
          assert.ok(found >= lower && found <= (upper === Infinity ? 1 : upper) + 1e-9, `${found} not in ${lower}–${upper}`);
        },
      ),
    );
    assert.equal(histogramQuantile(0.5, new Map()), null);
  });
});
