import assert from "node:assert/strict";
import { loadConfig } from "../../app/src/config";
import { openDatabase } from "../../app/src/db/open";
import { ALL_COMPANIES, TenantMetrics } from "../../app/src/observability/tenant-metrics";
import { TenantMetricsFlush } from "../../app/src/observability/tenant-metrics-flush";
import { PERIOD_NAMES } from "../../app/src/observability/tenant-metrics-periods";
import { findProblems } from "../../app/src/observability/tenant-metrics-problems";
import { companyReport, metricsSummaryReport } from "../../app/src/observability/tenant-metrics-report";
import { sumRows, TenantMetricsStore } from "../../app/src/observability/tenant-metrics-store";
import { silent } from "../app/metrics/support";
import { migrateAs } from "../support/database";
import { type PostgresService, startPostgres } from "../support/services/postgres";

const NOON = Date.parse("2026-06-03T12:02:00Z");
const DAY_MS = 86_400_000;

describe("company metrics on Postgres", function () {
  this.timeout(120_000);
  let postgres: PostgresService;
  before(async () => {
    postgres = await startPostgres();
    await migrateAs(postgres.url);
  });
  after(() => postgres.remove());

  it("E7 what instances count at the same time adds up in every period; problems and retention work as on SQLite", async () => {
    const open = () => openDatabase(loadConfig({ NODE_ENV: "test", ...postgres.environment }), silent);
    const databases = await Promise.all([open(), open(), open()]);
    const now = (): number => NOON;
    const instances = databases.map((database) => {
      const metrics = new TenantMetrics(now);
      return { metrics, flush: new TenantMetricsFlush(metrics, database, silent, 60_000, now) };
    });
    const rounds = 5;
    for (let round = 0; round < rounds; round++) {
      for (const { metrics } of instances) {
        for (let request = 0; request < 200; request++) {
          metrics.record(`company-${request % 40}`, "read", request % 40 === 7 ? 500 : 200, request % 40 === 9 ? 900 : 20);
        }
      }
      await Promise.all(instances.map(({ flush }) => flush.flush()));
    }
    const [database] = databases;
    const store = new TenantMetricsStore(database);
    for (const period of PERIOD_NAMES) {
      const one = sumRows(await store.series("company-3", period, NOON));
      const all = sumRows(await store.series(ALL_COMPANIES, period, NOON));
      assert.deepEqual([one?.requests, one?.digest.count], [5 * 3 * rounds, 5 * 3 * rounds], period);
      assert.deepEqual([all?.requests, all?.digest.count], [200 * 3 * rounds, 200 * 3 * rounds], period);
    }
    assert.deepEqual(
      (await findProblems(database, NOON)).map(({ companyId, problem }) => [companyId, problem]),
      [
        ["company-7", "failing"],
        ["company-9", "slow"],
      ],
    );
    const summary = await metricsSummaryReport(database, "day", NOON);
    assert.deepEqual([summary.activeCompanies, summary.current.requests], [40, 200 * 3 * rounds]);
    const report = await companyReport(database, { id: "company-9" }, NOON);
    assert.ok((report.hours[0]?.p95Ms ?? 0) > 800);
    assert.ok((await store.purge(NOON + 9 * DAY_MS)) >= 2 * 41, "windows and hours");
    assert.equal(sumRows(await store.series("company-3", "day", NOON))?.requests, 5 * 3 * rounds);
    await Promise.all(databases.map((one) => one.close()));
  });
});
