import assert from "node:assert/strict";
import path from "node:path";
import fc from "fast-check";
import { migrate } from "../../../app/src/db/migrate";
import { SqliteDatabase } from "../../../app/src/db/sqlite";
import { ALL_COMPANIES, TenantMetrics, WINDOW_MS, type RouteClass } from "../../../app/src/observability/tenant-metrics";
import { findProblems } from "../../../app/src/observability/tenant-metrics-problems";
import { TenantMetricsFlush } from "../../../app/src/observability/tenant-metrics-flush";
import { PERIOD_NAMES, PERIODS, periodStart } from "../../../app/src/observability/tenant-metrics-periods";
import { sumRows, TenantMetricsStore } from "../../../app/src/observability/tenant-metrics-store";
import { inDirectory, MIGRATIONS, withDatabase } from "../db/support";
import { silent } from "./support";

/** A Wednesday. */
const NOON = Date.parse("2026-06-03T12:00:00Z");
const HOUR_MS = 3_600_000;

describe("company metrics: roll-ups in the database", () => {
  it("E7 hours, days and ISO weeks start where they should", () => {
    const starts = PERIOD_NAMES.map((period) => new Date(periodStart(period, NOON + 61_000 * 7)).toISOString());
    assert.deepEqual(starts, [
      "2026-06-03T12:05:00.000Z",
      "2026-06-03T12:00:00.000Z",
      "2026-06-03T00:00:00.000Z",
      "2026-06-01T00:00:00.000Z",
    ]);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), fc.constantFrom(...PERIOD_NAMES), (time, period) => {
        const start = periodStart(period, time);
        assert.ok(start <= time && time < start + PERIODS[period].lengthMs);
        assert.equal(periodStart(period, start), start);
        if (period === "week") assert.equal(new Date(start).getUTCDay(), 1);
      }),
    );
  });

  it("E7 a flush of many companies leaves turns of the event loop to requests", () =>
    withDatabase(async (database) => {
      const metrics = new TenantMetrics(() => NOON);
      for (let company = 0; company < 500; company++) metrics.record(`company-${company}`, "read", 200, 5);
      let [turns, isOver] = [0, false];
      const turn = (): void => {
        turns += 1;
        if (!isOver) setImmediate(turn);
      };
      setImmediate(turn);
      await new TenantMetricsFlush(metrics, database, silent, 60_000, () => NOON).flush();
      isOver = true;
      // One for each transaction, of 25 companies: SQLite answers all of them in a single turn otherwise.
      assert.ok(turns >= 20, `${turns} turns`);
    }));

  it("E7 what several workers and instances count adds up in every period, and survives restarts", () =>
    inDirectory(async (directory) => {
      const file = path.join(directory, "app.db");
      const open = () => SqliteDatabase.open({ file });
      const first = await open();
      await migrate(first, MIGRATIONS);
      await first.close();
      let clock = NOON;
      const sent = new Map<string, number>();
      // Two generations of three processes, each with a connection of its own to the same file.
      for (let generation = 0; generation < 2; generation++) {
        const workers = await Promise.all(
          [1, 2, 3].map(async () => {
            const database = await open();
            const metrics = new TenantMetrics(() => clock);
            return { database, metrics, flush: new TenantMetricsFlush(metrics, database, silent, 60_000, () => clock) };
          }),
        );
        for (let round = 0; round < 4; round++) {
          clock += WINDOW_MS / 2;
          for (const [index, { metrics }] of workers.entries()) {
            for (let request = 0; request < 40; request++) {
              const company = `company-${(request + index) % 30}`;
              metrics.record(company, "read", request % 10 === 0 ? 500 : 200, request);
              sent.set(company, (sent.get(company) ?? 0) + 1);
            }
          }
          await Promise.all(workers.map(({ flush }) => flush.flush()));
        }
        await Promise.all(workers.map(async ({ database, flush }) => (await flush.stop(), database.close())));
      }
      const database = await open();
      const store = new TenantMetricsStore(database);
      const total = [...sent.values()].reduce((sum, count) => sum + count);
      for (const period of PERIOD_NAMES) {
        for (const [company, requests] of sent) {
          const sum = sumRows(await store.series(company, period, clock));
          assert.deepEqual([sum?.requests, sum?.digest.count], [requests, requests], `${company} by ${period}`);
        }
        const all = sumRows(await store.series(ALL_COMPANIES, period, clock));
        assert.deepEqual([all?.requests, all?.digest.count, all?.serverErrors], [total, total, total / 10]);
      }
      assert.equal((await store.series("company-1", "week", clock)).length, 1);
      assert.ok((await store.series("company-1", "window", clock)).length >= 4);
      await database.close();
    }));

  it("E7 any sequence of requests and flushes gives the same sums as counting by hand (property)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ company: fc.nat(5), at: fc.nat(3 * HOUR_MS), ms: fc.nat(5000), flush: fc.boolean() }), {
          minLength: 1,
          maxLength: 40,
        }),
        (events) =>
          withDatabase(async (database) => {
            let clock = NOON;
            const metrics = new TenantMetrics(() => clock);
            const flush = new TenantMetricsFlush(metrics, database, silent, 60_000, () => NOON + 4 * HOUR_MS);
            const byHand = new Map<string, { requests: number; totalMs: number }>();
            for (const { company, at, ms, flush: now } of events) {
              clock = NOON + at;
              metrics.record(`c${company}`, "write", 201, ms);
              const key = `c${company} ${new Date(periodStart("hour", clock)).toISOString()}`;
              const sum = byHand.get(key) ?? { requests: 0, totalMs: 0 };
              byHand.set(key, { requests: sum.requests + 1, totalMs: sum.totalMs + ms });
              if (now) await flush.flush();
            }
            await flush.flush();
            const rows = await database.all<{ key: string; requests: number; totalMs: number }>(
              "SELECT company_id || ' ' || starts_at AS \"key\", requests, total_ms AS \"totalMs\" FROM company_metrics WHERE period = 'hour' AND company_id <> '*' LIMIT 1000",
            );
            assert.deepEqual(new Map(rows.map(({ key, requests, totalMs }) => [key, { requests, totalMs }])), byHand);
          }),
      ),
      { numRuns: 15 },
    );
  });

  it("E7 rows past their retention go, and no others", () =>
    withDatabase(async (database) => {
      const store = new TenantMetricsStore(database);
      const at = async (time: number): Promise<void> => {
        const metrics = new TenantMetrics(() => time);
        metrics.record("a", "read", 200, 1);
        await store.add(metrics.take(10));
      };
      const day = 24 * HOUR_MS;
      for (const daysAgo of [0, 1, 9, 101, 800]) await at(NOON - daysAgo * day);
      const counts = async (): Promise<Record<string, number>> =>
        Object.fromEntries(
          (
            await database.all<{ period: string; count: number }>(
              "SELECT period, count(*) AS count FROM company_metrics WHERE company_id = 'a' GROUP BY period LIMIT 10",
            )
          ).map(({ period, count }) => [period, count]),
        );
      assert.deepEqual(await counts(), { window: 5, hour: 5, day: 5, week: 4 });
      await store.purge(NOON);
      assert.deepEqual(await counts(), { window: 1, hour: 2, day: 3, week: 3 });
    }));

  it("E7 stopping also writes what was counted while a flush was under way", () =>
    withDatabase(async (database) => {
      const metrics = new TenantMetrics(() => NOON);
      const flush = new TenantMetricsFlush(metrics, database, silent, 60_000, () => NOON);
      metrics.record("c1", "read", 200, 3);
      const underWay = flush.flush();
      metrics.record("c2", "read", 200, 3);
      await flush.stop();
      await underWay;
      assert.equal(await new TenantMetricsStore(database).activeCompanies("day", NOON), 2);
    }));

  it("E7 figures wait while the database is away, and are written once when it is back", () =>
    withDatabase(async (database) => {
      const metrics = new TenantMetrics(() => NOON);
      const messages: string[] = [];
      const logger = { warn: (_: unknown, text: string) => messages.push(text), info: (_: unknown, text: string) => messages.push(text) };
      const flush = new TenantMetricsFlush(metrics, database, logger as never, 60_000, () => NOON);
      const transaction = database.transaction.bind(database);
      // The 3rd transaction fails: some of the companies are written, the others and the sum of all are not.
      let calls = 0;
      database.transaction = (work) => (++calls >= 3 ? Promise.reject(new Error("gone")) : transaction(work));
      for (let company = 0; company < 100; company++) metrics.record(`c${company}`, "read", 200, 3);
      await flush.flush();
      assert.equal(metrics.stats().pending, 51, "50 companies, and the sum of those that were written");
      await flush.flush();
      database.transaction = transaction;
      await flush.flush();
      assert.deepEqual(messages, ["company figures cannot be written; they are kept for now", "company figures are written again"]);
      const store = new TenantMetricsStore(database);
      assert.equal(await store.activeCompanies("day", NOON), 100);
      assert.equal(sumRows(await store.series(ALL_COMPANIES, "day", NOON))?.requests, 100);
      assert.equal(sumRows(await store.series("c99", "day", NOON))?.requests, 1);
    }));

  it("D10 no statement of the figures scans the table", () =>
    withDatabase(async (database) => {
      const statements: string[] = [];
      const watched = new Proxy(database, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== "function") return value;
          return (...parameters: unknown[]): unknown => {
            if (name === "all" || name === "get" || name === "run") statements.push(String(parameters[0]));
            return Reflect.apply(value, target, parameters);
          };
        },
      });
      const store = new TenantMetricsStore(watched);
      const metrics = new TenantMetrics(() => NOON);
      for (let request = 0; request < 30; request++) metrics.record("slow", "read" satisfies RouteClass, 200, 5000);
      await store.add(metrics.take(10));
      await store.series("a", "hour", NOON);
      await store.busiest("hour", NOON, 5);
      await store.activeCompanies("hour", NOON);
      await findProblems(watched, NOON);
      await findProblems(watched, NOON, "slow");
      await store.purge(NOON);
      assert.ok(statements.length >= 12, `${statements.length}`);
      for (const sql of statements) {
        const marks = [...sql.matchAll(/\?/g)].map(() => "x");
        const plan = await database.all<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, marks);
        for (const { detail } of plan) assert.doesNotMatch(detail, /SCAN company_metrics(?! USING)/, sql);
      }
    }));
});
