import assert from "node:assert/strict";
import { ADMIN_TOKEN, TestApp } from "../app/http/support";
import { eventually } from "../support/services/container";
import { startPostgres, type PostgresGroup } from "../support/services/postgres";

interface Pool {
  readonly max: number;
  readonly inUse: number;
  readonly waiting: number;
  readonly usage: number;
  readonly status: string;
}

interface Report {
  readonly kind: string;
  readonly status: string;
  readonly latencyMs?: number;
  readonly pool?: Pool;
  readonly replicas?: readonly {
    name: string;
    server?: string;
    lastError?: string | null;
    healthy: boolean;
    primary: boolean;
    lagMs: number | null;
    pool: Pool;
  }[];
}

describe("D4 D11 E9 health of the database and its pools", function () {
  this.timeout(120_000);
  let postgres: PostgresGroup;
  let app: TestApp;
  before(async () => {
    postgres = await startPostgres({ replicas: 1 });
    app = await TestApp.start({
      ...postgres.environment,
      // Every server, as in the stack: the primary is not counted as a replica.
      DATABASE_READ_REPLICAS: [...postgres.replicas, postgres].map(({ appUrl }) => appUrl).join(","),
      WORKERS: "1",
      DB_POOL_MAX: "4",
      DB_RETRY_MS: "1000",
      DB_STATEMENT_TIMEOUT_MS: "2000",
      DB_REPLICA_CHECK_MS: "100",
    });
  });
  after(async () => {
    await app.remove();
    await postgres.remove();
  });

  const report = (options = {}) => app.request<Report>("GET", "/api/health/database", options);

  it("tells latency, pool and replicas; addresses only to operators", async () => {
    // On a busy machine the first answers take as long as is worth a warning.
    let answer = await report();
    await eventually("the replica is read, and all is well", async () => {
      answer = await report();
      return answer.body.replicas?.[0]?.healthy === true && answer.body.status === "ok";
    });
    const { status, body } = answer;
    assert.deepEqual([status, body.kind, body.status, body.pool?.max, body.pool?.status], [200, "postgres", "ok", 4, "ok"]);
    assert.ok((body.latencyMs ?? -1) >= 0 && (body.replicas?.[0]?.lagMs ?? -1) >= 0);
    const primary = body.replicas?.[1];
    assert.deepEqual([primary?.primary, primary?.healthy, primary?.lagMs], [true, false, null], "and nothing is wrong with that");
    assert.equal(body.replicas?.[0]?.server, undefined);
    assert.doesNotMatch(JSON.stringify(body), /127\.0\.0\.1/);
    const detailed = await report({ token: ADMIN_TOKEN });
    assert.match(detailed.body.replicas?.[0]?.server ?? "", /^Postgres at 127\.0\.0\.1:/);
    const full = await app.request<{ components: { database: Report } }>("GET", "/api/health/full");
    assert.deepEqual(Object.keys(full.body.components.database).sort(), Object.keys(body).sort());
  });

  it("warns when the pool fills, when requests wait, and says when there is room again; as gauges too", async () => {
    const { database, poolMonitor } = app.container;
    const pool = () => {
      const figures = database.figures().pool;
      assert.ok(figures);
      return poolMonitor.status("primary", figures);
    };
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const holders = Array.from({ length: 4 }, () => database.transaction(() => held));
    let waiting: Promise<unknown> | undefined;
    try {
      await eventually("the pool is full", () => pool().status === "critical", 20_000);
      const { text } = await app.request("GET", "/metrics");
      for (const line of [
        /^db_pool_connections\{pool="primary",state="in_use"\} 4$/m,
        /^db_pool_max_connections\{pool="primary"\} 4$/m,
        /^db_replica_up\{replica="replica-1"\} 1$/m,
        /^db_replica_lag_seconds\{replica="replica-1"\} [\d.]+$/m,
      ]) {
        assert.match(text, line);
      }
      assert.doesNotMatch(text, /^db_replica_(?:up|lag_seconds)\{replica="replica-2"\}/m, "a primary is no replica that is down");
      waiting = database.get("SELECT 1 AS one");
      await eventually("one waits", () => pool().waiting >= 1, 1500);
    } finally {
      release();
    }
    await Promise.all([...holders, waiting]);
    await eventually("there is room again", () => app.log.some(({ msg }) => msg === "the connection pool has room again"), 20_000);
    const told = app.log.filter(({ msg }) => String(msg).startsWith("the connection pool is"));
    assert.equal(told.at(-1)?.["pool"], "primary");
  });

  it("503 while the server does not answer, and 200 again afterwards; liveness stays 200", async () => {
    await postgres.pause();
    try {
      const down = await report();
      assert.deepEqual([down.status, down.body.status, down.body.latencyMs], [503, "critical", undefined]);
      const live = await app.request<{ status: string }>("GET", "/health");
      assert.deepEqual([live.status, live.body.status], [200, "degraded"]);
      const refused = await app.request("POST", "/api/auth/login", { json: { email: "a@example.org", password: "some password" } });
      assert.equal(refused.status, 503, refused.text);
      assert.ok(Number(refused.headers.get("retry-after")) >= 1);
    } finally {
      await postgres.unpause();
    }
    await eventually("it is up again", async () => (await report()).status === 200);
  });
});
